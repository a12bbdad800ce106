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
  /** `poolserial`: the position of the event in the event pool, counted from 0 without a gap. */
  readonly serial: number;
}

export interface ProcessStateEvent extends Envelope {
  readonly kind: 'process-state';
  readonly process: ProcessId;
  readonly from: ProcessState;
  readonly to: ProcessState;
  /** Start attempts that have failed so far. Reported on the way into STARTING and BACKOFF. */
  readonly tries: number | undefined;
  /** Whether the exit code is one of `exitcodes`. Reported on the way into EXITED. */
  readonly expected: boolean | undefined;
  /** Reported on the way into RUNNING, EXITED, STOPPING and STOPPED. */
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
  /** When the period began: a multiple of it, in epoch seconds of supervisord's clock. */
  readonly when: number;
}

/** Sent by a client through `supervisor.sendRemoteCommEvent`. */
export interface RemoteCommunicationEvent extends Envelope {
  readonly kind: 'remote-communication';
  readonly type: string;
  readonly data: string;
}

export interface SupervisorStateEvent extends Envelope {
  readonly kind: 'supervisor-state';
  /** One of SERVER_STATE_CODES. */
  readonly stateCode: number;
}

/** An event that this exporter does not use. */
export interface UnusedEvent extends Envelope {
  readonly kind: 'unused';
}

export const MALFORMED_REASONS = ['header', 'unknown_event', 'payload'] as const;

/** An event that could be framed but not read. Its serial still counts as received. */
export interface MalformedEvent {
  readonly kind: 'malformed';
  readonly reason: (typeof MALFORMED_REASONS)[number];
  readonly detail: string;
  readonly serial: number | undefined;
}
