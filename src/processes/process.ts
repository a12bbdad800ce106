/** One process: what is known of it, and how an event or a snapshot changes that. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import type { ProcessInfo, ProcessSettings } from '../supervisor/snapshot.ts';
import { type ProcessState, type Transition, transitionOf } from '../supervisor/states.ts';
import { endInSecond, endToldAt, type Finding, type RunEnd } from './ending.ts';

/**
 * All times are epoch seconds. An event is stamped when it comes, with fractions; a
 * snapshot has whole seconds, which stand where no stamp agrees with them.
 */
export interface Process {
  readonly id: ProcessId;
  /** The version of the table that anything here may last have changed with. */
  revision: number;
  /** The version of the table in which a snapshot last named it; undefined before the first. */
  namedIn: number | undefined;
  state: ProcessState;
  /**
   * The last fact that has a place in the order of events: an event, or a snapshot placed
   * by its token. Undefined as long as there is only a snapshot whose place is not known.
   */
  ordered: OrderedFact | undefined;

  pid: number | undefined;
  startTime: number | undefined;
  stopTime: number | undefined;
  /** The last end of a run, and why it ended as far as that is known. */
  end: RunEnd | undefined;
  /** What was found out of the end of the run `pid` before its event came. */
  foretold: (Finding & { readonly pid: number }) | undefined;
  /** Of the last end: -1 for any signal. What XML-RPC says where nothing better is known. */
  exitStatus: number | undefined;
  /** Number of the signal that was the last end, 0 for none; undefined where it is not known. */
  exitSignal: number | undefined;
  /** supervisord's reason why it could not start the process; only in BACKOFF and FATAL. */
  spawnError: string | undefined;
  /** Seconds that the last deliberate stop took. */
  stopDuration: number | undefined;
  settings: ProcessSettings | undefined;
  /** Start attempts that have failed since the process last ran. */
  backoffTries: number;

  /** Steps seen as events, each once, of those that have been seen at all. Only events count. */
  readonly transitions: Map<Transition, number>;
  exits: number;
  unexpectedExits: number;
  lastTransitionTime: number | undefined;
  lastUnexpectedExitTime: number | undefined;
}

export type OrderedFact =
  | { readonly source: 'snapshot'; readonly serial: number; readonly state: ProcessState }
  | {
      readonly source: 'event';
      readonly serial: number;
      readonly state: ProcessState;
      readonly event: ProcessStateEvent;
      readonly at: number;
    };

export function newProcess(id: ProcessId, state: ProcessState, revision: number): Process {
  return {
    id: { group: id.group, name: id.name },
    revision,
    namedIn: undefined,
    state,
    ordered: undefined,
    pid: undefined,
    startTime: undefined,
    stopTime: undefined,
    end: undefined,
    foretold: undefined,
    exitStatus: undefined,
    exitSignal: undefined,
    spawnError: undefined,
    stopDuration: undefined,
    settings: undefined,
    backoffTries: 0,
    transitions: new Map(),
    exits: 0,
    unexpectedExits: 0,
    lastTransitionTime: undefined,
    lastUnexpectedExitTime: undefined,
  };
}

/** The pid of a process that is there for all we know. */
export function livePid({ state, pid }: Readonly<Process>): number | undefined {
  return state === 'RUNNING' || state === 'STARTING' || state === 'STOPPING' ? pid : undefined;
}

/** Counts a transition. It happened, however late its event came and whatever the state is by now. */
export function countTransition(process: Process, event: ProcessStateEvent, at: number): void {
  const transition = transitionOf(event.from, event.to);
  process.transitions.set(transition, (process.transitions.get(transition) ?? 0) + 1);
  if (event.to !== 'EXITED') return;
  process.exits += 1;
  if (event.expected === false) {
    process.unexpectedExits += 1;
    process.lastUnexpectedExitTime = at;
  }
}

/** Moves a process to the state that an event says it is in, as of `at`. */
export function enterState(process: Process, event: ProcessStateEvent, at: number): void {
  const enteredAt = process.lastTransitionTime;
  const pid = event.pid ?? process.pid;
  process.state = event.to;
  process.lastTransitionTime = at;
  process.pid = undefined;
  // FATAL follows BACKOFF for the same reason.
  if (event.to !== 'FATAL') process.spawnError = undefined;
  switch (event.to) {
    case 'STARTING':
      process.startTime = at;
      process.backoffTries = event.tries ?? process.backoffTries;
      break;
    case 'RUNNING':
      process.pid = pid;
      process.backoffTries = 0;
      break;
    case 'BACKOFF':
      process.backoffTries = event.tries ?? process.backoffTries;
      endRun(process, pid, at);
      break;
    case 'STOPPING':
      process.pid = pid;
      break;
    case 'EXITED':
      process.stopTime = at;
      process.backoffTries = 0;
      endRun(process, pid, at);
      break;
    case 'STOPPED':
      process.stopTime = at;
      process.backoffTries = 0;
      // From BACKOFF it is stopped without running.
      if (event.from !== 'STOPPING') break;
      process.stopDuration = enteredAt === undefined ? undefined : toMilliseconds(at - enteredAt);
      endRun(process, pid, at);
      break;
    case 'FATAL':
    case 'UNKNOWN':
      break;
    default: {
      const unhandled: never = event.to;
      throw new Error(`unhandled state ${unhandled}`);
    }
  }
}

