/**
 * The account of which events have come, kept by their serials.
 *
 * supervisord delivers at least once and not always in order: an event that another
 * listener of our priority rejects is put at the head of our queue as well, so it may come
 * again, and may come ahead of older events that we have yet to see. A serial that is
 * skipped is therefore awaited for a while before it is called lost.
 */

/** Seconds that a skipped event is awaited. */
export const LOST_AFTER_SECONDS = 1.5;

/** Gaps remembered at once; past that the oldest is forgotten, and what fills it is a repeat. */
const MAX_GAPS = 1024;

/** Serials that have not come, `first` to `last`. */
interface Gap {
  readonly first: number;
  readonly last: number;
  /** When the awaited are lost; undefined where they are not awaited, or lost already. */
  readonly deadline: number | undefined;
}

export interface Delivery {
  /** Whether this event has come for the first time. */
  readonly isFirst: boolean;
  /** Whether serials before this one were skipped just now. */
  readonly opensGap: boolean;
}

const REPEATED: Delivery = { isFirst: false, opensGap: false };

export class Serials {
  /** Ascending and disjoint. Every serial between #lowest and #highest that is in none has come. */
  #gaps: Gap[] = [];
  #lowest: number | undefined;
  #highest = -1;

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

  /** The number of serials that `at` makes lost. Each is counted once, even if it comes after all. */
  expire(at: number): number {
    let lost = 0;
    this.#gaps = this.#gaps.map((gap) => {
      if (gap.deadline === undefined || gap.deadline > at) return gap;
      lost += gap.last - gap.first + 1;
      return { ...gap, deadline: undefined };
    });
    return lost;
  }

  /** When `expire` has something to do next, in seconds; undefined while nothing is awaited. */
  nextDeadline(): number | undefined {
    const deadlines = this.#gaps.flatMap((gap) => gap.deadline ?? []);
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  #extendUp(serial: number, at: number): Delivery {
    const opensGap = serial > this.#highest + 1;
    if (opensGap) {
      this.#gaps.push({
        first: this.#highest + 1,
        last: serial - 1,
        deadline: at + LOST_AFTER_SECONDS,
      });
      if (this.#gaps.length > MAX_GAPS) this.#gaps.shift();
    }
    this.#highest = serial;
    return { isFirst: true, opensGap };
  }

  /** What lies before the first event we saw may have gone to an earlier life of ours: not awaited. */
  #extendDown(serial: number, lowest: number): Delivery {
    if (serial < lowest - 1) {
      this.#gaps.unshift({ first: serial + 1, last: lowest - 1, deadline: undefined });
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
    ].map((later) =>
      later.deadline === undefined ? later : { ...later, deadline: at + LOST_AFTER_SECONDS },
    );
    this.#gaps = [...this.#gaps.slice(0, index), ...before, ...behind];
    return { isFirst: true, opensGap: false };
  }
}
