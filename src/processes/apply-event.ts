/** What an event changes in the record of a process. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import { datedBy } from './apply-snapshot.ts';
import { effectOfEvent } from './effects.ts';
import type { Process } from './process.ts';
import type { NewTermination, Termination } from './termination.ts';

/** The termination that an event reports; undefined where no run ended. `pid`: of the run, where it is known. */
export function terminationOf(
  event: ProcessStateEvent,
  at: number,
  pid: number | undefined,
  { id, reason }: NewTermination,
): Termination | undefined {
  const { run } = effectOfEvent(event.from, event.to);
  if (run !== 'ends' && run !== 'stops' && run !== 'fails') return undefined;
  return {
    id,
    serial: event.serial,
    pid,
    finishedAt: at,
    timeSource: 'event',
    window: undefined,
    expected: event.expected,
    reason,
  };
}

/** Counts a transition. It occurred, however late its event was received. */
export function countTransition(
  process: Process,
  event: ProcessStateEvent,
  termination: Termination | undefined,
): void {
  const transition = `${event.from}>${event.to}` as const;
  process.transitions.set(transition, (process.transitions.get(transition) ?? 0) + 1);
  if (event.to !== 'EXITED') return;
  process.exits += 1;
  if (event.expected !== false) return;
  process.unexpectedExits += 1;
  const last = process.lastUnexpectedExit?.serial ?? Number.NEGATIVE_INFINITY;
  if (event.serial > last) process.lastUnexpectedExit = termination;
}

/** Moves a process to the state that an event reports. `termination`: of the run that it ended. */
export function enterState(
  process: Process,
  event: ProcessStateEvent,
  at: number,
  termination: Termination | undefined,
): void {
  const enteredAt = process.lastTransitionTime;
  const effect = effectOfEvent(event.from, event.to);
  process.state = event.to;
  process.lastTransitionTime = at;
  process.pid = effect.run === 'continues' ? (event.pid ?? process.pid) : undefined;
  if (effect.spawnError === 'cleared') process.spawnError = undefined;
  countTries(process, event);
  switch (effect.run) {
    case 'begins':
      process.startTime = at;
      process.rpcExitStatus = 0;
      break;
    case 'stops':
      process.stopDuration = enteredAt === undefined ? undefined : toMilliseconds(at - enteredAt);
      endRun(process, termination);
      break;
    case 'ends':
      endRun(process, termination);
      break;
    case 'fails':
      process.mayHaveEndedSince ||= process.failedStart !== undefined;
      process.failedStart = termination;
      process.rpcExitStatus = 0;
      break;
    case 'continues':
    case 'none':
      break;
    default: {
      const unhandled: never = effect.run;
      throw new Error(`unhandled effect ${unhandled}`);
    }
  }
}

/**
 * Records an event that preceded an unordered snapshot, which has set the state. The event
 * reports what the snapshot does not: pids, whether an exit was expected, and failed starts.
 * Returns the id of the termination if the snapshot has reported it as well.
 */
export function completeSnapshot(
  process: Process,
  event: ProcessStateEvent,
  at: number,
  termination: Termination | undefined,
): number | undefined {
  const { state, termination: before } = process;
  countTries(process, event);
  if (event.to === state) process.lastTransitionTime ??= at;
  if (termination === undefined) return undefined;
  const reported = before?.serial === undefined ? before : undefined;
  const dated = reported ? datedBy(reported.finishedAt, termination) : termination;
  const isFailedStart = effectOfEvent(event.from, event.to).run === 'fails';
  const mayHaveEnded = process.mayHaveEndedSince || process.failedStart !== undefined;
  process.mayHaveEndedSince = isFailedStart && mayHaveEnded;
  process.failedStart = isFailedStart ? dated : undefined;
  if (!isFailedStart) process.termination = dated;
  return reported?.id;
}

function countTries(process: Process, { from, to, tries }: ProcessStateEvent): void {
  const { backoffTries } = effectOfEvent(from, to);
  if (backoffTries === 'reported') process.backoffTries = tries ?? process.backoffTries;
  if (backoffTries === 'reset') process.backoffTries = 0;
}

function endRun(process: Process, termination: Termination | undefined): void {
  process.termination = termination;
  process.failedStart = undefined;
  process.mayHaveEndedSince = false;
  process.rpcExitStatus = undefined;
}

/** Timestamps have no finer resolution. */
function toMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
