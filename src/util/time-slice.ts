/** Divides long work into time slices, so that the event loop runs in between and events are acknowledged. */

/** `setImmediate` of node:timers/promises would load that module for one function. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const SLICE_MS = 0.5;

export class TimeSlice {
  readonly #lengthMs: number;
  #began = performance.now();

  constructor(lengthMs = SLICE_MS) {
    this.#lengthMs = lengthMs;
  }

  /** Yields to the event loop if this slice is used up, and begins the next one. */
  async pause(): Promise<void> {
    if (performance.now() - this.#began < this.#lengthMs) return;
    await yieldToEventLoop();
    this.#began = performance.now();
  }
}
