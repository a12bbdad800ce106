/** Loads a web configuration again after it or one of the files that it names has changed. */

import type { WebConfigError } from '../util/errors.ts';
import { fileSignature, type LoadedConfig, type LoadResult, load } from './load.ts';

const CHECK_INTERVAL_MS = 500;

export interface ReloaderOptions {
  readonly file: string;
  /** The files that the configuration in use was read from. */
  readonly files: readonly string[];
  readonly onOutcome: (outcome: LoadedConfig | WebConfigError) => void;
  readonly signal: AbortSignal;
}

export class ConfigReloader {
  readonly #options: ReloaderOptions;
  #files: readonly string[];
  /** Of the files when they were last loaded, and at the last check. */
  #loadedSignature: string | undefined;
  #lastSignature: string | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#files = options.files;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#options.signal.aborted) return;
    setTimeout(() => void this.#check(), CHECK_INTERVAL_MS).unref();
  }

  /**
   * Loads files that have changed once they are equal at two checks: while they still change they may
   * be half written, and certificate and key are two files.
   */
  async #check(): Promise<void> {
    const signature = await fileSignature(this.#files);
    if (signature === this.#lastSignature && signature !== this.#loadedSignature) {
      this.#loadedSignature = signature;
      const { files, outcome }: LoadResult = await load(this.#options.file);
      this.#files = files;
      if (!this.#options.signal.aborted) this.#options.onOutcome(outcome);
    }
    this.#lastSignature = signature;
    this.#schedule();
  }
}
