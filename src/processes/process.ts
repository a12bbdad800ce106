/** One process: what is known of it. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import type { ProcessSettings } from '../supervisor/snapshot.ts';
import { isAlive, type ProcessState, type Transition } from '../supervisor/states.ts';
import { exitSignalOf, exitStatusOf, mayHaveRun, type Termination } from './termination.ts';

/**
 * All times are epoch seconds. An event is stamped when it is received, with fractions; a
 * snapshot reports whole seconds, which replace a stamp that disagrees with them.
 */
export class Process {
  readonly id: ProcessId;
  state: ProcessState;
  /** The number of the snapshot that last named it; undefined before the first. */
  namedIn: number | undefined;
  /**
   * The last fact with a place in the order of events: an event, or a snapshot whose marker was
   * received. Undefined as long as there is only a snapshot without a place.
   */
  ordered: OrderedFact | undefined;

  pid: number | undefined;
  startTime: number | undefined;
  lastTransitionTime: number | undefined;
  /** Of the last run that ended. */
  termination: Termination | undefined;
  /** Of a failed start, as long as it is not established whether there was a run. */
  failedStart: Termination | undefined;
  /** Whether an earlier failed start may have been a run that ended after that of `termination`. */
  mayHaveEndedSince = false;
  /** Of the last EXITED event that was not expected. */
  lastUnexpectedExit: Termination | undefined;
  /**
   * `exitstatus` as XML-RPC reports it: supervisord clears it at each start. Undefined where that
   * is not known: before the first snapshot, and from an exit to the next snapshot or start.
   */
  rpcExitStatus: number | undefined;
  /** supervisord's reason why it could not start the process; only in BACKOFF and FATAL. */
  spawnError: string | undefined;
  /** Seconds that the last deliberate stop took. */
  stopDuration: number | undefined;
  settings: ProcessSettings | undefined;
  /** The paths of its logs; there is none of stderr with `redirect_stderr=true`. */
  stdoutLog: string | undefined;
  stderrLog: string | undefined;
  /** Start attempts that have failed since the process last ran. */
  backoffTries = 0;

  /** Transitions received as events, each counted once; only those that occurred. */
  readonly transitions = new Map<Transition, number>();
  exits = 0;
  unexpectedExits = 0;
  /** Runs that the kernel's OOM killer ended. */
  oomKills = 0;
  lastOomKillAt: number | undefined;
  /** Stops that took longer than `stopwaitsecs`. */
  stopKills = 0;
  lastStopKillAt: number | undefined;

  constructor({ group, name }: ProcessId, state: ProcessState) {
    this.id = { group, name };
    this.state = state;
  }
}

export type OrderedFact =
  | { readonly source: 'snapshot'; readonly serial: number; readonly state: ProcessState }
  | {
      readonly source: 'event';
      readonly serial: number;
      readonly state: ProcessState;
      readonly event: ProcessStateEvent;
      readonly at: number;
      readonly termination: Termination | undefined;
    };

/** The pid of a process that exists as far as is known. */
export function livePid({ state, pid }: Readonly<Process>): number | undefined {
  return isAlive(state) ? pid : undefined;
}

/**
 * The exit status of the last exit, -1 for any signal. Undefined from an exit until its reason
 * is known; of a process that never ended, what XML-RPC reports.
 */
export function exitStatus(process: Readonly<Process>): number | undefined {
  if (!isLastKnown(process)) return undefined;
  const { termination, rpcExitStatus } = process;
  return termination === undefined ? rpcExitStatus : exitStatusOf(termination.reason);
}

/** The signal of the last exit, 0 for none; undefined from an exit until it is known. */
export function exitSignal(process: Readonly<Process>): number | undefined {
  if (!isLastKnown(process)) return undefined;
  const { termination, rpcExitStatus } = process;
  if (termination !== undefined) return exitSignalOf(termination.reason);
  return rpcExitStatus === undefined ? undefined : 0;
}

/** The last end of a run or failed start; undefined where none is known, or a later one may be unknown. */
export function lastEnd(process: Readonly<Process>): Termination | undefined {
  return process.failedStart ?? lastTermination(process);
}

/**
 * Whether the last exit was expected, as its event has reported or, where only a snapshot has, as
 * the exit codes of the configuration say. Undefined for a stop, and while it is not known.
 */
export function wasExpected(process: Readonly<Process>): boolean | undefined {
  const { state, settings } = process;
  const termination = lastTermination(process);
  if (termination === undefined || termination.serial !== undefined) return termination?.expected;
  const status = exitStatusOf(termination.reason);
  // A snapshot of another state does not report whether the last run exited or was stopped.
  if (state !== 'EXITED' || status === undefined) return undefined;
  return settings?.exitCodes?.includes(status);
}

/**
 * The last end; undefined where the last start failed without a run: the last termination is then
 * that of an earlier run, and not why the process is down.
 */
export function causeOf(process: Readonly<Process>): Termination | undefined {
  return mayHaveRun(process.spawnError) ? lastEnd(process) : undefined;
}

/** The last termination; undefined while a later failed start is not known to have been a run, or none. */
export function lastTermination(process: Readonly<Process>): Termination | undefined {
  return isLastKnown(process) ? process.termination : undefined;
}

function isLastKnown({ failedStart, mayHaveEndedSince }: Readonly<Process>): boolean {
  return failedStart === undefined && !mayHaveEndedSince;
}
