/** Compares passwords with hashes on a thread of its own, one at a time. */

import { Worker } from 'node:worker_threads';
import type { Question } from './worker.ts';

/** worker.ts, bundled; `npm run build` writes it in. */
declare const PASSWORD_WORKER: string | undefined;
const SOURCE = typeof PASSWORD_WORKER === 'string' ? PASSWORD_WORKER : undefined;

/** A thread that dies at once is not started again sooner than this. */
const RESTART_PAUSE_MS = 1_000;
/** bcrypt takes 4 kB; what is needed is room for the code. */
const MEMORY_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

interface Asked {
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (error: Error) => void;
}

export class Comparer {
  readonly #source: string;
  readonly #onDeath: (reason: string) => void;
  #worker: Worker | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #asked: Asked | undefined;

  /** `onDeath` hears why the thread has died; it is started again when it is needed. */
  constructor(onDeath: (reason: string) => void, source = SOURCE) {
    if (source === undefined) throw new Error('the password thread is not built in');
    this.#source = source;
    this.#onDeath = onDeath;
  }

  /** To be called when the last comparison is over. Rejects if the thread dies. */
  compare(question: Question): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      this.#worker ??= this.#start();
      this.#worker?.postMessage(question);
    });
  }

  stop(): void {
    void this.#worker?.terminate();
  }

  #start(): Worker | undefined {
    const now = performance.now();
    if (now - this.#startedAt < RESTART_PAUSE_MS) {
      this.#asked?.reject(new Error('the password thread has just died'));
      return undefined;
    }
    this.#startedAt = now;
    const worker = new Worker(this.#source, {
      eval: true,
      resourceLimits: MEMORY_LIMITS,
      // Neither flags nor NODE_OPTIONS of the program: what they load could write to file descriptor 1.
      execArgv: [],
      env: {},
      stdout: true,
    });
    worker.unref();
    worker.stdout.resume();
    let reason = 'it has ended';
    worker.on('message', (isRight: unknown) => this.#asked?.resolve(isRight === true));
    worker.on('error', (error) => {
      reason = error.message;
    });
    worker.on('exit', () => {
      this.#worker = undefined;
      this.#asked?.reject(new Error(reason));
      this.#onDeath(reason);
    });
    return worker;
  }
}
