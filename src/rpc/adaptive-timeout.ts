/**
 * The timeout of a call about all processes: how long supervisord may send nothing. It needs some
 * 0.7 ms of computation for each process before the first byte, and sends 4 KiB in each turn of
 * its loop, which iterates over all processes: no fixed timeout of the whole call suits both ten
 * and ten thousand processes. Pure.
 */

const LONGEST_MS = 120_000;
/** A reply may take this many times as long as expected, on a busy machine. */
const MARGIN = 4;
const COMPUTATION_MS = 0.7;

export class AdaptiveTimeout {
  readonly #shortestMs: number;
  readonly #processes: () => number;
  /** After this time the deadline of a call is no longer extended. */
  readonly longestMs: number;
  #ms: number;

  /** `processes`: how many are known. */
  constructor(shortestMs: number, processes: () => number) {
    this.#shortestMs = shortestMs;
    this.#processes = processes;
    this.longestMs = Math.max(shortestMs, LONGEST_MS);
    this.#ms = shortestMs;
  }

  /** The timeout of the next call. */
  get ms(): number {
    const expected = MARGIN * COMPUTATION_MS * this.#processes();
    return Math.ceil(Math.min(Math.max(this.#ms, expected), this.longestMs));
  }

  timedOut(): void {
    this.#ms = 2 * this.ms;
  }

  /** `silentMs`: the longest time in which supervisord sent nothing. */
  answered(silentMs: number): void {
    this.#ms = Math.max(this.#shortestMs, MARGIN * silentMs);
  }
}
