/** What the lookup of an exit reason changes in the record of a process, and what the log reports about a start. */

import { isUp } from '../supervisor/states.ts';
import type { Process } from './process.ts';
import {
  EVENT_DELAY_SECONDS,
  mayHaveRun,
  oomKilledOf,
  type StartFacts,
  type Termination,
  type TerminationFacts,
} from './termination.ts';

/** Records what a lookup established. */
export function setTerminationFacts(
  process: Process,
  terminationId: number,
  facts: TerminationFacts,
): void {
  const isDown = process.state === 'BACKOFF' || process.state === 'FATAL';
  if (isDown && facts.spawnError !== undefined) process.spawnError = facts.spawnError;
  const { termination, failedStart, lastUnexpectedExit } = process;
  const known = [termination, failedStart, lastUnexpectedExit].find(
    (candidate) => candidate?.id === terminationId,
  );
  if (facts.isUncounted !== true) countKill(process, facts, facts.finishedAt ?? known?.finishedAt);
  if (known === undefined) return;
  const completed = complete(known, facts);
  if (termination?.id === terminationId) process.termination = completed;
  if (lastUnexpectedExit?.id === terminationId) process.lastUnexpectedExit = completed;
  if (failedStart?.id === terminationId) settleFailedStart(process, completed, facts);
  if (process.lastTransitionTime === known.finishedAt) {
    process.lastTransitionTime = completed.finishedAt;
  }
}

function countKill(
  process: Process,
  { reason, killedAtStop = false }: TerminationFacts,
  at: number | undefined,
): void {
  if (oomKilledOf(reason) === true) {
    process.oomKills += 1;
    process.lastOomKillAt = at ?? process.lastOomKillAt;
  }
  if (killedAtStop) {
    process.stopKills += 1;
    process.lastStopKillAt = at ?? process.lastStopKillAt;
  }
}

/** On a busy machine the event of a start is received long after the start; the pid is that of the run. */
const LONGEST_START_DELAY_SECONDS = 60;

/** Records when the log reports that a run began. Returns whether it is the present or last run. */
export function setStartFacts(process: Process, { pid, startedAt }: StartFacts): boolean {
  const { startTime } = process;
  if (startTime === undefined) return false;
  const knownPid = process.pid ?? (isUp(process.state) ? undefined : process.termination?.pid);
  if (knownPid !== undefined && knownPid !== pid) return false;
  const delay = startTime - startedAt;
  if (delay < -EVENT_DELAY_SECONDS || delay > LONGEST_START_DELAY_SECONDS) return false;
  process.startTime = startedAt;
  return true;
}

/** A failed start was a run if an exit reason or supervisord's error says so. */
function settleFailedStart(
  process: Process,
  completed: Termination,
  { reason, spawnError, neverRan = false }: TerminationFacts,
): void {
  const hasReason = reason.kind === 'exited' || reason.kind === 'signalled';
  const wasRun = hasReason || (spawnError !== undefined && mayHaveRun(spawnError));
  if (wasRun) {
    process.termination = completed;
    process.mayHaveEndedSince = false;
  }
  process.failedStart = wasRun || neverRan ? undefined : completed;
}

/** A snapshot may have reported the reason of a termination before the lookup finished. */
function complete(termination: Termination, facts: TerminationFacts): Termination {
  const keepsReason = facts.reason.kind === 'unknown' && termination.reason.kind !== 'pending';
  return {
    ...termination,
    reason: keepsReason ? termination.reason : facts.reason,
    ...(facts.finishedAt === undefined
      ? {}
      : { finishedAt: facts.finishedAt, timeSource: 'log' as const }),
  };
}
