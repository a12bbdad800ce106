/** What the page shows, as plain data: made here, sent as JSON, and written as HTML on both sides. */

import type { Process } from '../../processes/process.ts';
import type { ExitReason } from '../../processes/termination.ts';
import { keyOf, type ProcessKey } from '../../supervisor/process-id.ts';
import type { ProcessState } from '../../supervisor/states.ts';
import type { RecentTransition } from './recent-transitions.ts';

/** All times are epoch seconds of the exporter's clock. */
export interface View {
  readonly now: number;
  readonly facts: Facts;
  readonly rows: readonly Row[];
  /** The latest first. */
  readonly steps: readonly Step[];
}

/** supervisord and the exporter themselves. */
export interface Facts {
  /** Undefined until supervisord has said it. */
  readonly identifier: string | undefined;
  readonly supervisordVersion: string | undefined;
  readonly supervisordState: string | undefined;
  /** Whether XML-RPC works; the reason where it does not. */
  readonly rpc: 'works' | 'pending' | 'none' | { readonly failure: string };
  readonly eventsLost: number;
  readonly exporterVersion: string;
  /** Whether CPU and memory are read at all. */
  readonly hasUsage: boolean;
}

/** One process. */
export interface Row {
  readonly group: string;
  readonly name: string;
  readonly state: ProcessState;
  /** When it entered its state. */
  readonly since: number | undefined;
  /** When the present run began; undefined while it is down. */
  readonly start: number | undefined;
  readonly pid: number | undefined;
  readonly tries: number;
  readonly exits: number;
  readonly unexpected: number;
  readonly lastUnexpected: number | undefined;
  /** When it last ended. */
  readonly ended: number | undefined;
  /** Why it last ended; undefined where that is not known. */
  readonly reason: string | undefined;
  /** Why it could not be started; only in BACKOFF and FATAL. */
  readonly spawnError: string | undefined;
  /** Cores in use, 1 for all of one. */
  readonly cpu: number | undefined;
  /** Resident memory in bytes. */
  readonly memory: number | undefined;
}

/** One transition that happened. */
export interface Step {
  /** Of its own in a life of the exporter, and the higher the later. */
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

/** What a stream tells: first the whole, then what has changed since. */
export type Message =
  | { readonly kind: 'whole'; readonly build: string; readonly view: View }
  | ({ readonly kind: 'change' } & Change);

export interface Change {
  readonly now: number;
  readonly facts?: Facts;
  /** Rows that are new or have changed. */
  readonly rows?: readonly Row[];
  readonly gone?: readonly ProcessKey[];
  /** Steps that have come since, or of which more is known. The latest first. */
  readonly steps?: readonly Step[];
}

/** Steps that are shown; as many are remembered. */
export const MAX_STEPS = 200;

/** States in which there is a process of the system. */
const ALIVE: ReadonlySet<ProcessState> = new Set(['STARTING', 'RUNNING', 'STOPPING']);

/** What people call the signal of a number. */
export type SignalName = (signal: number) => string;

export function rowOf(
  process: Readonly<Process>,
  usage: Pick<Row, 'cpu' | 'memory'>,
  nameOf: SignalName,
): Row {
  const isAlive = ALIVE.has(process.state);
  const last = process.failedStart ?? process.termination;
  return {
    group: process.id.group,
    name: process.id.name,
    state: process.state,
    since: process.lastTransitionTime,
    start: isAlive ? process.startTime : undefined,
    pid: process.pid,
    tries: process.backoffTries,
    exits: process.exits,
    unexpected: process.unexpectedExits,
    lastUnexpected: process.lastUnexpectedExit?.finishedAt,
    ended: last?.finishedAt,
    reason: last && describeReason(last.reason, nameOf),
    spawnError: process.spawnError,
    cpu: usage.cpu,
    memory: usage.memory,
  };
}

export function stepOf(transition: Readonly<RecentTransition>, nameOf: SignalName): Step {
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

function describeReason(reason: ExitReason, nameOf: SignalName): string | undefined {
  switch (reason.kind) {
    case 'pending':
      return 'reason not known yet';
    case 'unknown':
      return undefined;
    case 'exited':
      return `exit status ${reason.exitCode}`;
    case 'signalled':
      return reason.signal === undefined ? 'a signal' : nameOf(reason.signal);
    default: {
      const unhandled: never = reason;
      throw new Error(`unhandled exit reason ${JSON.stringify(unhandled)}`);
    }
  }
}

/** What has to be told to whoever has been told `before`. */
export function changeBetween(before: View, after: View): Change {
  const known = new Map(before.rows.map((row) => [keyOf(row), row]));
  const rows = after.rows.filter((row) => {
    const key = keyOf(row);
    const old = known.get(key);
    known.delete(key);
    return old === undefined || !isSame(old, row);
  });
  const told = new Map(before.steps.map((step) => [step.number, step]));
  const steps = after.steps.filter((step) => {
    const old = told.get(step.number);
    return old === undefined || !isSame(old, step);
  });
  return {
    now: after.now,
    ...(JSON.stringify(before.facts) !== JSON.stringify(after.facts) && { facts: after.facts }),
    ...(rows.length > 0 && { rows }),
    ...(known.size > 0 && { gone: [...known.keys()] }),
    ...(steps.length > 0 && { steps }),
  };
}

/** What somebody sees who saw `view`, and has been told of a change. */
export function applyChange(view: View, change: Change): View {
  const rows = new Map(view.rows.map((row) => [keyOf(row), row]));
  for (const row of change.rows ?? []) rows.set(keyOf(row), row);
  for (const key of change.gone ?? []) rows.delete(key);
  const steps = new Map(view.steps.map((step) => [step.number, step]));
  for (const step of change.steps ?? []) steps.set(step.number, step);
  // The latest first; what became known later of an earlier one does not make it a later one.
  const inOrder = [...steps.values()].sort((one, other) => other.number - one.number);
  return {
    now: change.now,
    facts: change.facts ?? view.facts,
    rows: [...rows.values()],
    steps: inOrder.slice(0, MAX_STEPS),
  };
}

/** Both are flat, and have the same members in the same order. */
function isSame<T extends Row | Step>(one: T, other: T): boolean {
  for (const member in one) if (one[member] !== other[member]) return false;
  return true;
}
