/** Long work in slices: between them the event loop turns, and events are acknowledged. */

import { setImmediate as nextTurn } from 'node:timers/promises';

const SLICE_MS = 0.5;

export class Slices {
  #began = performance.now();

  /** Waits for the next turn of the event loop if this slice has taken its time. */
  async pause(): Promise<void> {
    if (performance.now() - this.#began < SLICE_MS) return;
    await nextTurn();
    this.#began = performance.now();
  }
}
