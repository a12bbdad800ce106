/** Watches skipped serials until they are received or lost. The sequence is pure; this is its clock. */

import { type Loss, SequenceTracker } from './sequence.ts';

/** How often pending gaps are checked. */
const CHECK_INTERVAL_MS = 250;

export interface LossDetectorOptions {
  /** Serials are missing and no marker that was sent after them has been received: a resync sends one. */
  readonly onUnprovenGap: (at: number) => void;
  readonly onLost: (loss: Loss) => void;
  /** Whether markers are received at all; where they are not, time alone decides what is lost. */
  readonly hasMarkers: () => boolean;
  readonly signal: AbortSignal;
}

export class LossDetector {
  readonly #options: LossDetectorOptions;
  readonly #sequence = new SequenceTracker();
  /** The serial of the last marker received. */
  #passed = -1;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LossDetectorOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#stopChecking());
  }

  /** This is the first life of the exporter: every serial from 0 on is expected. */
  expectFromZero(at: number): void {
    if (this.#sequence.expectFromZero(at)) this.#startChecking(at);
  }

  /** Records a serial that was received at `at` (epoch seconds). Whether it is the first time. */
  observe(serial: number, at: number): boolean {
    const { isFirst, opensGap } = this.#sequence.observe(serial, at);
    if (opensGap) this.#startChecking(at);
    return isFirst;
  }

  /** A marker was received. It is never put ahead of others: what was queued before it has had its turn. */
  markerReceived(serial: number): void {
    this.#passed = Math.max(this.#passed, serial);
  }

  /** Whether the event may have been received before others that supervisord queued earlier. */
  mayHaveOvertaken(serial: number, at: number): boolean {
    return this.#sequence.mayHaveOvertaken(serial, at);
  }

  /** Whether skipped serials may still be received. */
  get hasPending(): boolean {
    return this.#sequence.hasPending;
  }

  /** Gaps that are remembered, pending or lost. */
  get gapCount(): number {
    return this.#sequence.gapCount;
  }

  #startChecking(at: number): void {
    this.#options.onUnprovenGap(at);
    this.#timer ??= setInterval(() => this.#check(Date.now() / 1000), CHECK_INTERVAL_MS);
  }

  /** A marker can be discarded as any other event: a gap that none has proven asks for another one. */
  #check(at: number): void {
    const { hasMarkers, onLost, onUnprovenGap } = this.#options;
    const passed = hasMarkers() ? this.#passed : Number.POSITIVE_INFINITY;
    const loss = this.#sequence.expire(at, passed);
    if (loss.count > 0) onLost(loss);
    if (this.#sequence.hasPendingAfter(passed)) onUnprovenGap(at);
    if (!this.#sequence.hasPending) this.#stopChecking();
  }

  #stopChecking(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
