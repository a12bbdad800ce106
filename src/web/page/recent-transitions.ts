/** The latest transitions of all processes together, in the order in which their events were received. */

import type { Change } from '../../processes/changes.ts';
import type { Termination } from '../../processes/termination.ts';
import type { ProcessStateEvent } from '../../supervisor/events.ts';

export interface RecentTransition {
  /** How many were received before it in this life of the exporter. */
  readonly number: number;
  readonly event: ProcessStateEvent;
  /** When the event was received, in epoch seconds. */
  readonly at: number;
  /** Set where it ended a run; with the exit reason once that is known. */
  readonly termination: Termination | undefined;
}

/** As many as a person reads at most; some 100 kB. */
export const MAX_RECENT_TRANSITIONS = 200;

export class RecentTransitions {
  /** The transition `number` is at `number % MAX_RECENT_TRANSITIONS`. */
  readonly #ring: RecentTransition[] = [];
  #count = 0;

  handle(change: Change): void {
    if (change.kind === 'transition') {
      const { event, at, termination } = change;
      this.#ring[this.#count % MAX_RECENT_TRANSITIONS] = {
        number: this.#count,
        event,
        at,
        termination,
      };
      this.#count += 1;
    } else if (change.kind === 'reason') {
      const index = this.#ring.findIndex(
        ({ termination }) => termination?.id === change.terminationId,
      );
      const known = this.#ring[index];
      if (known?.termination === undefined) return;
      const { reason } = change.facts;
      this.#ring[index] = { ...known, termination: { ...known.termination, reason } };
    }
  }

  /** The latest first. */
  values(): readonly RecentTransition[] {
    const newest = this.#count % MAX_RECENT_TRANSITIONS;
    return [...this.#ring.slice(newest), ...this.#ring.slice(0, newest)].reverse();
  }
}
