/** The data of the page: built by the server, sent as JSON, rendered by server and browser. */

import { causeOf, type Process } from '../../processes/process.ts';
import { type Trouble, troubleOf } from '../../processes/trouble.ts';
import { keyOf, type ProcessKey } from '../../supervisor/process-id.ts';
import { isAlive, type ProcessState } from '../../supervisor/states.ts';
import { describeReason, type SignalName } from '../exit-reason.ts';
import { MAX_TRANSITIONS, type RecentTransition } from './recent-transitions.ts';
import { encodeTimeline, type Timeline } from './timeline.ts';

/** All times are epoch seconds of the exporter's clock. */
export interface View {
  readonly now: number;
  readonly context: PageContext;
  readonly rows: readonly Row[];
  /** The latest first. */
  readonly transitions: readonly Transition[];
}

/** The state of supervisord and of the exporter. */
export interface PageContext {
  /** undefined until XML-RPC has answered. */
  readonly identifier: string | undefined;
  readonly supervisordVersion: string | undefined;
  readonly supervisordState: string | undefined;
  /** The name of the machine. */
  readonly host: string;
  /** Whether XML-RPC works; if not, the error. */
  readonly rpc: 'works' | 'pending' | 'none' | { readonly failure: string };
  /** Whether the process table is complete. */
  readonly isSynced: boolean;
  /** Since when the first snapshot is waited for; undefined once it was received, or where there is none. */
  readonly waitingSince: number | undefined;
  /** supervisord has not run for a while: it is stopped or blocked. Undefined where that is not known. */
  readonly isStalled?: boolean | undefined;
  readonly eventsLost: number;
  readonly exporterVersion: string;
  /** Whether CPU and memory are collected. */
  readonly hasUsage: boolean;
}

/** One process. */
export interface Row {
  readonly group: string;
  readonly name: string;
  readonly state: ProcessState;
  readonly trouble: Trouble | undefined;
  /** When it entered its state. */
  readonly since: number | undefined;
  /** When the process started; undefined while it is down. */
  readonly start: number | undefined;
  readonly pid: number | undefined;
  readonly tries: number;
  readonly exits: number;
  readonly unexpected: number;
  readonly lastUnexpectedExit: number | undefined;
  /** When it last exited; undefined where a start has failed since without a run. */
  readonly exitedAt: number | undefined;
  /** The reason of that exit; undefined where it is not known. */
  readonly reason: string | undefined;
  /** Why it could not be started; in BACKOFF and FATAL only. */
  readonly spawnError: string | undefined;
  /** Cores in use, 1 for all of one. */
  readonly cpu: number | undefined;
  /** Resident memory in bytes. */
  readonly memory: number | undefined;
  /** Its states over the last hour, as encodeTimeline writes them. */
  readonly timeline: string;
}

export interface Transition {
  /** Unique since the start of the exporter; a later transition has a higher number. */
  readonly number: number;
  readonly at: number;
  readonly group: string;
  readonly name: string;
  readonly from: ProcessState;
  readonly to: ProcessState;
  readonly expected: boolean | undefined;
  readonly tries: number | undefined;
  readonly reason: string | undefined;
}

/** The stream starts with a snapshot, followed by changes. */
export type Message =
  | { readonly kind: 'snapshot'; readonly build: string; readonly view: View }
  | ({ readonly kind: 'change' } & Change);

export interface Change {
  readonly now: number;
  readonly context?: PageContext;
  /** Rows that are new or have changed. */
  readonly rows?: readonly Row[];
  readonly removed?: readonly ProcessKey[];
  /** Transitions that are new or whose reason has become known. The latest first. */
  readonly transitions?: readonly Transition[];
}

/** What the record of a process does not hold. */
export interface RowFacts {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  readonly timeline: Timeline;
  /** Whether the process is gone although no event has reported it. */
  readonly isUnreported: boolean;
}

export function rowOf(process: Readonly<Process>, facts: RowFacts, nameOf: SignalName): Row {
  const hasProcess = isAlive(process.state) && !facts.isUnreported;
  const cause = causeOf(process);
  return {
    group: process.id.group,
    name: process.id.name,
    state: process.state,
    trouble: troubleOf(process, facts.isUnreported),
    since: process.lastTransitionTime,
    start: hasProcess ? process.startTime : undefined,
    pid: hasProcess ? process.pid : undefined,
    tries: process.backoffTries,
    exits: process.exits,
    unexpected: process.unexpectedExits,
    lastUnexpectedExit: process.lastUnexpectedExit?.finishedAt,
    exitedAt: cause?.finishedAt,
    reason: cause && describeReason(cause.reason, nameOf),
    spawnError: process.spawnError,
    cpu: hasProcess ? facts.cpu : undefined,
    // A zombie has no memory: the process is gone, so nothing of it can be measured.
    memory: hasProcess && facts.memory !== 0 ? facts.memory : undefined,
    timeline: encodeTimeline(facts.timeline),
  };
}

export function transitionOf(
  transition: Readonly<RecentTransition>,
  nameOf: SignalName,
): Transition {
  const { number, event, at, termination } = transition;
  return {
    number,
    at,
    group: event.process.group,
    name: event.process.name,
    from: event.from,
    to: event.to,
    expected: event.expected,
    tries: event.tries,
    reason: termination && describeReason(termination.reason, nameOf),
  };
}

/** Changes in the order of their messages. A row that has not changed stays the same object. */
export function applyChanges(view: View, changes: readonly Change[]): View {
  const rows = new Map(view.rows.map((row) => [keyOf(row), row]));
  const transitions = new Map(
    view.transitions.map((transition) => [transition.number, transition]),
  );
  let { now, context } = view;
  for (const change of changes) {
    for (const row of change.rows ?? []) rows.set(keyOf(row), row);
    for (const key of change.removed ?? []) rows.delete(key);
    for (const transition of change.transitions ?? []) {
      transitions.set(transition.number, transition);
    }
    now = change.now;
    context = change.context ?? context;
  }
  // A reason that becomes known late does not move its transition.
  const inOrder = [...transitions.values()].sort((one, other) => other.number - one.number);
  return { now, context, rows: [...rows.values()], transitions: inOrder.slice(0, MAX_TRANSITIONS) };
}
