/** Writes log lines to a stream without waiting for its reader, and bounds what waits for it. */

import type { Writable } from 'node:stream';

/** Unwritten lines, in bytes; a pipe itself holds 64 KiB. Further lines are dropped. */
export const MAX_WAITING_BYTES = 1024 * 1024;

export class LogOutput {
  readonly #open: () => Writable;
  readonly #onDropped: (lines: number) => void;
  #stream: Writable | undefined;
  /** Lines, until the stream has accepted what waits. */
  #dropped = 0;

  /** `open` is called for the first line. `onDropped`: lines were dropped, and the next one is written again. */
  constructor(open: () => Writable, onDropped: (lines: number) => void) {
    this.#open = open;
    this.#onDropped = onDropped;
  }

  write(line: string): void {
    this.#stream ??= this.#start();
    if (this.#dropped > 0 || this.#stream.writableLength >= MAX_WAITING_BYTES) this.#dropped += 1;
    else this.#stream.write(line);
  }

  #start(): Writable {
    const stream = this.#open();
    // A closed stream is only the end of the log.
    stream.on('error', () => {});
    stream.on('drain', () => {
      const lines = this.#dropped;
      this.#dropped = 0;
      if (lines > 0) this.#onDropped(lines);
    });
    return stream;
  }
}
