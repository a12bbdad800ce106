/** Events: what supervisord tells a listener (supervisord.org/events.html), typed. */

import type { ProcessId } from '../processes/identity.ts';
import { isProcessState, type ProcessState } from '../processes/states.ts';

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
  /** `server`: the identifier of the supervisord that sent it. */
  readonly identifier: string;
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

const UNUSED_EVENTS: ReadonlySet<string> = new Set([
  'PROCESS_COMMUNICATION_STDOUT',
  'PROCESS_COMMUNICATION_STDERR',
  'PROCESS_LOG_STDOUT',
  'PROCESS_LOG_STDERR',
]);

/** `server:` is free text and may hold spaces and colons; every other field holds neither. */
const HEADER =
  /^ver:\S+ server:(.*) serial:\d+ pool:\S+ poolserial:(\d+) eventname:(\S+) len:\d+$/s;

/** Reads one event. Never throws: what can't be understood is a value. */
export function parseEvent(header: string, payload: string): SupervisorEvent | MalformedEvent {
  const fields = HEADER.exec(header);
  const [, identifier, serialText, name] = fields ?? [];
  if (identifier === undefined || serialText === undefined || name === undefined) {
    return malformed('header', header, undefined);
  }
  const serial = Number(serialText);
  if (!Number.isSafeInteger(serial)) return malformed('header', header, undefined);

  const body = readBody(name, payload);
  if (body === 'unknown') return malformed('unknown_event', name, serial);
  if (body === undefined) return malformed('payload', `${name} ${payload}`, serial);
  // In this order V8 copies it ten times faster than with the spread in front.
  return { name, serial, identifier, ...body };
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

const PROCESS_STATE_PREFIX = 'PROCESS_STATE_';

/** undefined: the payload is not what an event of this name carries. */
function readBody(name: string, payload: string): Body | 'unknown' | undefined {
  if (name.startsWith(PROCESS_STATE_PREFIX)) {
    const to = name.slice(PROCESS_STATE_PREFIX.length);
    return isProcessState(to) ? readProcessState(to, payload) : 'unknown';
  }
  switch (name) {
    case 'PROCESS_GROUP_ADDED':
      return readProcessGroup('added', payload);
    case 'PROCESS_GROUP_REMOVED':
      return readProcessGroup('removed', payload);
    case 'TICK_5':
      return readTick(5, payload);
    case 'TICK_60':
      return readTick(60, payload);
    case 'TICK_3600':
      return readTick(3600, payload);
    case 'REMOTE_COMMUNICATION':
      return readRemoteCommunication(payload);
    case 'SUPERVISOR_STATE_CHANGE_RUNNING':
      return { kind: 'supervisor-state', state: 'running' };
    case 'SUPERVISOR_STATE_CHANGE_STOPPING':
      return { kind: 'supervisor-state', state: 'stopping' };
    default:
      return UNUSED_EVENTS.has(name) ? { kind: 'unused' } : 'unknown';
  }
}

function readProcessState(to: ProcessState, payload: string): Body | undefined {
  const fields = readFields(payload);
  const name = fields.get('processname');
  const group = fields.get('groupname');
  const from = fields.get('from_state');
  if (!name || !group || from === undefined || !isProcessState(from)) return undefined;

  const tries = readCount(fields.get('tries'));
  const pid = readCount(fields.get('pid'));
  const expected = readCount(fields.get('expected'));
  if (to === 'EXITED' && expected === undefined) return undefined;
  if (Number.isNaN(tries) || Number.isNaN(pid) || Number.isNaN(expected)) return undefined;
  return {
    kind: 'process-state',
    process: { group, name },
    from,
    to,
    tries,
    pid,
    expected: expected === undefined ? undefined : expected !== 0,
  };
}

function readProcessGroup(change: ProcessGroupEvent['change'], payload: string): Body | undefined {
  const group = readFields(payload.trimEnd()).get('groupname');
  return group ? { kind: 'process-group', change, group } : undefined;
}

function readTick(period: number, payload: string): Body | undefined {
  const when = readCount(readFields(payload).get('when'));
  return when === undefined || Number.isNaN(when) ? undefined : { kind: 'tick', period, when };
}

/** `type:TYPE\nDATA`, where DATA is whatever the sender liked. */
function readRemoteCommunication(payload: string): Body | undefined {
  const [, type, data] = /^type:([^\n]*)\n(.*)$/s.exec(payload) ?? [];
  if (type === undefined || data === undefined) return undefined;
  return { kind: 'remote-communication', type, data };
}

/** `key:value key:value`: names hold no space and no colon, so the first colon parts them. */
function readFields(payload: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of payload.split(' ')) {
    const colon = field.indexOf(':');
    if (colon > 0) fields.set(field.slice(0, colon), field.slice(colon + 1));
  }
  return fields;
}

/** A whole number from 0; undefined where the field is absent, NaN where it holds anything else. */
function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
