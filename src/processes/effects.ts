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

/** What a transition to this state does, wherever it comes from. */
const EVENT_EFFECTS: Readonly<Record<ProcessState, EventEffect>> = {
  STARTING: { run: 'begins', backoffTries: 'reported', spawnError: 'cleared' },
  RUNNING: { run: 'continues', backoffTries: 'reset', spawnError: 'cleared' },
  BACKOFF: { run: 'fails', backoffTries: 'reported', spawnError: 'cleared' },
  STOPPING: { run: 'continues', backoffTries: 'kept', spawnError: 'cleared' },
  EXITED: { run: 'ends', backoffTries: 'reset', spawnError: 'cleared' },
  STOPPED: { run: 'stops', backoffTries: 'reset', spawnError: 'cleared' },
  // It follows BACKOFF, where no process is left that could end.
  FATAL: { run: 'none', backoffTries: 'kept', spawnError: 'kept' },
  UNKNOWN: { run: 'none', backoffTries: 'kept', spawnError: 'cleared' },
};
/** From BACKOFF, for the same reason. */
const STOPPED_WITHOUT_RUN: EventEffect = { ...EVENT_EFFECTS.STOPPED, run: 'none' };

export function effectOfEvent(from: ProcessState, to: ProcessState): EventEffect {
  return to === 'STOPPED' && from !== 'STOPPING' ? STOPPED_WITHOUT_RUN : EVENT_EFFECTS[to];
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
