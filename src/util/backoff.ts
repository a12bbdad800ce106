/** Exponential back-off: how long to wait before the next try. Pure. */

export interface BackoffOptions {
  readonly firstMs: number;
  readonly longestMs: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Records a failure and returns the milliseconds to wait before the next try. */
  fail(): number {
    const { firstMs, longestMs } = this.#options;
    const delay = Math.min(longestMs, firstMs * 2 ** this.#failures);
    this.#failures += 1;
    return delay;
  }

  succeed(): void {
    this.#failures = 0;
  }
}
