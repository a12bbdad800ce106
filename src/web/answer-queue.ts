/**
 * Answers whose cost grows with the number of processes: one at a time, and events in between. The
 * addresses of clients take turns.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { ByAddress } from '../util/by-address.ts';
import { yieldToEventLoop } from '../util/time-slice.ts';

export class AnswerQueue {
  readonly #waiting = new ByAddress<() => Promise<void>>();
  #isRunning = false;

  /** Runs `answer` when it is its turn, unless the client has left by then. */
  run(
    request: IncomingMessage,
    response: ServerResponse,
    answer: () => Promise<void>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const work = async () => {
        if (!response.destroyed) await answer();
      };
      this.#waiting.add(() => work().then(resolve, reject), request.socket.remoteAddress);
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (;;) {
      const next = this.#waiting.takeNext();
      if (next === undefined) break;
      await next();
      await yieldToEventLoop();
    }
    this.#isRunning = false;
  }
}
