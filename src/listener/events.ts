/** Reads events, as supervisord sends them to a listener (supervisord.org/events.html). */

import type {
  Envelope,
  MalformedEvent,
  ProcessGroupEvent,
  SupervisorEvent,
} from '../supervisor/events.ts';
import { PROCESS_STATES, type ProcessState, stateOfName } from '../supervisor/states.ts';

/** `server:` is free text and may hold spaces and colons; every other field holds neither. */
const HEADER = /^ver:\S+ server:.*? serial:\d+ pool:\S+ poolserial:(\d+) eventname:(\S+) len:\d+$/s;

/** Reads one event. Never throws: what can't be understood is a value. */
export function parseEvent(header: string, payload: string): SupervisorEvent | MalformedEvent {
  const fields = HEADER.exec(header);
  const serial = Number(fields?.[1]);
  const name = fields?.[2];
  if (name === undefined || !Number.isSafeInteger(serial)) {
    return malformed('header', header, undefined);
  }

  const readBody = READERS.get(name);
  if (readBody === undefined) return malformed('unknown_event', name, serial);
  const body = readBody(payload);
  if (body === undefined) return malformed('payload', `${name} ${payload}`, serial);
  // In this order V8 copies it ten times faster than with the spread in front.
  return { name, serial, ...body };
}

function malformed(
  reason: MalformedEvent['reason'],
  text: string,
  serial: number | undefined,
): MalformedEvent {
  return { kind: 'malformed', reason, detail: text.slice(0, 200), serial };
}

type WithoutEnvelope<E> = E extends Envelope ? Omit<E, keyof Envelope> : never;
type Body = WithoutEnvelope<SupervisorEvent>;
/** Returns undefined where the payload is not what such an event carries. */
type ReadBody = (payload: string) => Body | undefined;

const readUnused: ReadBody = () => ({ kind: 'unused' });

/** The events that Supervisor has, by their names. */
const READERS: ReadonlyMap<string, ReadBody> = new Map<string, ReadBody>([
  ...PROCESS_STATES.map((to): [string, ReadBody] => [
    `PROCESS_STATE_${to}`,
    (payload) => readProcessState(to, payload),
  ]),
  ['PROCESS_GROUP_ADDED', (payload) => readProcessGroup('added', payload)],
  ['PROCESS_GROUP_REMOVED', (payload) => readProcessGroup('removed', payload)],
  ['TICK_5', (payload) => readTick(5, payload)],
  ['TICK_60', (payload) => readTick(60, payload)],
  ['TICK_3600', (payload) => readTick(3600, payload)],
  ['REMOTE_COMMUNICATION', readRemoteCommunication],
  ['SUPERVISOR_STATE_CHANGE_RUNNING', () => ({ kind: 'supervisor-state', state: 'running' })],
  ['SUPERVISOR_STATE_CHANGE_STOPPING', () => ({ kind: 'supervisor-state', state: 'stopping' })],
  ['PROCESS_COMMUNICATION_STDOUT', readUnused],
  ['PROCESS_COMMUNICATION_STDERR', readUnused],
  ['PROCESS_LOG_STDOUT', readUnused],
  ['PROCESS_LOG_STDERR', readUnused],
]);

/** The fields of a process' state change, in Supervisor's order. More may be added behind them. */
const PROCESS_STATE =
  /^processname:([^ ]+) groupname:([^ ]+) from_state:([^ ]+)(?: tries:(\d{1,15}))?(?: expected:(\d{1,15}))?(?: pid:(\d{1,15}))?(?! (?:tries|expected|pid):)(?: .*)?$/s;

function readProcessState(to: ProcessState, payload: string): Body | undefined {
  const [, name, group, fromName, tries, expected, pid] = PROCESS_STATE.exec(payload) ?? [];
  const from = stateOfName(fromName ?? '');
  if (name === undefined || group === undefined || from === undefined) return undefined;
  if (to === 'EXITED' && expected === undefined) return undefined;
  return {
    kind: 'process-state',
    process: { group, name },
    from,
    to,
    tries: readCount(tries),
    pid: readCount(pid),
    expected: expected === undefined ? undefined : Number(expected) !== 0,
  };
}

function readCount(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

function readProcessGroup(change: ProcessGroupEvent['change'], payload: string): Body | undefined {
  const group = /^groupname:([^ ]+?)\s*$/.exec(payload)?.[1];
  return group === undefined ? undefined : { kind: 'process-group', change, group };
}

function readTick(period: number, payload: string): Body | undefined {
  const when = readCount(/^when:(\d{1,15})$/.exec(payload)?.[1]);
  return when === undefined ? undefined : { kind: 'tick', period, when };
}

/** `type:TYPE\nDATA`, where DATA is whatever the sender liked. */
function readRemoteCommunication(payload: string): Body | undefined {
  const [, type, data] = /^type:([^\n]*)\n(.*)$/s.exec(payload) ?? [];
  if (type === undefined || data === undefined) return undefined;
  return { kind: 'remote-communication', type, data };
}
