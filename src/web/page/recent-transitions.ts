/** The latest transitions of all processes, in the order in which their events were received. */

import type { Ending } from '../../processes/ending.ts';
import type { ProcessStateEvent } from '../../supervisor/events.ts';
import { MAX_TRANSITIONS } from './view.ts';

export interface RecentTransition {
  /** How many transitions were received before it since the exporter started. */
  readonly number: number;
  readonly event: ProcessStateEvent;
  /** When the event was received, in epoch seconds. */
  readonly at: number;
  /** How the process ended; undefined for other transitions and until it is known. */
  readonly termination: Ending | undefined;
}

export class RecentTransitions {
  /** A ring: transition `number` is at `number % MAX_TRANSITIONS`. */
  readonly #ring: RecentTransition[] = [];
  #count = 0;

  add(event: ProcessStateEvent, at: number): void {
    const number = this.#count;
    this.#ring[number % MAX_TRANSITIONS] = { number, event, at, termination: undefined };
    this.#count += 1;
  }

  /** Sets how the process ended in the transition of this serial, if that is still kept. */
  setTermination(serial: number, termination: Ending): void {
    const index = this.#ring.findIndex(({ event }) => event.serial === serial);
    const transition = this.#ring[index];
    if (transition !== undefined) this.#ring[index] = { ...transition, termination };
  }

  /** The latest first. */
  values(): RecentTransition[] {
    const newest = this.#count % MAX_TRANSITIONS;
    return [...this.#ring.slice(newest), ...this.#ring.slice(0, newest)].reverse();
  }
}
