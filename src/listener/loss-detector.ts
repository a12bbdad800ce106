/** Watches skipped serials until they are received or lost. The sequence is pure; this is its clock. */

import { type Loss, SequenceTracker } from './sequence.ts';

const CHECK_INTERVAL_SECONDS = 0.25;

/**
 * Seconds without an event, other than a tick, after which supervisord has none left to send: it
 * sends one in each turn of its loop, and a turn takes a second at most.
 */
const QUIET_SECONDS = 15;

export interface LossDetectorOptions {
  /** Serials are missing and no marker that was sent after them has been received: a resync sends one. */
  readonly onUnprovenGap: () => void;
  readonly onLost: (loss: Loss) => void;
  /** Whether markers are received at all; where they are not, time alone decides what is lost. */
  readonly hasMarkers: () => boolean;
  /** Whether supervisord is known to be stopped or blocked, so that it sends nothing although it has events. */
  readonly isStalled: () => boolean;
  readonly signal: AbortSignal;
}

export class LossDetector {
  readonly #options: LossDetectorOptions;
  readonly #sequence = new SequenceTracker();
  /** The serial of the last marker received. */
  #passed = -1;
  /**
   * In seconds. Advances with each check: events that wait while the exporter is stopped or busy,
   * or while the clock is set, are not late.
   */
  #now = 0;
  /** When the last event other than a tick was received, or supervisord was stalled. */
  #activeAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LossDetectorOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#stopChecking());
  }

  /** This is the first life of the exporter: every serial from 0 on is expected. */
  expectFromZero(): void {
    if (this.#sequence.expectFromZero(this.#now)) this.#startChecking();
  }

  /** Records a serial that was received. Whether it is the first time. */
  observe(serial: number, isTick: boolean): boolean {
    // Another listener may move ticks, of 5 seconds for example, ahead of all others.
    if (!isTick) this.#activeAt = this.#now;
    const { isFirst, opensGap } = this.#sequence.observe(serial, this.#now);
    if (opensGap) this.#startChecking();
    return isFirst;
  }

  /** A marker was received. It is never put ahead of others: what was queued before it has had its turn. */
  markerReceived(serial: number): void {
    this.#passed = Math.max(this.#passed, serial);
  }

  /** Whether the event may have been received before others that supervisord queued earlier. */
  mayHaveOvertaken(serial: number): boolean {
    return this.#sequence.hasPendingBefore(serial);
  }

  /** Whether skipped serials may still be received. */
  get hasPending(): boolean {
    return this.#sequence.hasPending;
  }

  /** Gaps that are remembered, pending or lost. */
  get gapCount(): number {
    return this.#sequence.gapCount;
  }

  #startChecking(): void {
    this.#options.onUnprovenGap();
    this.#timer ??= setInterval(() => this.#check(), 1000 * CHECK_INTERVAL_SECONDS);
  }

  /** A marker can be discarded as any other event: a gap that none has proven asks for another one. */
  #check(): void {
    const { hasMarkers, isStalled, onLost, onUnprovenGap } = this.#options;
    this.#now += CHECK_INTERVAL_SECONDS;
    if (isStalled()) this.#activeAt = this.#now;
    const isQuiet = this.#now >= this.#activeAt + QUIET_SECONDS;
    const passed = hasMarkers() && !isQuiet ? this.#passed : Number.POSITIVE_INFINITY;
    const loss = this.#sequence.expire(this.#now, passed);
    if (loss.count > 0) onLost(loss);
    if (this.#sequence.hasPendingAfter(passed)) onUnprovenGap();
    if (!this.#sequence.hasPending) this.#stopChecking();
  }

  #stopChecking(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
