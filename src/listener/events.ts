/** Reads events, as supervisord sends them to a listener (supervisord.org/events.html). */

import type {
  Envelope,
  MalformedEvent,
  ProcessGroupEvent,
  SupervisorEvent,
} from '../supervisor/events.ts';
import { SERVER_STATE_CODES } from '../supervisor/snapshot.ts';
import { PROCESS_STATES, type ProcessState, stateOfName } from '../supervisor/states.ts';

/**
 * Fields are found by their known order from both ends: `server:` is free text, and the name of a
 * pool may begin or end with a blank (`[eventlistener: exporter]`).
 */
const HEADER = /^ver:\S+ server:.* serial:\d+ pool:.* poolserial:(\d+) eventname:(\S+) len:\d+$/s;

/** Reads one event. `payload`: undefined where it was too long and was skipped. Never throws: a malformed event is a value. */
export function parseEvent(
  header: string,
  payload: string | undefined,
): SupervisorEvent | MalformedEvent {
  const fields = HEADER.exec(header);
  const serial = Number(fields?.[1]);
  const name = fields?.[2];
  if (name === undefined || !Number.isSafeInteger(serial)) {
    return malformed('header', header, undefined);
  }

  const readBody = READERS.get(name);
  if (readBody === undefined) return malformed('unknown_event', name, serial);
  if (payload === undefined) return malformed('payload', `too long: ${header}`, serial);
  const body = readBody(payload);
  if (body === undefined) return malformed('payload', `${name} ${payload}`, serial);
  // V8 copies this ten times faster than with the spread first.
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
/** Returns undefined where the payload is not that of such an event. */
type ReadBody = (payload: string) => Body | undefined;

const readUnused: ReadBody = () => ({ kind: 'unused' });

/** All events of Supervisor, by name. */
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
  ['SUPERVISOR_STATE_CHANGE_RUNNING', readServerState(SERVER_STATE_CODES.RUNNING)],
  ['SUPERVISOR_STATE_CHANGE_STOPPING', readServerState(SERVER_STATE_CODES.SHUTDOWN)],
  ['PROCESS_COMMUNICATION_STDOUT', readUnused],
  ['PROCESS_COMMUNICATION_STDERR', readUnused],
  ['PROCESS_LOG_STDOUT', readUnused],
  ['PROCESS_LOG_STDERR', readUnused],
]);

/**
 * The fields of a transition, in Supervisor's order; later versions may add more. A name may hold
 * blanks and anything else that an expansion brings, so the last match of each field counts.
 */
const PROCESS_STATE =
  /^processname:(.*) groupname:(.*) from_state:([A-Z]+)(?: tries:(\d{1,15}))?(?: expected:(\d{1,15}))?(?: pid:(\d{1,15}))?(?! (?:tries|expected|pid):)(?: .*)?$/s;

function readProcessState(to: ProcessState, payload: string): Body | undefined {
  const [, name, group, fromName, tries, expected, pid] = PROCESS_STATE.exec(payload) ?? [];
  const from = stateOfName(fromName ?? '');
  if (name === undefined || group === undefined || from === undefined) return undefined;
  if (name === '' || group === '') return undefined;
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
  // Supervisor ends the payload with a newline here.
  const group = /^groupname:(.+?)\n?$/s.exec(payload)?.[1];
  return group === undefined ? undefined : { kind: 'process-group', change, group };
}

function readTick(period: number, payload: string): Body | undefined {
  const when = readCount(/^when:(\d{1,15})$/.exec(payload)?.[1]);
  return when === undefined ? undefined : { kind: 'tick', period, when };
}

/** The payload is empty. */
function readServerState(stateCode: number): ReadBody {
  return () => ({ kind: 'supervisor-state', stateCode });
}

/** `type:TYPE\nDATA`, where DATA is any text of the sender. */
function readRemoteCommunication(payload: string): Body | undefined {
  const [, type, data] = /^type:([^\n]*)\n(.*)$/s.exec(payload) ?? [];
  if (type === undefined || data === undefined) return undefined;
  return { kind: 'remote-communication', type, data };
}
