/** Logs refused clients, at a rate that a port scanner cannot raise. */

import type { Logger } from '../util/log.ts';
import { TokenBucket } from './token-bucket.ts';

const LIMIT = { burst: 10, intervalMs: 60_000 };

export class RefusalLog {
  readonly #log: Logger;
  readonly #bucket = new TokenBucket(LIMIT, performance.now());
  #unlogged = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  add(client: string, reason: string): void {
    if (!this.#bucket.take(performance.now())) {
      this.#unlogged += 1;
      return;
    }
    const unlogged = this.#unlogged === 0 ? {} : { refused_before_and_not_logged: this.#unlogged };
    this.#log.warn('a client was refused', { client, reason, ...unlogged });
    this.#unlogged = 0;
  }
}
