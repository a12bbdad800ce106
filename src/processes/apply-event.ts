/** What an event changes in the record of a process. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import { datedBy } from './apply-snapshot.ts';
import { effectOfEvent } from './effects.ts';
import type { Process } from './process.ts';
import type { NewTermination, Termination } from './termination.ts';

/** The termination that an event reports; undefined where no run ended. */
export function terminationOf(
  process: Readonly<Process>,
  event: ProcessStateEvent,
  at: number,
  { id, reason }: NewTermination,
): Termination | undefined {
  const { run } = effectOfEvent(event.from, event.to);
  if (run !== 'ends' && run !== 'stops' && run !== 'fails') return undefined;
  const pid = event.pid ?? (event.from === process.state ? process.pid : undefined);
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
  if (effect.backoffTries === 'reported')
    process.backoffTries = event.tries ?? process.backoffTries;
  if (effect.backoffTries === 'reset') process.backoffTries = 0;
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
 * Records an event that led to the state which an unordered snapshot has found already. The event
 * reports what the snapshot does not: the pid, whether an exit was expected, and failed starts.
 * Returns the id of the termination if the snapshot has reported it as well.
 */
export function completeState(
  process: Process,
  event: ProcessStateEvent,
  at: number,
  termination: Termination | undefined,
): number | undefined {
  const { run, backoffTries } = effectOfEvent(event.from, event.to);
  process.lastTransitionTime ??= at;
  if (backoffTries === 'reported') process.backoffTries = event.tries ?? process.backoffTries;
  if (termination === undefined) return undefined;
  const before = process.termination;
  const isOfSnapshot = before?.timeSource === 'snapshot';
  if (run === 'fails') process.failedStart = termination;
  else process.termination = isOfSnapshot ? datedBy(before.finishedAt, termination) : termination;
  return before?.serial === undefined ? before?.id : undefined;
}

function endRun(process: Process, termination: Termination | undefined): void {
  process.termination = termination;
  process.failedStart = undefined;
  process.rpcExitStatus = undefined;
}

/** Timestamps have no finer resolution. */
function toMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
