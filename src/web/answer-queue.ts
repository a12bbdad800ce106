/** Answers whose cost grows with the number of processes: one at a time, and events in between. */

import type { ServerResponse } from 'node:http';
import { Mutex } from '../util/mutex.ts';
import { yieldToEventLoop } from '../util/time-slice.ts';

export class AnswerQueue {
  readonly #mutex = new Mutex();

  /** Runs `answer` once those before it have run, unless the client has left by then. */
  run(response: ServerResponse, answer: () => Promise<void>): Promise<void> {
    return this.#mutex.run(async () => {
      if (response.destroyed) return;
      await answer();
      await yieldToEventLoop();
    });
  }
}
