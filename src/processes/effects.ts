/**
 * What each transition does to the record of a process: `(source, from, to) -> effect`.
 * Source: Supervisor's process.py (`change_state`, `spawn`, `finish`).
 */

import type { ProcessState } from '../supervisor/states.ts';

export interface EventEffect {
  /**
   * - `begins`, `continues`: a process exists, or is about to
   * - `ends`: it exited; `stops`: it ended because it was asked to
   * - `fails`: a start failed; whether there was a run is not reported
   * - `none`: no run is involved
   */
  readonly run: 'begins' | 'continues' | 'ends' | 'stops' | 'fails' | 'none';
  readonly backoffTries: 'reported' | 'reset' | 'kept';
  readonly spawnError: 'cleared' | 'kept';
}

type From = ProcessState | 'any';
type EventRow = readonly [
  from: From,
  to: ProcessState,
  run: EventEffect['run'],
  backoffTries: EventEffect['backoffTries'],
  spawnError: EventEffect['spawnError'],
];

/** The first row that matches counts. */
const EVENT_ROWS: readonly EventRow[] = [
  ['any', 'STARTING', 'begins', 'reported', 'cleared'],
  ['any', 'RUNNING', 'continues', 'reset', 'cleared'],
  ['any', 'BACKOFF', 'fails', 'reported', 'cleared'],
  ['any', 'STOPPING', 'continues', 'kept', 'cleared'],
  ['any', 'EXITED', 'ends', 'reset', 'cleared'],
  ['STOPPING', 'STOPPED', 'stops', 'reset', 'cleared'],
  // From BACKOFF there is no process that could end.
  ['any', 'STOPPED', 'none', 'reset', 'cleared'],
  // FATAL follows BACKOFF for the same reason.
  ['any', 'FATAL', 'none', 'kept', 'kept'],
  ['any', 'UNKNOWN', 'none', 'kept', 'cleared'],
];

export function effectOfEvent(from: ProcessState, to: ProcessState): EventEffect {
  const row = EVENT_ROWS.find(
    ([rowFrom, rowTo]) => rowTo === to && (rowFrom === 'any' || rowFrom === from),
  );
  if (row === undefined) throw new Error(`no effect for a transition to ${to}`);
  const [, , run, backoffTries, spawnError] = row;
  return { run, backoffTries, spawnError };
}

export interface SnapshotEffect {
  /** Which of its times is when the process entered the state. */
  readonly enteredAt: 'start' | 'stop' | 'not reported';
  /** Whether the last run is over, so that `stop` is its end. */
  readonly hasEnded: boolean;
  /** Whether `exitstatus` is that of the last exit: supervisord clears it at each start. */
  readonly hasExitStatus: boolean;
}

/** What a snapshot that finds a process in this state reports about it. */
export const SNAPSHOT_EFFECTS: Readonly<Record<ProcessState, SnapshotEffect>> = {
  STOPPED: { enteredAt: 'stop', hasEnded: true, hasExitStatus: true },
  STARTING: { enteredAt: 'start', hasEnded: false, hasExitStatus: false },
  RUNNING: { enteredAt: 'start', hasEnded: false, hasExitStatus: false },
  BACKOFF: { enteredAt: 'stop', hasEnded: true, hasExitStatus: false },
  STOPPING: { enteredAt: 'not reported', hasEnded: false, hasExitStatus: false },
  EXITED: { enteredAt: 'stop', hasEnded: true, hasExitStatus: true },
  FATAL: { enteredAt: 'stop', hasEnded: true, hasExitStatus: false },
  UNKNOWN: { enteredAt: 'not reported', hasEnded: false, hasExitStatus: false },
};
