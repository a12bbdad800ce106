/** A token bucket, as golang.org/x/time/rate has it. */

import type { RateLimit } from './webconfig.ts';

export class TokenBucket {
  readonly limit: RateLimit;
  #tokens: number;
  #at: number;

  /** Full at first. `now` is in milliseconds, of any clock that does not go back. */
  constructor(limit: RateLimit, now: number) {
    this.limit = limit;
    this.#tokens = limit.burst;
    this.#at = now;
  }

  /** Whether there was a token left. */
  take(now: number): boolean {
    const { burst, intervalMs } = this.limit;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) / intervalMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
