/**
 * Server-sent events (HTML, section 9.2): sends the same messages to all subscribers and
 * bounds what a subscriber may cost.
 *
 * The next message is written to a subscriber only after the kernel has accepted the
 * previous one. A slow subscriber misses the messages in between and receives a snapshot
 * once it has caught up, so that no queue grows. The server disconnects a subscriber that
 * reads nothing (unsent.ts).
 */

import type { ServerResponse } from 'node:http';

/** Over all listening addresses. */
export const MAX_SUBSCRIBERS = 50;
/** Subscribers that are written to in one turn of the event loop. */
const BATCH = 10;

export interface SseHubOptions {
  /** The message with the complete state, as of the last message that was sent to all. */
  readonly snapshot: () => string;
  /** Called when the last subscriber has left. */
  readonly onEmpty: () => void;
}

interface Snapshot {
  readonly message: string;
  readonly frame: Buffer;
}

const NO_SNAPSHOT: Snapshot = { message: '', frame: Buffer.alloc(0) };

export class SseHub {
  readonly #options: SseHubOptions;
  readonly #subscribers = new Set<Subscriber>();
  /** Shared by those who receive the same snapshot: with thousands of processes it has over a megabyte. */
  #snapshot: Snapshot = NO_SNAPSHOT;

  constructor(options: SseHubOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#subscribers.size >= MAX_SUBSCRIBERS;
  }

  /** Adds a subscriber and sends it a snapshot. The head of the response must have been written. */
  subscribe(response: ServerResponse): void {
    const subscriber = new Subscriber(response, () => this.#snapshotFrame());
    this.#subscribers.add(subscriber);
    response.once('close', () => {
      subscriber.close();
      this.#subscribers.delete(subscriber);
      if (this.#subscribers.size > 0) return;
      this.#snapshot = NO_SNAPSHOT;
      this.#options.onEmpty();
    });
  }

  #snapshotFrame(): Buffer {
    const message = this.#options.snapshot();
    if (message !== this.#snapshot.message) this.#snapshot = { message, frame: encode(message) };
    return this.#snapshot.frame;
  }

  /** Sends a message to all present subscribers. */
  send(message: string): void {
    sendInBatches([...this.#subscribers], encode(message));
  }
}

/** One batch per turn of the event loop, so that an event never waits for all subscribers. */
function sendInBatches(subscribers: readonly Subscriber[], frame: Buffer): void {
  for (const subscriber of subscribers.slice(0, BATCH)) subscriber.send(frame);
  const rest = subscribers.slice(BATCH);
  if (rest.length > 0) setImmediate(() => sendInBatches(rest, frame));
}

class Subscriber {
  readonly #response: ServerResponse;
  readonly #snapshot: () => Buffer;
  #isWriting = false;
  #hasMissedMessage = false;
  #isClosed = false;

  constructor(response: ServerResponse, snapshot: () => Buffer) {
    this.#response = response;
    this.#snapshot = snapshot;
    this.#write(snapshot());
  }

  send(frame: Buffer): void {
    if (this.#isWriting) this.#hasMissedMessage = true;
    else this.#write(frame);
  }

  close(): void {
    this.#isClosed = true;
  }

  #write(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#isWriting = true;
    this.#response.write(frame, () => {
      this.#isWriting = false;
      if (!this.#hasMissedMessage || this.#isClosed) return;
      this.#hasMissedMessage = false;
      this.#write(this.#snapshot());
    });
  }
}

/** JSON holds no line break, so a message is one line of data. */
function encode(message: string): Buffer {
  return Buffer.from(`data: ${message}\n\n`);
}
