/** Compares passwords with bcrypt hashes on a thread, one at a time. */

import { Worker } from 'node:worker_threads';
import type { Comparison } from './worker.ts';

/** The bundled worker.ts, inserted by `npm run build`. */
declare const PASSWORD_WORKER: string | undefined;
const SOURCE = typeof PASSWORD_WORKER === 'string' ? PASSWORD_WORKER : undefined;

/** The least time between two starts, for a thread that exits at once. */
const RESTART_PAUSE_MS = 1_000;
/** bcrypt itself needs 4 kB; the rest is for the code. */
const MEMORY_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

interface Pending {
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (error: Error) => void;
}

export interface BcryptWorkerOptions {
  /** Called with the reason when the thread has exited; the next comparison starts it again. */
  readonly onExit: (reason: string) => void;
  readonly signal: AbortSignal;
  /** The code of the thread; the bundled one if left out. */
  readonly source?: string;
}

export class BcryptWorker {
  readonly #source: string;
  readonly #onExit: (reason: string) => void;
  #worker: Worker | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #pending: Pending | undefined;

  constructor({ onExit, signal, source = SOURCE }: BcryptWorkerOptions) {
    if (source === undefined) throw new Error('the bcrypt thread is not built in');
    this.#source = source;
    this.#onExit = onExit;
    signal.addEventListener('abort', () => void this.#worker?.terminate(), { once: true });
  }

  /** Must not be called before the previous comparison has settled. Rejects if the thread exits. */
  compare(comparison: Comparison): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#worker ??= this.#start();
      this.#worker?.postMessage(comparison);
    });
  }

  #start(): Worker | undefined {
    const now = performance.now();
    if (now - this.#startedAt < RESTART_PAUSE_MS) {
      this.#pending?.reject(new Error('the bcrypt thread has just exited'));
      return undefined;
    }
    this.#startedAt = now;
    const worker = new Worker(this.#source, {
      eval: true,
      resourceLimits: MEMORY_LIMITS,
      // Without the flags and NODE_OPTIONS of the program: modules that they load could write to stdout.
      execArgv: [],
      env: {},
      stdout: true,
    });
    worker.unref();
    worker.stdout.resume();
    let reason = 'it has exited';
    worker.on('message', (isRight: unknown) => this.#pending?.resolve(isRight === true));
    worker.on('error', (error) => {
      reason = error.message;
    });
    worker.on('exit', () => {
      this.#worker = undefined;
      this.#pending?.reject(new Error(reason));
      this.#onExit(reason);
    });
    return worker;
  }
}
