/**
 * A timeout that follows what supervisord needs. A reply about all processes takes it about 1 ms
 * for each of them, so that no fixed timeout suits both ten and twenty thousand. Pure.
 */

const LONGEST_MS = 120_000;
/** A reply may take this many times as long as the last one, on a busy machine. */
const MARGIN = 4;

export class AdaptiveTimeout {
  readonly #shortestMs: number;
  readonly #longestMs: number;
  #ms: number;

  constructor(shortestMs: number) {
    this.#shortestMs = shortestMs;
    this.#longestMs = Math.max(shortestMs, LONGEST_MS);
    this.#ms = shortestMs;
  }

  /** Of the next call. */
  get ms(): number {
    return this.#ms;
  }

  timedOut(): void {
    this.#ms = Math.min(2 * this.#ms, this.#longestMs);
  }

  answered(tookMs: number): void {
    this.#ms = Math.min(Math.max(this.#shortestMs, MARGIN * tookMs), this.#longestMs);
  }
}
