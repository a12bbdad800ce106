/** Results of the latest comparisons, so that a scraper's password is compared once and not at each scrape. */

import { createHmac, randomBytes } from 'node:crypto';
import { dropOldest } from '../util/drop-oldest.ts';

/** For right and for wrong passwords separately: wrong ones cannot evict right ones. */
const MAX_ENTRIES = 100;

export class AuthCache {
  /** Random, so that memory holds neither passwords nor digests that a list of passwords could be compared with. */
  readonly #secret = randomBytes(32);
  readonly #right = new Set<string>();
  readonly #wrong = new Set<string>();

  keyOf(username: string, hash: string, password: string): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([username, hash, password]))
      .digest('base64');
  }

  /** undefined: not compared, or evicted. */
  find(key: string): boolean | undefined {
    const keys = [this.#right, this.#wrong].find((candidates) => candidates.has(key));
    if (keys === undefined) return undefined;
    remember(keys, key);
    return keys === this.#right;
  }

  add(key: string, isRight: boolean): void {
    remember(isRight ? this.#right : this.#wrong, key);
  }
}

/** Adds the key as the latest one and evicts the least recently used one. */
function remember(keys: Set<string>, key: string): void {
  keys.delete(key);
  keys.add(key);
  dropOldest(keys, MAX_ENTRIES);
}
