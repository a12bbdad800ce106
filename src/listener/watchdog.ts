/**
 * Notices that supervisord does not talk to us any more while it talks to others.
 *
 * One foreign byte on our stdout puts a listener into a state from which supervisord sends
 * it nothing, for ever, while it still calls it RUNNING. Only the silence tells.
 */

/** Periods without any event that are too many: two ticks were due, and not even one came. */
const PATIENCE_PERIODS = 2.5;

/** Until a tick has come: the shipped configuration subscribes to TICK_60. */
const EXPECTED_PERIOD_SECONDS = 60;

/** A token comes back within milliseconds, unless events are queued before it; they would be heard. */
const TOKEN_DUE_SECONDS = 30;

/** What supervisord had to send when it answered is here after this time, even from a long turn. */
const GRACE_MS = 5_000;

export interface WatchdogOptions {
  /** Whether supervisord's loop turns. Never rejects. */
  readonly isAnswering: () => Promise<boolean>;
  /** It does, and has sent us nothing for `seconds`. */
  readonly onDeaf: (seconds: number) => void;
}

/**
 * Silence is a sign where something is due: before the first event, since supervisord tells
 * a listener of its own start; between ticks, once one has come; and when a token was sent.
 * A listener that has neither ticks nor tokens among its events is not watched.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  #periodSeconds = EXPECTED_PERIOD_SECONDS;
  #isTicking = false;
  #eventsHeard = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#arm(this.#tickPatience());
  }

  /** Any event came. */
  hear(): void {
    this.#eventsHeard += 1;
    if (this.#isTicking) this.#arm(this.#tickPatience());
    else this.stop();
  }

  /** A token is on its way, of which the like have come before. */
  expectToken(): void {
    if (this.#timer === undefined || this.#tickPatience() > TOKEN_DUE_SECONDS) {
      this.#arm(TOKEN_DUE_SECONDS);
    }
  }

  /** An event came, and it was a tick of this period. The shortest one counts. */
  hearTick(periodSeconds: number): void {
    if (this.#isTicking && periodSeconds >= this.#periodSeconds) return;
    this.#isTicking = true;
    this.#periodSeconds = periodSeconds;
    this.#arm(this.#tickPatience());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tickPatience(): number {
    return this.#periodSeconds * PATIENCE_PERIODS;
  }

  #arm(seconds: number): void {
    this.stop();
    this.#timer = setTimeout(() => void this.#suspect(seconds), seconds * 1000);
  }

  async #suspect(silence: number): Promise<void> {
    const heard = this.#eventsHeard;
    const isAnswering = await this.#options.isAnswering();
    if (this.#timer === undefined || this.#eventsHeard !== heard) return;
    if (!isAnswering) return this.#arm(silence);
    this.#timer = setTimeout(() => this.#options.onDeaf(silence), GRACE_MS);
  }
}