/** Stamps are no finer. */
function toMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** A run is over, as an event tells that came at `at`. Why it ended may be known before that. */
function endRun(process: Process, pid: number | undefined, at: number): void {
  const { foretold } = process;
  process.foretold = undefined;
  process.end = endToldAt(at, pid);
  if (foretold !== undefined && foretold.pid === pid) explainEnd(process, process.end, foretold);
}

/** Takes what was found out of an end, unless another one has come since. */
export function explainEnd(process: Process, end: RunEnd, { ending, spawnError }: Finding): void {
  const isDown = process.state === 'BACKOFF' || process.state === 'FATAL';
  if (isDown && spawnError !== undefined) process.spawnError = spawnError;
  if (process.end !== end) return;
  if (ending !== undefined) {
    process.end = { ...end, ending };
    // In BACKOFF only this tells that there was a run.
    if (isDown) process.stopTime = end.at;
    process.exitStatus = ending.status;
    process.exitSignal = ending.signal;
  } else if (!isDown) {
    // In BACKOFF and FATAL there may have been no run at all.
    process.exitSignal = undefined;
  }
}

/** Whether taking over what a snapshot says would change nothing, which is so most of the time. */
export function agreesWith(process: Process, info: ProcessInfo): boolean {
  return (
    process.state === info.state &&
    process.lastTransitionTime !== undefined &&
    process.pid === (info.pid === 0 ? undefined : info.pid) &&
    process.spawnError === info.spawnError &&
    process.startTime === agree(process.startTime, info.start) &&
    process.stopTime === agree(process.stopTime, info.stop) &&
    (process.exitSignal === 0 || info.stop !== 0) &&
    (process.exitStatus === info.exitStatus || process.end?.ending !== undefined)
  );
}

/** Takes over what a snapshot says, which is what supervisord itself holds to be so. */
export function takeSnapshot(process: Process, info: ProcessInfo): void {
  process.startTime = agree(process.startTime, info.start);
  takeEnd(process, info);
  process.spawnError = info.spawnError;
  process.pid = info.pid === 0 ? undefined : info.pid;
  if (process.state !== info.state || process.lastTransitionTime === undefined) {
    process.lastTransitionTime = enteredAt(info) ?? process.lastTransitionTime;
  }
  process.state = info.state;
}

/** What a process is in when a run of it has ended, and none has begun since. */
const ENDED_STATES: ReadonlySet<ProcessState> = new Set(['BACKOFF', 'STOPPED', 'EXITED', 'FATAL']);

/**
 * XML-RPC tells why a run ended for as long as the process is not started again, and then
 * says 0: it does not overrule what was found out of the same end. What has ended, and not
 * in the state that we know of, has ended once more, even if that was before our stamp: in
 * a storm events are seconds late.
 */
function takeEnd(process: Process, info: ProcessInfo): void {
  const isOther = process.state !== info.state && ENDED_STATES.has(info.state);
  const before = isOther ? undefined : process.stopTime;
  process.stopTime = agree(before, info.stop);
  if (info.stop === 0) process.exitSignal = 0;
  else if (before === undefined || info.stop > before) process.end = endInSecond(info.stop);
  if (process.end?.ending === undefined) process.exitStatus = info.exitStatus;
}

/** Seconds that an event may be behind what it tells: supervisord sends it up to a turn later. */
const STAMP_TOLERANCE_SECONDS = 2;

/** Our own stamp while it is of the second that the snapshot names, for it is the finer one. */
function agree(stamped: number | undefined, whole: number): number | undefined {
  if (whole === 0) return undefined;
  if (stamped === undefined) return whole;
  return stamped >= whole && stamped < whole + STAMP_TOLERANCE_SECONDS ? stamped : whole;
}

/** When a process entered its state, as far as a snapshot tells. */
function enteredAt(info: ProcessInfo): number | undefined {
  switch (info.state) {
    case 'STARTING':
    case 'RUNNING':
      return info.start || undefined;
    case 'BACKOFF':
    case 'STOPPED':
    case 'EXITED':
    case 'FATAL':
      return info.stop || undefined;
    case 'STOPPING':
    case 'UNKNOWN':
      return undefined;
    default: {
      const unhandled: never = info.state;
      throw new Error(`unhandled state ${unhandled}`);
    }
  }
}
