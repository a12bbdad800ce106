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

  /** Checked before `pause` where there are thousands of steps: a promise for each takes longer than the step. */
  get isOver(): boolean {
    return performance.now() - this.#began >= this.#lengthMs;
  }

  /** Yields to the event loop if this slice is used up, and begins the next one. */
  async pause(): Promise<void> {
    if (!this.isOver) return;
    await yieldToEventLoop();
    this.#began = performance.now();
  }
}

/** Synchronous work that yields wherever it may be interrupted. */
export type PausableWork<Result> = Generator<undefined, Result>;

/** Runs the work to its end in time slices. */
export async function runInSlices<Result>(
  work: PausableWork<Result>,
  lengthMs = SLICE_MS,
): Promise<Result> {
  const slice = new TimeSlice(lengthMs);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (slice.isOver) await slice.pause();
  }
}
