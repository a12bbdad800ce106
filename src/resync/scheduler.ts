/** When to take a snapshot: on request, one at a time, and with back-off while it fails. */

export const RESYNC_TRIGGERS = ['startup', 'tick', 'gap', 'group'] as const;
export type ResyncTrigger = (typeof RESYNC_TRIGGERS)[number];

export const FIRST_RETRY_MS = 1_000;
export const LONGEST_RETRY_MS = 60_000;
/** supervisord ticks each 60 s; where none has come for a little longer, this stands in for it. */
export const STAND_IN_TICK_MS = 65_000;

/** Takes one snapshot, whatever came of it: true if it succeeded. Never rejects. */
export type TakeSnapshot = (trigger: ResyncTrigger) => Promise<boolean>;

/**
 * Requests that come while a snapshot is under way, or while the next try is being waited
 * for, are one: the snapshot that follows serves them all, under the trigger of the first.
 */
export class Resync {
  readonly #take: TakeSnapshot;
  #isTaking = false;
  #requested: ResyncTrigger | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #standInTick: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(take: TakeSnapshot) {
    this.#take = take;
  }

  request(trigger: ResyncTrigger): void {
    if (this.#isStopped) return;
    if (trigger === 'startup' || trigger === 'tick') this.#expectTick();
    this.#requested ??= trigger;
    if (!this.#isTaking && this.#timer === undefined) this.#schedule(0);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#standInTick);
  }

  /** Even at once is a later turn of the event loop: an acknowledgement goes out first. */
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
    this.#isTaking = true;
    const succeeded = await this.#take(trigger);
    this.#isTaking = false;
    if (this.#isStopped) return;

    this.#failures = succeeded ? 0 : this.#failures + 1;
    if (!succeeded) this.#requested = trigger;
    if (this.#requested !== undefined) this.#schedule(this.#retryDelay());
  }

  #retryDelay(): number {
    if (this.#failures === 0) return 0;
    return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1));
  }

  #expectTick(): void {
    clearTimeout(this.#standInTick);
    this.#standInTick = setTimeout(() => this.request('tick'), STAND_IN_TICK_MS);
  }
}
