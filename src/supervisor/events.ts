/** Events, typed: what supervisord reports to a listener (supervisord.org/events.html). */

import type { ProcessId } from './process-id.ts';
import type { ProcessState } from './states.ts';

export type SupervisorEvent =
  | ProcessStateEvent
  | ProcessGroupEvent
  | TickEvent
  | RemoteCommunicationEvent
  | SupervisorStateEvent
  | UnusedEvent;

export interface Envelope {
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
