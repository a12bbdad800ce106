/** What supervisord's log and XML-RPC tell of an end. Pure. */

import type { TerminationFacts, TimeWindow } from '../processes/termination.ts';
import type { ProcessInfo } from '../supervisor/snapshot.ts';
import type { LogLine } from './log.ts';

/** Why a run ended. */
export interface Ending {
  /** The exit code; -1 for any signal, as supervisord has it. */
  readonly status: number;
  /** The number of the signal, 0 for none; undefined where it was a signal and is not known which. */
  readonly signal: number | undefined;
}

export interface Finding {
  readonly ending: Ending | undefined;
  readonly spawnError: string | undefined;
}

/** The run whose end is looked for. */
export interface RunEnd {
  readonly pid: number | undefined;
  readonly window: TimeWindow;
}

export interface Sought {
  /** The program's, without its group. */
  readonly name: string;
  /** Whether another group has a program of this name, so that a line may be about that one. */
  readonly isShared: boolean;
  readonly end: RunEnd;
}

/** `info` is undefined where it could not be had. The log is asked first: it knows signals. */
export function findOut(
  sought: Sought,
  lines: readonly LogLine[],
  info: ProcessInfo | undefined,
): Finding {
  const spawnError = info?.spawnError;
  if (isSpawnFailure(spawnError)) return { ending: undefined, spawnError };
  const ending = findInLog(lines, sought) ?? (info && readInfo(info, sought.end));
  return { ending, spawnError };
}

/** Whether there is no more to be found out. */
export function isConclusive({ ending, spawnError }: Finding): boolean {
  return ending === undefined ? isSpawnFailure(spawnError) : ending.signal !== undefined;
}

/** What supervisord says of a program that was started, and died within `startsecs`. */
const DIED_TOO_SOON = 'Exited too quickly';

/** Whether there was no run at all that could have ended. */
function isSpawnFailure(spawnError: string | undefined): boolean {
  return spawnError !== undefined && !spawnError.startsWith(DIED_TOO_SOON);
}

/** XML-RPC has the exit code as long as nothing follows the end, and -1 for any signal. */
function readInfo({ state, stop, exitStatus }: ProcessInfo, end: RunEnd): Ending | undefined {
  const isOfThisEnd = stop >= Math.floor(end.window.after) && stop <= end.window.before;
  if (!isOfThisEnd || (state !== 'EXITED' && state !== 'STOPPED')) return undefined;
  return { status: exitStatus, signal: exitStatus >= 0 ? 0 : undefined };
}

type Ended = Extract<LogLine, { kind: 'ended' }>;

/**
 * By the pid where the log says which run that is, else by the time: the latest end that
 * fits. Undefined where it can't be told.
 */
function findInLog(lines: readonly LogLine[], { name, isShared, end }: Sought): Ending | undefined {
  const own = lines.filter((line) => line.name === name);
  if (isShared) {
    const [first, second] = own.filter(isEnded).filter((line) => isWithin(line, end));
    return second === undefined ? first?.ending : undefined;
  }
  const runs = partRuns(own);
  const known = end.pid === undefined ? undefined : runs.findLast(({ pid }) => pid === end.pid);
  if (known !== undefined) return known.ended?.ending;
  // Without a pid to go by it may be any run, and with one any of which the log does not say it.
  return runs
    .filter(({ pid }) => end.pid === undefined || pid === undefined)
    .flatMap(({ ended }) => ended ?? [])
    .findLast((line) => isWithin(line, end))?.ending;
}

/** A run as the log has it; its pid is not known where it began before what was read. */
interface Run {
  readonly pid: number | undefined;
  ended: Ended | undefined;
}

/** A program of this name is started, and ends, and only then is started again. */
function partRuns(lines: readonly LogLine[]): Run[] {
  const runs: Run[] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (line.kind === 'spawned') runs.push({ pid: line.pid, ended: undefined });
    else if (last !== undefined && last.ended === undefined) last.ended = line;
    else runs.push({ pid: undefined, ended: line });
  }
  return runs;
}

function isWithin({ at }: Ended, { window: { after, before } }: RunEnd): boolean {
  return at >= after && at < before;
}

function isEnded(line: LogLine): line is Ended {
  return line.kind === 'ended';
}

export function factsOf({ ending, spawnError }: Finding): TerminationFacts {
  if (ending === undefined) {
    return { reason: { kind: 'unknown' }, spawnError, neverRan: isSpawnFailure(spawnError) };
  }
  const { status, signal } = ending;
  return signal === 0
    ? { reason: { kind: 'exited', source: 'log', exitCode: status }, spawnError }
    : { reason: { kind: 'signalled', source: 'log', signal, coreDumped: undefined }, spawnError };
}
