/** What came of comparisons lately, so that a scraper's password is compared once and not at each scrape. */

import { createHmac, randomBytes } from 'node:crypto';

/** Of each kind. Wrong passwords can't drive out right ones. */
const MAX_VERDICTS = 100;

export class Verdicts {
  /** Of this life alone: neither passwords nor what could be compared with a list of them is in memory. */
  readonly #secret = randomBytes(32);
  readonly #right = new Set<string>();
  readonly #wrong = new Set<string>();

  keyOf(username: string, hash: string, password: string): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([username, hash, password]))
      .digest('base64');
  }

  /** undefined: not compared, or forgotten. */
  find(key: string): boolean | undefined {
    const verdicts = [this.#right, this.#wrong].find((candidates) => candidates.has(key));
    if (verdicts === undefined) return undefined;
    remember(verdicts, key);
    return verdicts === this.#right;
  }

  add(key: string, isRight: boolean): void {
    remember(isRight ? this.#right : this.#wrong, key);
  }
}

/** As the latest; the one that was not asked for the longest gives way. */
function remember(keys: Set<string>, key: string): void {
  keys.delete(key);
  keys.add(key);
  const [oldest] = keys;
  if (keys.size > MAX_VERDICTS && oldest !== undefined) keys.delete(oldest);
}
