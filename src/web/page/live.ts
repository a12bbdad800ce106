/** Tells those who look what has changed; does nothing at all while nobody does. */

import type { ServerResponse } from 'node:http';
import { BUILD } from './assets.ts';
import { Streams } from './streams.ts';
import { changeBetween, type Message, type View } from './view.ts';

export interface LiveOptions {
  readonly gather: () => View;
  /** Has what is not told by poke read anew. Never rejects. */
  readonly refresh: () => Promise<void>;
}

/** Between two messages; what happens in between is told together. */
const MIN_INTERVAL_MS = 100;
/** A message comes at least this often, which tells a reader that the stream still lives. */
const BEAT_MS = 5_000;
/** The first to look is told soon how much CPU is in use, for which it takes two samples. */
const FIRST_BEAT_MS = 1_200;

export class Live {
  readonly #options: LiveOptions;
  readonly #streams = new Streams({
    whole: () => this.#whole(),
    onEmpty: () => this.stop(),
  });
  /** What has been told to all who look; undefined while nobody does. */
  #told: View | undefined;
  #toldText: string | undefined;
  #toldAt = 0;
  /** Runs while something has changed that has not been told. */
  #timer: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  /** Something may have changed: told later, for whoever calls has an acknowledgement to send. */
  poke(): void {
    if (this.#told === undefined || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#toldAt + MIN_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => this.#tell(), wait);
  }

  get isFull(): boolean {
    return this.#streams.isFull;
  }

  /** Adds a reader, whose head has been written. */
  add(response: ServerResponse): void {
    this.#streams.add(response);
    if (this.#beat === undefined) this.#startBeat(FIRST_BEAT_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#beat);
    this.#timer = undefined;
    this.#beat = undefined;
    this.#told = undefined;
    this.#toldText = undefined;
  }

  #startBeat(ms: number): void {
    const beat = setTimeout(async () => {
      await this.#options.refresh();
      // Meanwhile all may have gone, and others come.
      if (this.#beat !== beat) return;
      this.#tell();
      this.#startBeat(BEAT_MS);
    }, ms);
    this.#beat = beat;
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#told === undefined) return;
    const view = this.#options.gather();
    const message: Message = { kind: 'change', ...changeBetween(this.#told, view) };
    this.#told = view;
    this.#toldText = undefined;
    this.#toldAt = performance.now();
    this.#streams.send(JSON.stringify(message));
  }

  /** Written once for all who come between two changes. */
  #whole(): string {
    this.#told ??= this.#options.gather();
    const message: Message = { kind: 'whole', build: BUILD, view: this.#told };
    this.#toldText ??= JSON.stringify(message);
    return this.#toldText;
  }
}
