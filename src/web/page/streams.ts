/**
 * Server-sent events (HTML, section 9.2): the same messages to every reader.
 *
 * A reader is sent the next message only once the system has accepted the one before. A slow
 * reader misses messages and is sent the whole state when it is ready for it, so no queue
 * grows. The server cuts off a reader that accepts nothing (unsent.ts).
 */

import type { ServerResponse } from 'node:http';

/** Streams at once, over all addresses. */
export const MAX_STREAMS = 50;
/** Readers that are written to in one turn of the event loop. */
const BATCH = 10;

export interface StreamsOptions {
  /** The message that tells everything, as of the last one that was sent to all. */
  readonly whole: () => string;
  /** The last reader has gone. */
  readonly onEmpty: () => void;
}

export class Streams {
  readonly #options: StreamsOptions;
  readonly #readers = new Set<Reader>();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#readers.size >= MAX_STREAMS;
  }

  /** Adds a reader, whose head has been written, and begins with the whole. */
  add(response: ServerResponse): void {
    const reader = new Reader(response, this.#options);
    this.#readers.add(reader);
    response.once('close', () => {
      reader.stop();
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#options.onEmpty();
    });
  }

  /** Sends a message to all who are here now. */
  send(message: string): void {
    sendInBatches([...this.#readers], encode(message));
  }
}

/** A turn at a time, so that an event never waits for all of them. */
function sendInBatches(readers: readonly Reader[], frame: Buffer): void {
  for (const reader of readers.slice(0, BATCH)) reader.send(frame);
  const rest = readers.slice(BATCH);
  if (rest.length > 0) setImmediate(() => sendInBatches(rest, frame));
}

class Reader {
  readonly #response: ServerResponse;
  readonly #options: StreamsOptions;
  /** Whether a message is on its way. */
  #isSending = false;
  #hasMissedMessage = false;
  #isGone = false;

  constructor(response: ServerResponse, options: StreamsOptions) {
    this.#response = response;
    this.#options = options;
    this.#write(encode(options.whole()));
  }

  send(frame: Buffer): void {
    if (this.#isSending) this.#hasMissedMessage = true;
    else this.#write(frame);
  }

  stop(): void {
    this.#isGone = true;
  }

  #write(frame: Buffer): void {
    if (this.#isGone) return;
    this.#isSending = true;
    this.#response.write(frame, () => {
      this.#isSending = false;
      if (!this.#hasMissedMessage || this.#isGone) return;
      this.#hasMissedMessage = false;
      this.#write(encode(this.#options.whole()));
    });
  }
}

/** JSON has no line break, so a message is one line of data. */
function encode(message: string): Buffer {
  return Buffer.from(`data: ${message}\n\n`);
}
