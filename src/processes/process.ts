/** One process: what is known of it, and how an event or a snapshot changes that. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import type { ProcessInfo, ProcessSettings } from '../supervisor/snapshot.ts';
import { isUp, type ProcessState, type Transition, transitionOf } from '../supervisor/states.ts';
import { effectOfEvent, SNAPSHOT_EFFECTS } from './effects.ts';
import {
  type ExitReason,
  exitSignalOf,
  exitStatusOf,
  type NewTermination,
  oomKilledOf,
  type StartFacts,
  type Termination,
  type TerminationFacts,
  windowOfSecond,
} from './termination.ts';

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
  return state === 'RUNNING' || state === 'STARTING' || state === 'STOPPING' ? pid : undefined;
}

/**
 * The exit status of the last exit, -1 for any signal. Undefined from an exit until its reason
 * is known; of a process that never ended, what XML-RPC reports.
 */
export function exitStatus(process: Readonly<Process>): number | undefined {
  if (process.failedStart !== undefined) return undefined;
  const { termination, rpcExitStatus } = process;
  return termination === undefined ? rpcExitStatus : exitStatusOf(termination.reason);
}

/** The signal of the last exit, 0 for none; undefined from an exit until it is known. */
export function exitSignal(process: Readonly<Process>): number | undefined {
  if (process.failedStart !== undefined) return undefined;
  const { termination, rpcExitStatus } = process;
  if (termination !== undefined) return exitSignalOf(termination.reason);
  return rpcExitStatus === undefined ? undefined : 0;
}

/** The last termination; undefined while a failed start is not known to have been a run. */
export function lastTermination(process: Readonly<Process>): Termination | undefined {
  return process.failedStart === undefined ? process.termination : undefined;
}

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
  const transition = transitionOf(event.from, event.to);
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

function endRun(process: Process, termination: Termination | undefined): void {
  process.termination = termination;
  process.failedStart = undefined;
  process.rpcExitStatus = undefined;
}

/** Timestamps have no finer resolution. */
function toMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

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
  countKill(process, facts, facts.finishedAt ?? known?.finishedAt);
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
  if (delay < -STAMP_TOLERANCE_SECONDS || delay > LONGEST_START_DELAY_SECONDS) return false;
  process.startTime = startedAt;
  return true;
}

/** A failed start with an exit reason was a run. */
function settleFailedStart(
  process: Process,
  completed: Termination,
  { reason, neverRan = false }: TerminationFacts,
): void {
  const wasRun = reason.kind === 'exited' || reason.kind === 'signalled';
  if (wasRun) process.termination = completed;
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

/** The fields that a snapshot changes; undefined where it confirms all of them, as it mostly does. */
export function snapshotUpdate(
  process: Readonly<Process>,
  info: ProcessInfo,
  isOrdered: boolean,
  newTermination: () => NewTermination,
): Partial<Process> | undefined {
  const isNew = process.state !== info.state || process.lastTransitionTime === undefined;
  const next: Partial<Process> = {
    state: info.state,
    pid: info.pid === 0 ? undefined : info.pid,
    startTime: moreExact(process.startTime, info.start),
    lastTransitionTime: (isNew ? enteredAt(info) : undefined) ?? process.lastTransitionTime,
    rpcExitStatus: info.exitStatus,
    spawnError: info.spawnError,
    stdoutLog: info.stdoutLog,
    stderrLog: info.stderrLog,
    ...terminationUpdate(process, info, isOrdered, newTermination),
  };
  const changed = Object.entries(next).filter(
    ([field, value]) => process[field as keyof Process] !== value,
  );
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

/**
 * What `stop` reports about terminations. A snapshot that finds a process down in another state
 * than the known one reports a later exit, even when its `stop` precedes the stamp of the known
 * one: under load, events are received seconds late.
 */
function terminationUpdate(
  process: Readonly<Process>,
  info: ProcessInfo,
  isOrdered: boolean,
  newTermination: () => NewTermination,
): Partial<Process> {
  const { termination, failedStart, lastUnexpectedExit, lastTransitionTime } = process;
  if (info.stop === 0) return { termination: undefined, failedStart: undefined };
  const isLater = process.state !== info.state && SNAPSHOT_EFFECTS[info.state].hasEnded;
  const covering = isLater
    ? undefined
    : [termination, failedStart].find((known) => known && info.stop <= known.finishedAt);
  if (covering === undefined) {
    return { termination: terminationOfSnapshot(info, newTermination()), failedStart: undefined };
  }
  // Without its place, a snapshot may report a later exit whose event was not received yet.
  if (covering !== termination || !isOrdered) return {};
  const confirmed = confirm(covering, info);
  return {
    termination: confirmed,
    ...(lastUnexpectedExit?.id === confirmed.id ? { lastUnexpectedExit: confirmed } : {}),
    ...(lastTransitionTime === covering.finishedAt
      ? { lastTransitionTime: confirmed.finishedAt }
      : {}),
  };
}

function terminationOfSnapshot(info: ProcessInfo, { id, reason }: NewTermination): Termination {
  return {
    id,
    serial: undefined,
    pid: undefined,
    finishedAt: info.stop,
    timeSource: 'snapshot',
    window: windowOfSecond(info.stop),
    expected: undefined,
    reason: reasonOfSnapshot(info) ?? reason,
  };
}

/** The same termination as far as the snapshot makes it more exact; the same object if it does not. */
function confirm(known: Termination, info: ProcessInfo): Termination {
  const isOpen = known.reason.kind === 'pending' || known.reason.kind === 'unknown';
  const reason = (isOpen ? reasonOfSnapshot(info) : undefined) ?? known.reason;
  const finishedAt =
    known.timeSource === 'log' ? known.finishedAt : moreExact(known.finishedAt, info.stop);
  const isLate = finishedAt !== undefined && finishedAt !== known.finishedAt;
  if (reason.kind === known.reason.kind && !isLate) return known;
  if (!isLate) return { ...known, reason };
  return {
    ...known,
    reason,
    finishedAt,
    timeSource: 'snapshot',
  };
}

/** XML-RPC reports the exit code until the process is started again, and -1 for any signal. */
function reasonOfSnapshot({ state, start, stop, exitStatus }: ProcessInfo): ExitReason | undefined {
  // After `stop`, a start may have failed.
  if (!SNAPSHOT_EFFECTS[state].hasExitStatus || start > stop) return undefined;
  if (exitStatus >= 0) return { kind: 'exited', source: 'xml-rpc', exitCode: exitStatus };
  return { kind: 'signalled', source: 'xml-rpc', signal: undefined, coreDumped: undefined };
}

/** Seconds that an event may be received after what it reports. */
const STAMP_TOLERANCE_SECONDS = 2;

/** The stamp of an event while it fits the second that a snapshot reports, for it is finer. */
function moreExact(stamped: number | undefined, whole: number): number | undefined {
  if (whole === 0) return undefined;
  if (stamped === undefined) return whole;
  return stamped >= whole && stamped < whole + STAMP_TOLERANCE_SECONDS ? stamped : whole;
}

/** When a process entered its state, as far as a snapshot reports it. */
function enteredAt({ state, start, stop }: ProcessInfo): number | undefined {
  const { enteredAt } = SNAPSHOT_EFFECTS[state];
  if (enteredAt === 'start') return start || undefined;
  return enteredAt === 'stop' ? stop || undefined : undefined;
}
