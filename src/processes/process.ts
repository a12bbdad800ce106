/** One process: what is known of it, and how an event or a snapshot changes that. */

import type { ProcessStateEvent } from '../listener/events.ts';
import type { ProcessInfo } from '../rpc/snapshot.ts';
import type { ProcessId } from './identity.ts';
import { type ProcessState, TRANSITIONS, type Transition } from './states.ts';

/**
 * All times are epoch seconds. An event is stamped when it comes, with fractions; a
 * snapshot has whole seconds, which stand where no stamp agrees with them.
 */
export interface Process {
  readonly id: ProcessId;
  state: ProcessState;
  /**
   * The last fact that has a place in the order of events: an event, or a snapshot placed
   * by its token. Undefined as long as there is only a snapshot whose place is not known.
   */
  ordered: OrderedFact | undefined;

  pid: number | undefined;
  startTime: number | undefined;
  stopTime: number | undefined;
  exitStatus: number | undefined;
  /** Start attempts that have failed since the process last ran. */
  backoffTries: number;

  /** Steps seen as events, each once. Only events count. */
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

export function newProcess(id: ProcessId, state: ProcessState): Process {
  return {
    id: { group: id.group, name: id.name },
    state,
    ordered: undefined,
    pid: undefined,
    startTime: undefined,
    stopTime: undefined,
    exitStatus: undefined,
    backoffTries: 0,
    transitions: new Map(TRANSITIONS.map((transition) => [transition, 0])),
    exits: 0,
    unexpectedExits: 0,
    lastTransitionTime: undefined,
    lastUnexpectedExitTime: undefined,
  };
}

/** Counts a transition. It happened, however late its event came and whatever the state is by now. */
export function countTransition(process: Process, event: ProcessStateEvent, at: number): void {
  const transition: Transition = `${event.from}>${event.to}`;
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
  process.state = event.to;
  process.lastTransitionTime = at;
  switch (event.to) {
    case 'STARTING':
      process.startTime = at;
      process.pid = undefined;
      process.backoffTries = event.tries ?? process.backoffTries;
      break;
    case 'RUNNING':
      process.pid = event.pid;
      process.backoffTries = 0;
      break;
    case 'BACKOFF':
      process.pid = undefined;
      process.backoffTries = event.tries ?? process.backoffTries;
      break;
    case 'STOPPING':
      process.pid = event.pid;
      break;
    case 'EXITED':
    case 'STOPPED':
      process.pid = undefined;
      process.stopTime = at;
      process.backoffTries = 0;
      break;
    case 'FATAL':
    case 'UNKNOWN':
      process.pid = undefined;
      break;
    default: {
      const unhandled: never = event.to;
      throw new Error(`unhandled state ${unhandled}`);
    }
  }
}

/** Takes over what a snapshot says, which is what supervisord itself holds to be so. */
export function takeSnapshot(process: Process, info: ProcessInfo): void {
  process.startTime = agree(process.startTime, info.start);
  process.stopTime = agree(process.stopTime, info.stop);
  process.exitStatus = info.exitStatus;
  process.pid = info.pid === 0 ? undefined : info.pid;
  if (process.state !== info.state || process.lastTransitionTime === undefined) {
    process.lastTransitionTime = enteredAt(info) ?? process.lastTransitionTime;
  }
  process.state = info.state;
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
