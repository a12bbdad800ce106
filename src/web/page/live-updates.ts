/**
 * Sends changes of the page to its subscribers. Without a subscriber nothing is built,
 * compared or sent.
 */

import type { ServerResponse } from 'node:http';
import { BUILD } from './assets.ts';
import { SseHub } from './sse-hub.ts';
import { changeBetween, type Message, type View } from './view.ts';

export interface LiveUpdatesOptions {
  readonly buildView: () => View;
  /** Reads again what no event announces, such as resource usage. Never rejects. */
  readonly refresh: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** The shortest time between two messages; changes in between are sent together. */
const MIN_INTERVAL_MS = 100;
/** A message is sent at least this often, so that a client can detect a dead connection. */
const HEARTBEAT_MS = 5_000;
/** A CPU rate needs two samples: the first subscriber sees one after this time. */
const FIRST_HEARTBEAT_MS = 1_200;

export class LiveUpdates {
  readonly #options: LiveUpdatesOptions;
  readonly #hub = new SseHub({
    snapshot: () => this.#snapshot(),
    onEmpty: () => this.#pause(),
  });
  /** The view as of the last message; undefined while there is no subscriber. */
  #sentView: View | undefined;
  #snapshotText: string | undefined;
  #sentAt = 0;
  /** Set while a change waits to be sent. */
  #timer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: LiveUpdatesOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#pause());
  }

  /** Schedules a message; the caller must first acknowledge its event, so nothing is done here. */
  schedule(): void {
    if (this.#sentView === undefined || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#sentAt + MIN_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => this.#send(), wait);
  }

  get isFull(): boolean {
    return this.#hub.isFull;
  }

  /** Adds a subscriber. The head of the response must have been written. */
  subscribe(response: ServerResponse): void {
    if (this.#options.signal.aborted) return void response.end();
    this.#hub.subscribe(response);
    if (this.#heartbeat === undefined) this.#startHeartbeat(FIRST_HEARTBEAT_MS);
  }

  #pause(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#heartbeat);
    this.#timer = undefined;
    this.#heartbeat = undefined;
    this.#sentView = undefined;
    this.#snapshotText = undefined;
  }

  #startHeartbeat(ms: number): void {
    const heartbeat = setTimeout(async () => {
      await this.#options.refresh();
      // During the refresh all subscribers may have left and others come.
      if (this.#heartbeat !== heartbeat) return;
      this.#send();
      this.#startHeartbeat(HEARTBEAT_MS);
    }, ms);
    this.#heartbeat = heartbeat;
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sentView === undefined) return;
    const view = this.#options.buildView();
    const message: Message = { kind: 'change', ...changeBetween(this.#sentView, view) };
    this.#sentView = view;
    this.#snapshotText = undefined;
    this.#sentAt = performance.now();
    this.#hub.send(JSON.stringify(message));
  }

  /** Serialized once for all subscribers that join between two changes. */
  #snapshot(): string {
    this.#sentView ??= this.#options.buildView();
    const message: Message = { kind: 'snapshot', build: BUILD, view: this.#sentView };
    this.#snapshotText ??= JSON.stringify(message);
    return this.#snapshotText;
  }
}
