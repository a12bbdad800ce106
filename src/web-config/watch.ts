/** Follows the changes of a web configuration and of the files that it names. */

import type { WebConfigError } from './error.ts';
import { type Loaded, load, lookAt } from './load.ts';

const LOOK_PAUSE_MS = 500;

export class Watch {
  readonly #file: string;
  readonly #onOutcome: (outcome: Loaded | WebConfigError) => void;
  #files: readonly string[];
  /** How the files looked when they were last read, and when they were last looked at. */
  #read: string | undefined;
  #last: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `onOutcome` hears what comes of the files each time that they have changed and are at rest. */
  constructor(
    file: string,
    files: readonly string[],
    onOutcome: (outcome: Loaded | WebConfigError) => void,
  ) {
    this.#file = file;
    this.#files = files;
    this.#onOutcome = onOutcome;
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#look(), LOOK_PAUSE_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** What looks otherwise than at the last look is perhaps being written: certificate and key are two files. */
  async #look(): Promise<void> {
    const look = await lookAt(this.#files);
    if (look === this.#last && look !== this.#read) {
      this.#read = look;
      const { files, outcome } = await load(this.#file);
      this.#files = files;
      this.#onOutcome(outcome);
    }
    this.#last = look;
    this.start();
  }
}
