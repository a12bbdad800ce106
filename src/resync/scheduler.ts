/** When to fetch a snapshot: on request, one at a time, and with back-off while it fails. */

import { Backoff } from '../util/backoff.ts';

export const RESYNC_TRIGGERS = ['startup', 'tick', 'gap', 'group', 'unreported_exit'] as const;
export type ResyncTrigger = (typeof RESYNC_TRIGGERS)[number];

export const FIRST_RETRY_MS = 1_000;
export const LONGEST_RETRY_MS = 60_000;
/** supervisord ticks every 60 s; a little later this replaces a tick that was not received. */
export const TICK_TIMEOUT_MS = 65_000;

export interface SchedulerOptions {
  /** Fetches one snapshot. Resolves to whether it succeeded; never rejects. */
  readonly fetch: (trigger: ResyncTrigger) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/**
 * Requests made while a snapshot is being fetched, or while the next try is due, are combined:
 * the next snapshot serves them all, under the trigger of the first.
 */
export class ResyncScheduler {
  readonly #options: SchedulerOptions;
  readonly #backoff = new Backoff({ firstMs: FIRST_RETRY_MS, longestMs: LONGEST_RETRY_MS });
  #isFetching = false;
  #requested: ResyncTrigger | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tickTimeout: NodeJS.Timeout | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => {
      clearTimeout(this.#timer);
      clearTimeout(this.#tickTimeout);
    });
  }

  request(trigger: ResyncTrigger): void {
    if (this.#options.signal.aborted) return;
    if (trigger === 'startup' || trigger === 'tick') this.#expectTick();
    this.#requested ??= trigger;
    if (!this.#isFetching && this.#timer === undefined) this.#schedule(0);
  }

  /** Even without a delay this is a later turn of the event loop: an acknowledgement goes out first. */
  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, delayMs);
  }

  async #run(): Promise<void> {
    const trigger = this.#requested;
    if (trigger === undefined) return;
    this.#requested = undefined;
    this.#isFetching = true;
    const succeeded = await this.#options.fetch(trigger);
    this.#isFetching = false;
    if (this.#options.signal.aborted) return;
    if (succeeded) this.#backoff.succeed();
    else this.#requested = trigger;
    if (this.#requested !== undefined) this.#schedule(succeeded ? 0 : this.#backoff.fail());
  }

  #expectTick(): void {
    clearTimeout(this.#tickTimeout);
    this.#tickTimeout = setTimeout(() => this.request('tick'), TICK_TIMEOUT_MS);
  }
}
