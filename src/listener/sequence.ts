/**
 * The account of which events have come, kept by their serials.
 *
 * supervisord delivers at least once and not always in order: an event that another
 * listener of our priority rejects is put at the head of our queue as well, so it may come
 * again, and may come ahead of older events that we have yet to see. A skipped serial is
 * therefore awaited. It is lost once an event that was queued behind it has come, and a
 * while has passed in which it did not.
 */

/** Seconds that a skipped event is awaited at the least. */
export const LOST_AFTER_SECONDS = 1.5;

/** Seconds after which it is lost though nothing has shown that the queue is past it. */
export const LOST_UNPROVEN_SECONDS = 90;

/** Gaps remembered at once; past that the oldest is forgotten, and what fills it is a repeat. */
const MAX_GAPS = 1024;

/** Serials that have not come, `first` to `last`. */
interface Gap {
  readonly first: number;
  readonly last: number;
  /** Undefined where they are not awaited, or lost already. */
  readonly awaited: { readonly since: number; readonly until: number } | undefined;
}

export interface Delivery {
  /** Whether this event has come for the first time. */
  readonly isFirst: boolean;
  /** Whether serials before this one were skipped just now. */
  readonly opensGap: boolean;
}

const REPEATED: Delivery = { isFirst: false, opensGap: false };

export class Serials {
  /** Ascending and disjoint. Every serial from #lowest to #highest that is in none has come. */
  #gaps: Gap[] = [];
  #lowest: number | undefined;
  #highest = -1;

  /** No life of ours came before this one, so that the first event is due to be serial 0. */
  expectFromZero(): void {
    this.#lowest ??= 0;
  }

  /** Takes the serial of an event that came at `at` (seconds). */
  note(serial: number, at: number): Delivery {
    if (this.#lowest === undefined) {
      this.#lowest = serial;
      this.#highest = serial;
      return { isFirst: true, opensGap: false };
    }
    if (serial > this.#highest) return this.#extendUp(serial, at);
    if (serial < this.#lowest) return this.#extendDown(serial, this.#lowest);
    return this.#fill(serial, at);
  }

  /**
   * The number of serials that are lost as of `at`, each counted once, even if it comes
   * after all. `passed`: a serial that is known to have been queued behind all before it,
   * and has come.
   */
  expire(at: number, passed: number): number {
    let lost = 0;
    this.#gaps = this.#gaps.flatMap((gap) => {
      if (gap.awaited === undefined || gap.awaited.until > at) return gap;
      const isUnproven = at < gap.awaited.since + LOST_UNPROVEN_SECONDS;
      const last = isUnproven ? Math.min(gap.last, passed - 1) : gap.last;
      if (last < gap.first) return gap;
      lost += last - gap.first + 1;
      const rest = last < gap.last ? [{ ...gap, first: last + 1 }] : [];
      return [{ first: gap.first, last, awaited: undefined }, ...rest];
    });
    return lost;
  }

  /** Gaps that are remembered, awaited or lost. */
  get gapCount(): number {
    return this.#gaps.length;
  }

  /** Whether any skipped serial is still awaited. */
  get isAwaiting(): boolean {
    return this.#gaps.some((gap) => gap.awaited !== undefined);
  }

  /** Whether a serial behind this one is awaited. */
  isAwaitingBehind(serial: number): boolean {
    return this.#gaps.some((gap) => gap.awaited !== undefined && gap.last > serial);
  }

  #extendUp(serial: number, at: number): Delivery {
    const opensGap = serial > this.#highest + 1;
    if (opensGap) {
      const awaited = { since: at, until: at + LOST_AFTER_SECONDS };
      this.#remember([...this.#gaps, { first: this.#highest + 1, last: serial - 1, awaited }]);
    }
    this.#highest = serial;
    return { isFirst: true, opensGap };
  }

  /** What lies before the first event we saw may have gone to an earlier life of ours: not awaited. */
  #extendDown(serial: number, lowest: number): Delivery {
    if (serial < lowest - 1) {
      this.#gaps.unshift({ first: serial + 1, last: lowest - 1, awaited: undefined });
    }
    this.#lowest = serial;
    return { isFirst: true, opensGap: false };
  }

  /**
   * A late first delivery shows that the queue has come to this serial: older ones have
   * had their turn, and those behind it still have theirs to come.
   */
  #fill(serial: number, at: number): Delivery {
    const index = this.#gaps.findIndex((gap) => gap.first <= serial && serial <= gap.last);
    const gap = this.#gaps[index];
    if (gap === undefined) return REPEATED;

    const before = gap.first < serial ? [{ ...gap, last: serial - 1 }] : [];
    const behind = [
      ...(serial < gap.last ? [{ ...gap, first: serial + 1 }] : []),
      ...this.#gaps.slice(index + 1),
    ].map((later) => awaitAnew(later, at));
    this.#remember([...this.#gaps.slice(0, index), ...before, ...behind]);
    return { isFirst: true, opensGap: false };
  }

  #remember(gaps: Gap[]): void {
    this.#gaps = gaps.slice(-MAX_GAPS);
  }
}

function awaitAnew(gap: Gap, at: number): Gap {
  if (gap.awaited === undefined) return gap;
  return { ...gap, awaited: { ...gap.awaited, until: at + LOST_AFTER_SECONDS } };
}
