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

import type { Snapshot } from '../rpc/snapshot.ts';
import type { ProcessTable } from './table.ts';

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
  #corrections = 0;
  #tokenHasCome = false;

  constructor(table: ProcessTable) {
    this.#table = table;
  }

  /** States that snapshots had to correct, all told. */
  get corrections(): number {
    return this.#corrections;
  }

  /** A snapshot is being asked for; its token is `token`. A request before it that had no reply is void. */
  begin(token: string): void {
    this.#request = { token, since: this.#table.latestSerial, serial: undefined };
  }

  /** The reply to the request begun last. */
  reply(snapshot: Snapshot): void {
    const request = this.#request;
    if (request === undefined) return;
    this.#request = undefined;
    if (request.serial !== undefined) {
      this.#place(snapshot, request.serial);
    } else {
      this.#unplaced = { token: request.token, snapshot };
      this.#table.takeAhead(snapshot, request.since);
    }
  }

  /** A token came as the event `serial`. It may be another exporter's, or that of a request gone by. */
  token(token: string, serial: number): void {
    if (token === this.#request?.token) {
      this.#tokenHasCome = true;
      this.#request = { ...this.#request, serial };
    } else if (token === this.#unplaced?.token) {
      this.#tokenHasCome = true;
      this.#place(this.#unplaced.snapshot, serial);
    }
  }

  /**
   * A tick of `when` (epoch seconds) came. True where it tells that tokens do not reach us:
   * it was made after the snapshot, and so after the token, and is here before it.
   */
  tick(when: number): boolean {
    if (this.#unplaced === undefined || when <= this.#unplaced.snapshot.now) return false;
    this.#unplaced = undefined;
    this.#table.settle();
    return !this.#tokenHasCome;
  }

  #place(snapshot: Snapshot, serial: number): void {
    this.#unplaced = undefined;
    this.#corrections += this.#table.takeAt(snapshot, serial);
  }
}
