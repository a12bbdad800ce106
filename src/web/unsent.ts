/** Limits the cost of clients that do not read their answers. */

import type { Duplex } from 'node:stream';
import { ByAddress } from '../util/by-address.ts';

type Unsent = Duplex & { readonly remoteAddress: string | undefined };

export interface UnsentLimits {
  /** How long the system may take to accept what is written to a connection. */
  readonly sendTimeoutMs: number;
  /**
   * Connections with unsent data at once. One more cuts off the longest-waiting connection of the
   * client address with the most.
   */
  readonly maxUnsent: number;
}

export class UnsentAnswers {
  readonly #limits: UnsentLimits;
  readonly #deadlines = new Map<Unsent, NodeJS.Timeout>();
  readonly #connections = new ByAddress<Unsent>();

  constructor(limits: UnsentLimits) {
    this.#limits = limits;
  }

  /** Data is on its way to the client of this connection. */
  add(connection: Unsent): void {
    const { sendTimeoutMs, maxUnsent } = this.#limits;
    this.remove(connection);
    this.#deadlines.set(
      connection,
      setTimeout(() => this.#cutOff(connection), sendTimeoutMs),
    );
    this.#connections.add(connection, connection.remoteAddress);
    const surplus =
      this.#connections.size > maxUnsent && this.#connections.takeFromLargest('oldest');
    if (surplus) this.#cutOff(surplus);
  }

  /** The data has been sent, or the connection has ended. */
  remove(connection: Unsent): void {
    clearTimeout(this.#deadlines.get(connection));
    this.#deadlines.delete(connection);
    this.#connections.delete(connection);
  }

  #cutOff(connection: Unsent): void {
    this.remove(connection);
    connection.destroy();
  }
}
