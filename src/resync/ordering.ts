/**
 * Finds the place of a snapshot in the order of events.
 *
 * A snapshot is asked for in one atomic call that first sends a token as an event of its
 * own. Every event before the token is in the snapshot already, none behind it is. Token
 * and reply travel by different ways and may come in either order:
 *
 *     begin ---- token ---- reply            the snapshot is taken at the token's serial
 *     begin ---- reply ---- token            it is taken ahead at once, and placed when the token comes
 *     begin ---- reply ---- later tick       the token will not come: not subscribed, or lost
 */

import type { ProcessTable } from '../processes/table.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';

/** A request that was made and not answered yet, with the token's serial if that is here already. */
interface Request {
  readonly token: string;
  /** The latest event when it was made; the snapshot is behind that in any case. */
  readonly since: number;
  readonly serial: number | undefined;
}

/** A snapshot that was taken ahead and whose token has not come. */
interface Unplaced {
  readonly token: string;
  readonly snapshot: Snapshot;
}

export class Reconciler {
  readonly #table: ProcessTable;
  #request: Request | undefined;
  #unplaced: Unplaced | undefined;
  #tokenHasCome = false;
  #isDeaf = false;

  constructor(table: ProcessTable) {
    this.#table = table;
  }

  /** Whether a token is under way: behind it comes nothing that its snapshot does not know. */
  get isAwaitingToken(): boolean {
    if (this.#unplaced !== undefined) return true;
    return this.#request !== undefined && this.#request.serial === undefined;
  }

  /** Whether a token is under way of which the like have come before. */
  get isSureOfToken(): boolean {
    return this.isAwaitingToken && this.#tokenHasCome;
  }

  /** Whether tokens are known not to reach us. */
  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  /** A snapshot is being asked for; its token is `token`. */
  begin(token: string): void {
    this.#request = { token, since: this.#table.latestSerial, serial: undefined };
  }

  /** The request begun last has failed. Its token may come all the same, for nothing. */
  fail(): void {
    this.#request = undefined;
  }

  /** The reply to the request begun last. Returns how many states it corrected. */
  reply(snapshot: Snapshot): number {
    const request = this.#request;
    if (request === undefined) return 0;
    this.#request = undefined;
    if (request.serial !== undefined) return this.#place(snapshot, request.serial);
    this.#unplaced = { token: request.token, snapshot };
    this.#table.takeAhead(snapshot, request.since);
    return 0;
  }

  /**
   * A token came as the event `serial`. It may be another exporter's, or that of a request
   * gone by. Returns how many states its snapshot corrected.
   */
  token(token: string, serial: number): number {
    if (token === this.#request?.token) {
      this.#tokenHasCome = true;
      this.#request = { ...this.#request, serial };
    } else if (token === this.#unplaced?.token) {
      this.#tokenHasCome = true;
      return this.#place(this.#unplaced.snapshot, serial);
    }
    return 0;
  }

  /**
   * A tick of `when` (epoch seconds) came. One that was made after a snapshot, and so after
   * its token, and is here before it, tells that tokens do not reach us.
   */
  tick(when: number): void {
    if (this.#unplaced === undefined || when <= this.#unplaced.snapshot.now) return;
    this.#unplaced = undefined;
    this.#table.settle();
    this.#isDeaf = !this.#tokenHasCome;
  }

  #place(snapshot: Snapshot, serial: number): number {
    this.#unplaced = undefined;
    return this.#table.takeAt(snapshot, serial);
  }
}
