/** Tells every Alertmanager of what can't wait for a scrape and an evaluation. */

import type { ChangeFeed } from '../processes/changes.ts';
import type { Selection } from '../processes/selection.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { Logger } from '../util/log.ts';
import { describeHttpUrl, type HttpUrl } from '../util/url.ts';
import { Board } from './board.ts';
import { Target } from './target.ts';
import { type Labels, toWire, type WireAlert } from './wire.ts';

/** How often what is due again is looked for. */
const LOOK_AGAIN_MS = 1_000;

/** Why a program exited is known within a few milliseconds, longer on a busy machine; the page is to say it. */
const REASON_PATIENCE_MS = 200;

export interface AlertmanagerStats {
  readonly alertmanager: string;
  readonly sent: number;
  readonly failed: number;
}

export interface PushOptions {
  readonly urls: readonly HttpUrl[];
  readonly labels: Labels;
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  /** Which processes raise alerts. */
  readonly selection: Selection;
  readonly log: Logger;
  /** Whether it is found out why programs exit. */
  readonly exitReasons: boolean;
}

export class Push {
  readonly #labels: Labels;
  readonly #table: ProcessTable;
  readonly #selection: Selection;
  readonly #targets: readonly Target[];
  readonly #board: Board;
  readonly #stats: { alertmanager: string; sent: number; failed: number }[] = [];
  #review: NodeJS.Immediate | undefined;
  #lookAgain: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;

  constructor(options: PushOptions) {
    this.#board = new Board(options.exitReasons ? REASON_PATIENCE_MS / 1000 : 0);
    this.#labels = options.labels;
    this.#table = options.table;
    this.#selection = options.selection;
    this.#targets = options.urls.map((url) => this.#targetOf(url, options));
    options.changes.subscribe(() => this.poke());
  }

  get stats(): readonly AlertmanagerStats[] {
    return this.#stats;
  }

  start(): void {
    this.#lookAgain = setInterval(() => this.poke(), LOOK_AGAIN_MS);
  }

  /** The table may have changed. What follows from it is seen to once this turn is over, and its event acknowledged. */
  poke(): void {
    this.#review ??= setImmediate(() => {
      this.#review = undefined;
      this.#tell();
    });
  }

  stop(): void {
    clearInterval(this.#lookAgain);
    clearTimeout(this.#patience);
    clearImmediate(this.#review);
    for (const target of this.#targets) target.stop();
  }

  #tell(): void {
    const processes = [...this.#table.values()].filter(({ id }) => this.#selection.isSelected(id));
    const alerts = this.#board.review(processes, Date.now() / 1000);
    clearTimeout(this.#patience);
    if (this.#board.isWaiting) {
      this.#patience = setTimeout(() => this.poke(), REASON_PATIENCE_MS);
    }
    if (alerts.length === 0) return;
    const wire = new Map<string, WireAlert>();
    for (const alert of alerts) {
      const { name, process } = alert;
      wire.set(
        `${name} ${process.group}:${process.name}`,
        toWire(alert, this.#labels, this.#table.get(process)),
      );
    }
    for (const target of this.#targets) target.offer(wire);
  }

  #targetOf(url: HttpUrl, { log }: PushOptions): Target {
    const stats = { alertmanager: describeHttpUrl(url), sent: 0, failed: 0 };
    this.#stats.push(stats);
    return new Target({
      url,
      log,
      onSent: (alerts) => {
        stats.sent += alerts;
      },
      onFailed: (alerts) => {
        stats.failed += alerts;
      },
    });
  }
}
