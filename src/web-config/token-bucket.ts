/** The token bucket of golang.org/x/time/rate. */

import type { RateLimit } from './webconfig.ts';

export class TokenBucket {
  readonly limit: RateLimit;
  #tokens: number;
  #at: number;

  /** Begins full. `now`: milliseconds of a monotonic clock. */
  constructor(limit: RateLimit, now: number) {
    this.limit = limit;
    this.#tokens = limit.burst;
    this.#at = now;
  }

  /** Takes a token; false if there is none. */
  take(now: number): boolean {
    const { burst, intervalMs } = this.limit;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) / intervalMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
