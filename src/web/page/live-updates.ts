/**
 * Sends changes of the page to its subscribers. Without a subscriber nothing is built,
 * compared or sent.
 */

import type { ServerResponse } from 'node:http';
import { runInSlices } from '../../util/time-slice.ts';
import { BUILD } from './assets.ts';
import type { RowStore } from './row-store.ts';
import { SseHub } from './sse-hub.ts';
import type { PageContext, Transition } from './view.ts';

export interface LiveUpdatesOptions {
  readonly store: RowStore;
  readonly context: () => PageContext;
  /** The latest first; a transition that has not changed is the same object. */
  readonly transitions: () => readonly Transition[];
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
  #isActive = false;
  #isSending = false;
  #snapshotText: string | undefined;
  /** As of the last message. */
  #sentContext = '';
  #sentTransitions: readonly Transition[] = [];
  readonly #transitionTexts = new WeakMap<Transition, string>();
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
    if (!this.#isActive || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#sentAt + MIN_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => void this.#send(), wait);
  }

  get isFull(): boolean {
    return this.#hub.isFull;
  }

  /** Adds a subscriber. The head of the response must have been written. */
  async subscribe(response: ServerResponse): Promise<void> {
    await runInSlices(this.#options.store.update());
    if (this.#options.signal.aborted) return void response.end();
    if (response.destroyed) return;
    if (!this.#isActive) this.#start();
    this.#hub.subscribe(response);
  }

  /** The first subscriber gets a snapshot; what has changed before is of no interest. */
  #start(): void {
    this.#isActive = true;
    this.#options.store.startRecording();
    this.#sentContext = JSON.stringify(this.#options.context());
    this.#sentTransitions = this.#options.transitions();
    this.#startHeartbeat(FIRST_HEARTBEAT_MS);
  }

  #pause(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#heartbeat);
    this.#timer = undefined;
    this.#heartbeat = undefined;
    this.#isActive = false;
    this.#options.store.stopRecording();
    this.#snapshotText = undefined;
  }

  #startHeartbeat(ms: number): void {
    const heartbeat = setTimeout(async () => {
      await this.#options.refresh();
      await this.#send();
      // Meanwhile all subscribers may have left and others come.
      if (this.#heartbeat === heartbeat) this.#startHeartbeat(HEARTBEAT_MS);
    }, ms);
    this.#heartbeat = heartbeat;
  }

  async #send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    await runInSlices(this.#options.store.update());
    this.#isSending = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isActive) return;
    this.#sentAt = performance.now();
    this.#snapshotText = undefined;
    this.#hub.send(this.#nextMessage());
  }

  /** A change of view.ts, put together from the parts that are serialized already. */
  #nextMessage(): string {
    const { rows, removed } = this.#options.store.takeChanges();
    const context = JSON.stringify(this.#options.context());
    const transitions = this.#options.transitions();
    const sent = new Set(this.#sentTransitions);
    const news = transitions.filter((transition) => !sent.has(transition));
    const parts = ['"kind":"change"', `"now":${Date.now() / 1000}`];
    if (context !== this.#sentContext) parts.push(`"context":${context}`);
    if (rows.length > 0) parts.push(`"rows":[${rows.join(',')}]`);
    if (removed.length > 0) parts.push(`"removed":${JSON.stringify(removed)}`);
    if (news.length > 0) parts.push(`"transitions":${this.#serialize(news)}`);
    this.#sentContext = context;
    this.#sentTransitions = transitions;
    return `{${parts.join(',')}}`;
  }

  #serialize(transitions: readonly Transition[]): string {
    const texts = transitions.map((transition) => {
      const text = this.#transitionTexts.get(transition) ?? JSON.stringify(transition);
      this.#transitionTexts.set(transition, text);
      return text;
    });
    return `[${texts.join(',')}]`;
  }

  /** Serialized once for all subscribers that join between two changes. */
  #snapshot(): string {
    if (this.#snapshotText !== undefined) return this.#snapshotText;
    const transitions = this.#serialize(this.#sentTransitions);
    const view = `{"now":${Date.now() / 1000},"context":${this.#sentContext},"rows":${this.#options.store.json()},"transitions":${transitions}}`;
    const text = `{"kind":"snapshot","build":${JSON.stringify(BUILD)},"view":${view}}`;
    this.#snapshotText = text;
    return text;
  }
}
