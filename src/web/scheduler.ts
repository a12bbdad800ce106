/** Divides the parsing of requests, over all connections, into time slices: events are acknowledged in between. */

import { ByAddress } from '../util/by-address.ts';
import { TimeSlice } from '../util/time-slice.ts';

export interface Parseable {
  readonly remoteAddress: string | undefined;
  /** Parses at most one request. */
  parseNext(): void;
}

export class RequestScheduler {
  readonly #waiting = new ByAddress<Parseable>();
  readonly #slice = new TimeSlice();
  #isRunning = false;

  /** Lets a connection parse once it is its turn, which is at once where no other waits. */
  add(connection: Parseable): void {
    this.#waiting.add(connection, connection.remoteAddress);
    if (!this.#isRunning) void this.#run();
  }

  remove(connection: Parseable): void {
    this.#waiting.delete(connection);
  }

  /** The addresses of clients take turns; a connection that is added meanwhile comes after the others of its address. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (;;) {
      const connection = this.#waiting.takeNext();
      if (connection === undefined) break;
      connection.parseNext();
      await this.#slice.pause();
    }
    this.#isRunning = false;
  }
}
