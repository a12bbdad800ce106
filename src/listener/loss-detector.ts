/** Watches skipped serials until they come or are lost. The account is pure; this is its clock. */

import { Serials } from './sequence.ts';

/** How often gaps are looked at again, as long as there are any. */
const LOOK_AGAIN_MS = 250;

export interface LossHandlers {
  /** Serials have been skipped; they may still come. */
  readonly onGap: (at: number) => void;
  /** So many events will not come any more. */
  readonly onLost: (count: number) => void;
  /** Whether `pass` is told of anything; where it is not, time alone decides what is lost. */
  readonly isProvable: () => boolean;
}

export class Losses {
  readonly #handlers: LossHandlers;
  readonly #serials = new Serials();
  #passed = -1;
  #timer: NodeJS.Timeout | undefined;

  constructor(handlers: LossHandlers) {
    this.#handlers = handlers;
  }

  /** No earlier life of ours had events of this pool: what is missing from the very first on is lost. */
  expectFromZero(): void {
    this.#serials.expectFromZero();
  }

  /** Enters a serial that came at `at` (epoch seconds). Whether it came for the first time. */
  note(serial: number, at: number): boolean {
    const delivery = this.#serials.note(serial, at);
    if (delivery.opensGap) {
      this.#handlers.onGap(at);
      this.#watch();
    }
    return delivery.isFirst;
  }

  /** An event has come that is never put ahead of others: whatever was queued before it has had its turn. */
  pass(serial: number): void {
    this.#passed = Math.max(this.#passed, serial);
  }

  /** Gaps that are remembered, awaited or lost. */
  get gapCount(): number {
    return this.#serials.gapCount;
  }

  /** Whether serials behind this one have been skipped and may still come. */
  isAwaitingBehind(serial: number): boolean {
    return this.#serials.isAwaitingBehind(serial);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #watch(): void {
    this.#timer ??= setInterval(() => {
      const passed = this.#handlers.isProvable() ? this.#passed : Number.POSITIVE_INFINITY;
      const lost = this.#serials.expire(Date.now() / 1000, passed);
      if (lost > 0) this.#handlers.onLost(lost);
      if (!this.#serials.isAwaiting) this.stop();
    }, LOOK_AGAIN_MS);
  }
}
