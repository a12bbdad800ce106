/** The increases of a counter of OOM kills within the last seconds. Pure. */

/** supervisord notices an exit up to a second after the kill. */
export const NOTICED_WITHIN_SECONDS = 1.5;
/**
 * A process of many gigabytes takes long to exit: an OOM kill may explain an exit for this long, in
 * seconds in which supervisord runs.
 */
export const REMEMBERED_SECONDS = 30;
/** The time of an increase is known only if the previous reading was at most this old. */
const OLDEST_BASELINE_SECONDS = 1;

interface Increase {
  /** The age of the log at which it was noticed, in seconds. */
  readonly age: number;
  /** When it was noticed, in epoch seconds. */
  readonly at: number;
  /** Whether it happened shortly before it was noticed. */
  readonly isDated: boolean;
  /** Kills that are not matched to a process. */
  unmatched: number;
}

export class IncreaseLog {
  #value: number | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Since when all increases are known, in epoch seconds. */
  #completeSince = Number.POSITIVE_INFINITY;
  #increases: Increase[] = [];

  /** `age`: seconds in which supervisord has run. */
  observe(value: number | undefined, at: number, age: number): void {
    this.#increases = this.#increases.filter((increase) => increase.age > age - REMEMBERED_SECONDS);
    if (at < this.#readAt) this.#completeSince = Math.min(this.#completeSince, at);
    if (value === undefined) this.#completeSince = Number.POSITIVE_INFINITY;
    else if (this.#value === undefined || value < this.#value) this.#completeSince = at;
    else if (value > this.#value) {
      const passed = at - this.#readAt;
      const isDated = passed >= 0 && passed <= OLDEST_BASELINE_SECONDS;
      this.#increases.push({ age, at, isDated, unmatched: value - this.#value });
    }
    this.#value = value;
    this.#readAt = at;
  }

  get isReadable(): boolean {
    return this.#value !== undefined;
  }

  /** Whether the counter was read before a process that exited at `at` can have been killed. */
  covers(at: number): boolean {
    return this.isReadable && this.#completeSince <= at - NOTICED_WITHIN_SECONDS;
  }

  /** Kills that are not matched to a process. */
  get unmatched(): number {
    return count(this.#increases);
  }

  /** Those of them that are known to have happened from `after` on. */
  unmatchedSince(after: number): number {
    return count(this.#increases.filter(({ at, isDated }) => isDated && at >= after));
  }

  /** The latest kill is that of a known process. */
  match(): void {
    const increase = this.#increases.findLast(({ unmatched }) => unmatched > 0);
    if (increase !== undefined) increase.unmatched -= 1;
  }
}

function count(increases: readonly Increase[]): number {
  return increases.reduce((total, { unmatched }) => total + unmatched, 0);
}
