/** Divides the parsing of requests, over all connections, into time slices: events are acknowledged in between. */

import { TimeSlice } from '../util/time-slice.ts';

export interface Parseable {
  /** Parses at most one request. */
  parseNext(): void;
}

export class RequestScheduler {
  readonly #waiting = new Set<Parseable>();
  readonly #slice = new TimeSlice();
  #isRunning = false;

  /** Lets a connection parse once it is its turn, which is at once where no other waits. */
  add(connection: Parseable): void {
    this.#waiting.add(connection);
    if (!this.#isRunning) void this.#run();
  }

  remove(connection: Parseable): void {
    this.#waiting.delete(connection);
  }

  /** A connection that is added meanwhile comes last, so each gets its turn. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection);
      connection.parseNext();
      await this.#slice.pause();
    }
    this.#isRunning = false;
  }
}
