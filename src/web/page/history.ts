/** What is kept of the past of each process, in bounded memory: for the page alone. */

import type { Change } from '../../processes/changes.ts';
import type { Process } from '../../processes/process.ts';
import type { ExitReason, Termination } from '../../processes/termination.ts';
import type { ProcessStateEvent } from '../../supervisor/events.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../../supervisor/process-id.ts';
import { PROCESS_STATES, type ProcessState } from '../../supervisor/states.ts';
import { enterState, lastStateOf, startTimeline, type Timeline } from './timeline.ts';

/** Of each process. */
export const MAX_TRANSITIONS_KEPT = 20;
export const MAX_TERMINATIONS_KEPT = 10;

export interface PastTransition {
  /** When the event was received, in epoch seconds. */
  readonly at: number;
  readonly from: ProcessState;
  readonly to: ProcessState;
  /** Of an exit: whether it was expected. */
  readonly expected: boolean | undefined;
  /** Of a start: how many before it have failed. */
  readonly tries: number | undefined;
}

export interface PastTermination {
  readonly id: number;
  readonly pid: number | undefined;
  readonly expected: boolean | undefined;
  /** Epoch seconds; undefined where it is not known when the run began. */
  readonly startedAt: number | undefined;
  finishedAt: number;
  reason: ExitReason;
  /** Why there was no run. */
  spawnError: string | undefined;
}

export class ProcessHistory {
  timeline: Timeline = [];
  /** The serial of the latest transition. */
  serial = -1;
  readonly terminations: PastTermination[] = [];
  /** Two numbers for each transition, which take a tenth of the memory of an object. */
  readonly #transitions: number[] = [];

  addTransition(event: ProcessStateEvent, at: number): void {
    this.#transitions.push(at, pack(event));
    if (this.#transitions.length > 2 * MAX_TRANSITIONS_KEPT) this.#transitions.splice(0, 2);
  }

  /** `replaces`: the id of the same termination as a snapshot has reported it. */
  addTermination(
    termination: Termination,
    process: Readonly<Process>,
    replaces: number | undefined,
  ): void {
    const known = this.terminations.findIndex((each) => each.id === replaces);
    if (known >= 0) this.terminations.splice(known, 1);
    const { id, pid, expected, finishedAt, reason } = termination;
    const { startTime } = process;
    const startedAt = startTime !== undefined && startTime <= finishedAt ? startTime : undefined;
    this.terminations.push({
      id,
      pid,
      expected,
      startedAt,
      finishedAt,
      reason,
      spawnError: undefined,
    });
    if (this.terminations.length > MAX_TERMINATIONS_KEPT) this.terminations.shift();
  }

  /** The latest first. */
  transitions(): PastTransition[] {
    const unpacked: PastTransition[] = [];
    for (let at = this.#transitions.length - 2; at >= 0; at -= 2) {
      unpacked.push(unpack(this.#transitions[at] ?? 0, this.#transitions[at + 1] ?? 0));
    }
    return unpacked;
  }
}

/** Three bits for each state, two for `expected`, the rest for `tries`. */
function pack({ from, to, expected, tries }: ProcessStateEvent): number {
  const wasExpected = expected === undefined ? 0 : expected ? 1 : 2;
  const known = tries === undefined ? 0 : Math.min(tries, 0xffff) + 1;
  return (
    PROCESS_STATES.indexOf(from) |
    (PROCESS_STATES.indexOf(to) << 3) |
    (wasExpected << 6) |
    (known << 8)
  );
}

function unpack(at: number, packed: number): PastTransition {
  const wasExpected = (packed >> 6) & 3;
  const known = packed >> 8;
  return {
    at,
    from: PROCESS_STATES[packed & 7] ?? 'UNKNOWN',
    to: PROCESS_STATES[(packed >> 3) & 7] ?? 'UNKNOWN',
    expected: wasExpected === 0 ? undefined : wasExpected === 1,
    tries: known === 0 ? undefined : known - 1,
  };
}

const NO_HISTORY: Pick<ProcessHistory, 'timeline' | 'terminations' | 'transitions'> = {
  timeline: [],
  terminations: [],
  transitions: () => [],
};

export class Histories {
  readonly #histories = new Map<ProcessKey, ProcessHistory>();

  of(id: ProcessId): Pick<ProcessHistory, 'timeline' | 'terminations' | 'transitions'> {
    return this.#histories.get(keyOf(id)) ?? NO_HISTORY;
  }

  /** `now` in epoch seconds: for a change whose time supervisord does not report. */
  handle(change: Change, now: number): void {
    switch (change.kind) {
      case 'added':
        this.#ensure(change.process.id);
        break;
      case 'removed':
        this.#histories.delete(keyOf(change.process.id));
        break;
      case 'transition':
        this.#handleTransition(change.event, change.at);
        break;
      case 'exited':
        this.#histories
          .get(keyOf(change.process.id))
          ?.addTermination(change.termination, change.process, change.replaces);
        break;
      case 'reason':
        this.#handleReason(change);
        break;
      case 'updated':
        this.#handleUpdate(change.process, now);
        break;
      case 'started':
        // The transition into STARTING was recorded with its time already.
        break;
      default: {
        const unhandled: never = change;
        throw new Error(`unhandled change ${JSON.stringify(unhandled)}`);
      }
    }
  }

  #ensure(id: ProcessId): ProcessHistory {
    const key = keyOf(id);
    const known = this.#histories.get(key);
    if (known !== undefined) return known;
    const history = new ProcessHistory();
    this.#histories.set(key, history);
    return history;
  }

  /** A transition of a process that the table has removed is not kept. */
  #handleTransition(event: ProcessStateEvent, at: number): void {
    const history = this.#histories.get(keyOf(event.process));
    if (history === undefined) return;
    history.addTransition(event, at);
    if (event.serial <= history.serial) return;
    history.serial = event.serial;
    if (history.timeline.length === 0) history.timeline = startTimeline(event.from, at);
    enterState(history.timeline, event.expected === false ? 'UNEXPECTED' : event.to, at);
  }

  #handleReason({ id, terminationId, facts }: Change & { readonly kind: 'reason' }): void {
    const { terminations } = this.of(id);
    const known = terminations.find((termination) => termination.id === terminationId);
    if (known === undefined) return;
    known.reason = facts.reason;
    known.finishedAt = facts.finishedAt ?? known.finishedAt;
    known.spawnError = facts.spawnError;
  }

  #handleUpdate({ id, state, lastTransitionTime }: Readonly<Process>, now: number): void {
    const history = this.#ensure(id);
    const since = lastTransitionTime ?? now;
    if (history.timeline.length === 0) history.timeline = startTimeline(state, since);
    else if (lastStateOf(history.timeline) !== state) enterState(history.timeline, state, since);
  }
}
