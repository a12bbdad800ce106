/** Limits how much of a resource repeated work takes: a pause follows each piece of work. Pure. */

export interface DutyCycleOptions {
  /** The share of time that the work may take, above 0 and at most 1. */
  readonly share: number;
  /** Work in milliseconds that may exceed the share before a pause is due. */
  readonly burstMs?: number;
  readonly longestPauseMs: number;
}

export class DutyCycle {
  readonly #options: DutyCycleOptions;
  /** Milliseconds of work that no pause has compensated, as of `#recordedAt`. */
  #debtMs = 0;
  #recordedAt = 0;

  constructor(options: DutyCycleOptions) {
    this.#options = options;
  }

  /** Records work that took from `began` to `now` (milliseconds, monotonic); returns the pause that is due. */
  record(began: number, now: number): number {
    const { share, burstMs = 0, longestPauseMs } = this.#options;
    const compensated = (now - this.#recordedAt) * share;
    this.#debtMs = Math.max(0, this.#debtMs - compensated) + now - began;
    this.#recordedAt = now;
    return Math.min(Math.max(0, this.#debtMs - burstMs) / share, longestPauseMs);
  }
}
