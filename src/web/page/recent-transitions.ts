/** The latest transitions of all processes, in the order in which their events were received. */

import type { Change } from '../../processes/changes.ts';
import type { Termination } from '../../processes/termination.ts';
import type { ProcessStateEvent } from '../../supervisor/events.ts';

/** How many transitions are kept and shown. */
export const MAX_TRANSITIONS = 200;

export interface RecentTransition {
  /** How many transitions were received before it since the exporter started. */
  readonly number: number;
  readonly event: ProcessStateEvent;
  /** When the event was received, in epoch seconds. */
  readonly at: number;
  /** Set where the process exited; its exit reason is set later. */
  readonly termination: Termination | undefined;
}

export class RecentTransitions {
  /** The transition `number` is at `number % MAX_TRANSITIONS`. */
  readonly #ring: RecentTransition[] = [];
  #count = 0;

  handle(change: Change): void {
    if (change.kind === 'transition') {
      const { event, at, termination } = change;
      this.#ring[this.#count % MAX_TRANSITIONS] = {
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
    const newest = this.#count % MAX_TRANSITIONS;
    return [...this.#ring.slice(newest), ...this.#ring.slice(0, newest)].reverse();
  }
}
