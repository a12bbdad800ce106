/** Limits the cost of clients that do not read their answers. */

import type { Duplex } from 'node:stream';

export interface UnsentLimits {
  /** How long the system may take to accept what is written to a connection. */
  readonly sendTimeoutMs: number;
  /** Connections with unsent data at once. With one more, the one that has waited the longest is cut off. */
  readonly maxUnsent: number;
}

export class UnsentAnswers {
  readonly #limits: UnsentLimits;
  /** The deadline of each connection; the one that has waited the longest comes first. */
  readonly #deadlines = new Map<Duplex, NodeJS.Timeout>();

  constructor(limits: UnsentLimits) {
    this.#limits = limits;
  }

  /** Data is on its way to the client of this connection. */
  add(connection: Duplex): void {
    const { sendTimeoutMs, maxUnsent } = this.#limits;
    this.remove(connection);
    this.#deadlines.set(
      connection,
      setTimeout(() => this.#cutOff(connection), sendTimeoutMs),
    );
    const [oldest] = this.#deadlines.keys();
    if (this.#deadlines.size > maxUnsent && oldest !== undefined) this.#cutOff(oldest);
  }

  /** The data has been sent, or the connection has ended. */
  remove(connection: Duplex): void {
    clearTimeout(this.#deadlines.get(connection));
    this.#deadlines.delete(connection);
  }

  #cutOff(connection: Duplex): void {
    this.remove(connection);
    connection.destroy();
  }
}
