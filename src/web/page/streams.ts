/**
 * Server-sent events (HTML, section 9.2): the same messages to everybody who looks, and
 * bounds on what somebody who looks may cost.
 *
 * A reader is sent the next message only once the system has taken the one before. Who is
 * slow misses what is in between and is sent the whole when they are ready for it, so no
 * queue grows; who takes nothing for a while is cut off.
 */

import type { ServerResponse } from 'node:http';

/** Streams at once, over all addresses. */
export const MAX_STREAMS = 50;
/** Readers that are written to in one turn of the event loop. */
const BATCH = 10;

export interface StreamsOptions {
  /** The message that tells everything, as of the last one that was sent to all. */
  readonly whole: () => string;
  /** How long a reader may take for a message. */
  readonly stallTimeoutMs: number;
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
  /** Runs while a message is on its way. */
  #stall: NodeJS.Timeout | undefined;
  /** Whether it has missed a message. */
  #isBehind = false;
  #isGone = false;

  constructor(response: ServerResponse, options: StreamsOptions) {
    this.#response = response;
    this.#options = options;
    this.#write(encode(options.whole()));
  }

  send(frame: Buffer): void {
    if (this.#stall !== undefined) this.#isBehind = true;
    else this.#write(frame);
  }

  stop(): void {
    this.#isGone = true;
    clearTimeout(this.#stall);
  }

  #write(frame: Buffer): void {
    if (this.#isGone) return;
    this.#stall = setTimeout(() => this.#response.destroy(), this.#options.stallTimeoutMs);
    this.#response.write(frame, () => {
      clearTimeout(this.#stall);
      this.#stall = undefined;
      if (!this.#isBehind || this.#isGone) return;
      this.#isBehind = false;
      this.#write(encode(this.#options.whole()));
    });
  }
}

/** JSON has no line break, so a message is one line of data. */
function encode(message: string): Buffer {
  return Buffer.from(`data: ${message}\n\n`);
}
