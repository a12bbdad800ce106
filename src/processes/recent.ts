/** The latest transitions of all processes together, as their events came. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import type { Ending, RunEnd } from './ending.ts';

export interface RecentTransition {
  /** How many had come before it in this life of ours. */
  readonly number: number;
  readonly event: ProcessStateEvent;
  /** When the event came, in epoch seconds. */
  readonly at: number;
  /** The end of a run that it was, if it was one; with its reason once that is known. */
  end: RunEnd | undefined;
}

/** How many are kept: what a person reads at most, and some 100 kB. */
const KEPT = 200;

export class RecentTransitions {
  /** The transition `number` stands at `number % KEPT`. */
  readonly #ring: RecentTransition[] = [];
  #count = 0;

  /** Returns what is kept of it. */
  push(event: ProcessStateEvent, at: number): RecentTransition {
    const transition = { number: this.#count, event, at, end: undefined };
    this.#ring[this.#count % KEPT] = transition;
    this.#count += 1;
    return transition;
  }

  /** Takes why a run ended, be it the last one of its process or not. */
  explain(end: RunEnd, ending: Ending): void {
    const told = this.#ring.find((transition) => transition.end === end);
    if (told !== undefined) told.end = { ...end, ending };
  }

  /** The latest first. */
  values(): Readonly<RecentTransition>[] {
    const newest = this.#count % KEPT;
    return [...this.#ring.slice(newest), ...this.#ring.slice(0, newest)].reverse();
  }
}
