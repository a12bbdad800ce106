/** What a snapshot changes in the record of a process. */

import type { ProcessInfo } from '../supervisor/snapshot.ts';
import { SNAPSHOT_EFFECTS } from './effects.ts';
import type { Process } from './process.ts';
import {
  EVENT_DELAY_SECONDS,
  type ExitReason,
  type NewTermination,
  type Termination,
  windowOfSecond,
} from './termination.ts';

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
  if (info.stop === 0) {
    return { termination: undefined, failedStart: undefined, mayHaveEndedSince: false };
  }
  const isLater = process.state !== info.state && SNAPSHOT_EFFECTS[info.state].hasEnded;
  const covering = isLater
    ? undefined
    : [termination, failedStart].find((known) => known && info.stop <= known.finishedAt);
  if (covering === undefined) {
    return {
      termination: terminationOfSnapshot(info, newTermination()),
      failedStart: undefined,
      mayHaveEndedSince: false,
    };
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
    reason: reasonOfInfo(info) ?? reason,
  };
}

/** The same termination as far as the snapshot makes it more exact; the same object if it does not. */
function confirm(known: Termination, info: ProcessInfo): Termination {
  const isOpen = known.reason.kind === 'pending' || known.reason.kind === 'unknown';
  const reason = (isOpen ? reasonOfInfo(info) : undefined) ?? known.reason;
  const dated = datedBy(info.stop, known);
  return reason.kind === dated.reason.kind ? dated : { ...dated, reason };
}

/** The same termination with the second that a snapshot reports, unless a finer time fits it. */
export function datedBy(stop: number, known: Termination): Termination {
  if (known.timeSource === 'log') return known;
  const finishedAt = moreExact(known.finishedAt, stop) ?? known.finishedAt;
  return finishedAt === known.finishedAt ? known : { ...known, finishedAt, timeSource: 'snapshot' };
}

/** XML-RPC reports the exit code until the process is started again, and -1 for any signal. */
export function reasonOfInfo({
  state,
  start,
  stop,
  exitStatus,
  wasStoppedInBackoff = false,
}: ProcessInfo): ExitReason | undefined {
  // A start after `stop`, or a failed start that was then stopped, has cleared the exit status.
  const isCleared = start > stop || wasStoppedInBackoff;
  if (!SNAPSHOT_EFFECTS[state].hasExitStatus || isCleared) return undefined;
  if (exitStatus >= 0) return { kind: 'exited', source: 'xml-rpc', exitCode: exitStatus };
  return { kind: 'signalled', source: 'xml-rpc', signal: undefined, coreDumped: undefined };
}

/** The stamp of an event while it fits the second that a snapshot reports, for it is finer. */
function moreExact(stamped: number | undefined, whole: number): number | undefined {
  if (whole === 0) return undefined;
  if (stamped === undefined) return whole;
  return stamped >= whole && stamped < whole + EVENT_DELAY_SECONDS ? stamped : whole;
}

/** When a process entered its state, as far as a snapshot reports it. */
function enteredAt({ state, start, stop }: ProcessInfo): number | undefined {
  const { enteredAt } = SNAPSHOT_EFFECTS[state];
  if (enteredAt === 'start') return start || undefined;
  return enteredAt === 'stop' ? stop || undefined : undefined;
}
