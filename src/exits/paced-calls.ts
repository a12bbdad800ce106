/** Calls of supervisord one after the other, with pauses: they take at most a tenth of its time. */

import { DutyCycle } from '../util/duty-cycle.ts';

/** A few calls in a row are each made at once: the next start of a process is at most a second away. */
const PACE = { share: 0.1, burstMs: 500, longestPauseMs: 1_000 } as const;

export class PacedCalls {
  readonly #call: () => Promise<void>;
  readonly #duty = new DutyCycle(PACE);
  #isDue = false;
  #isBusy = false;

  /** `call` handles its errors, and asks for another call if one is needed. */
  constructor(call: () => Promise<void>) {
    this.#call = call;
  }

  /** Asks for a call. Returns whether it has begun; otherwise it follows the present one and its pause. */
  request(): boolean {
    this.#isDue = true;
    if (this.#isBusy) return false;
    void this.#run();
    return true;
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    while (this.#isDue) {
      this.#isDue = false;
      const began = performance.now();
      await this.#call();
      const pause = this.#duty.record(began, performance.now());
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause).unref());
    }
    this.#isBusy = false;
  }
}
