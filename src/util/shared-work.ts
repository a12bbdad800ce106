/** Work that runs at most once at a time: those who ask while it runs share the next run. */

import { Mutex } from './mutex.ts';

export class SharedWork<Result> {
  readonly #mutex = new Mutex();
  readonly #work: () => Promise<Result>;
  #next: Promise<Result> | undefined;

  constructor(work: () => Promise<Result>) {
    this.#work = work;
  }

  /** Resolves to the result of a run that begins after the call. */
  next(): Promise<Result> {
    this.#next ??= this.#mutex.run(() => {
      this.#next = undefined;
      return this.#work();
    });
    return this.#next;
  }
}
