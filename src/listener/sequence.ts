/**
 * Which events have been received, by their serials. Pure.
 *
 * supervisord delivers at least once and not always in order: an event that another listener
 * of the same priority rejects is put at the head of our queue as well, so it may be received
 * again, or ahead of older events that are still to come. A skipped serial is therefore pending.
 * It is lost once an event that was queued after it has been received and a while has passed.
 */

/** Seconds that a skipped serial stays pending at the least. */
export const LOST_AFTER_SECONDS = 1.5;

/** Gaps remembered at once. Beyond that the oldest is forgotten; an event that fills it is a redelivery. */
const MAX_GAPS = 1024;

/**
 * - `pending`: they may still be received
 * - `lost`: they are counted as lost, and may be received all the same
 * - `earlier`: they lie before the first event received, and may have gone to an earlier life
 */
type GapStatus = 'pending' | 'lost' | 'earlier';

/** Serials that have not been received, `first` to `last`. */
interface Gap {
  readonly first: number;
  readonly last: number;
  readonly status: GapStatus;
  /** When the queue last showed progress towards them, in seconds. */
  readonly since: number;
}

interface Observation {
  /** Whether this event was received for the first time. */
  readonly isFirst: boolean;
  /** Whether serials before this one were skipped just now. */
  readonly opensGap: boolean;
}

export interface Loss {
  readonly count: number;
  /** The highest serial among them. */
  readonly last: number;
}

const REDELIVERY: Observation = { isFirst: false, opensGap: false };

export class SequenceTracker {
  /** Ascending and disjoint. Every serial from #lowest to #highest that is in none was received. */
  #gaps: Gap[] = [];
  #lowest: number | undefined;
  #highest = -1;

  /**
   * This is the first life of the exporter, so every serial from 0 on is expected. May be learned
   * before the first event or after it. Returns whether that opens a gap.
   */
  expectFromZero(at: number): boolean {
    if (this.#lowest === undefined) {
      this.#lowest = 0;
      return false;
    }
    const before: Gap[] =
      this.#lowest === 0
        ? []
        : [{ first: 0, last: this.#lowest - 1, status: 'pending', since: at }];
    const gaps = this.#gaps.map(
      (gap): Gap => (gap.status === 'earlier' ? { ...gap, status: 'pending', since: at } : gap),
    );
    const opensGap = before.length > 0 || gaps.some((gap, index) => gap !== this.#gaps[index]);
    this.#remember([...before, ...gaps]);
    this.#lowest = 0;
    return opensGap;
  }

  /** Records the serial of an event that was received at `at`, in seconds. */
  observe(serial: number, at: number): Observation {
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
   * Declares serials lost as of `at`, each once, even if it is received after all. `passed`: a
   * serial that was queued after all before it, and has been received.
   */
  expire(at: number, passed: number): Loss {
    let count = 0;
    let highest = -1;
    this.#gaps = this.#gaps.flatMap((gap): Gap | Gap[] => {
      if (gap.status !== 'pending' || at < gap.since + LOST_AFTER_SECONDS) return gap;
      const last = Math.min(gap.last, passed - 1);
      if (last < gap.first) return gap;
      count += last - gap.first + 1;
      highest = last;
      const rest = last < gap.last ? [{ ...gap, first: last + 1 }] : [];
      return [{ ...gap, last, status: 'lost' }, ...rest];
    });
    return { count, last: highest };
  }

  /** Gaps that are remembered, pending or not. */
  get gapCount(): number {
    return this.#gaps.length;
  }

  /** Whether any skipped serial is still pending. */
  get hasPending(): boolean {
    return this.#gaps.some((gap) => gap.status === 'pending');
  }

  /** Whether a serial after this one is pending. */
  hasPendingAfter(serial: number): boolean {
    return this.#gaps.some((gap) => gap.status === 'pending' && gap.last > serial);
  }

  /** Whether a serial before this one is pending. */
  hasPendingBefore(serial: number): boolean {
    return this.#gaps.some((gap) => gap.status === 'pending' && gap.first < serial);
  }

  #extendUp(serial: number, at: number): Observation {
    const opensGap = serial > this.#highest + 1;
    if (opensGap) {
      const gap: Gap = { first: this.#highest + 1, last: serial - 1, status: 'pending', since: at };
      this.#remember([...this.#gaps, gap]);
    }
    this.#highest = serial;
    return { isFirst: true, opensGap };
  }

  #extendDown(serial: number, lowest: number): Observation {
    if (serial < lowest - 1) {
      this.#gaps.unshift({ first: serial + 1, last: lowest - 1, status: 'earlier', since: 0 });
    }
    this.#lowest = serial;
    return { isFirst: true, opensGap: false };
  }

  /**
   * A first delivery inside a gap shows that the queue has come to this serial: older ones have
   * had their turn, and later ones are still to come.
   */
  #fill(serial: number, at: number): Observation {
    const index = this.#gaps.findIndex((gap) => gap.first <= serial && serial <= gap.last);
    const gap = this.#gaps[index];
    if (gap === undefined) return REDELIVERY;
    const before = gap.first < serial ? [{ ...gap, last: serial - 1 }] : [];
    const after = [
      ...(serial < gap.last ? [{ ...gap, first: serial + 1 }] : []),
      ...this.#gaps.slice(index + 1),
    ].map((later): Gap => (later.status === 'pending' ? { ...later, since: at } : later));
    this.#remember([...this.#gaps.slice(0, index), ...before, ...after]);
    return { isFirst: true, opensGap: false };
  }

  #remember(gaps: Gap[]): void {
    this.#gaps = gaps.slice(-MAX_GAPS);
  }
}
