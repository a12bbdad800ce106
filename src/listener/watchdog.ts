/**
 * Notices that supervisord sends this listener no more events while it answers XML-RPC.
 *
 * One foreign byte on the listener's stdout moves it to UNKNOWN: supervisord sends it nothing
 * more, permanently, and still reports it as RUNNING. Only the missing events show it.
 */

/** Tick periods without any event after which events count as missing: two ticks were due. */
const MISSED_PERIODS = 2.5;

/** Until a tick was received: the shipped configuration subscribes to TICK_60. */
const EXPECTED_PERIOD_SECONDS = 60;

/** A marker is received within milliseconds, unless events are queued before it; they would be received. */
const MARKER_DUE_SECONDS = 30;

/** Events that supervisord had to send when it answered are received within this time, even after a long turn. */
const CONFIRMATION_MS = 5_000;

export interface WatchdogOptions {
  /** Whether supervisord answers XML-RPC. Never rejects. */
  readonly isAnswering: () => Promise<boolean>;
  /** It answers, and has sent no event for `seconds`. */
  readonly onStalled: (seconds: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Silence counts where an event is due: before the first one, since supervisord reports its own
 * start to a listener; between ticks, once one was received; and when a marker was sent. A
 * listener that subscribes to neither ticks nor markers is not watched.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  #periodSeconds = EXPECTED_PERIOD_SECONDS;
  #isTicking = false;
  #eventsReceived = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#disarm());
  }

  start(): void {
    this.#arm(this.#silenceLimit());
  }

  eventReceived(): void {
    this.#eventsReceived += 1;
    if (this.#isTicking) this.#arm(this.#silenceLimit());
    else this.#disarm();
  }

  /** A marker was sent, and earlier ones have been received. */
  markerDue(): void {
    if (this.#timer === undefined || this.#silenceLimit() > MARKER_DUE_SECONDS) {
      this.#arm(MARKER_DUE_SECONDS);
    }
  }

  /** The event received was a tick of this period. The shortest period counts. */
  tickReceived(periodSeconds: number): void {
    if (this.#isTicking && periodSeconds >= this.#periodSeconds) return;
    this.#isTicking = true;
    this.#periodSeconds = periodSeconds;
    this.#arm(this.#silenceLimit());
  }

  #silenceLimit(): number {
    return this.#periodSeconds * MISSED_PERIODS;
  }

  #arm(seconds: number): void {
    this.#disarm();
    this.#timer = setTimeout(() => void this.#check(seconds), seconds * 1000);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #check(silence: number): Promise<void> {
    const received = this.#eventsReceived;
    const isAnswering = await this.#options.isAnswering();
    if (this.#timer === undefined || this.#eventsReceived !== received) return;
    if (!isAnswering) return this.#arm(silence);
    this.#timer = setTimeout(() => this.#options.onStalled(silence), CONFIRMATION_MS);
  }
}
