/** Sends to every Alertmanager the alerts that cannot wait for a scrape and an evaluation. */

import type { ChangeFeed } from '../processes/changes.ts';
import type { LogTail } from '../processes/log-tail.ts';
import type { Selection } from '../processes/selection.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import { DutyCycle } from '../util/duty-cycle.ts';
import type { Logger } from '../util/log.ts';
import type { HttpUrl } from '../util/url.ts';
import { ActiveAlerts } from './active-alerts.ts';
import { AlertmanagerClient, type AlertmanagerStats } from './alertmanager-client.ts';
import type { ClientConfig } from './client-config.ts';
import { type PayloadOptions, type PostableAlert, toPostableAlert } from './payload.ts';

/** How often alerts that are due to be sent again are looked for. */
const EVALUATION_INTERVAL_MS = 1_000;

/**
 * Alertmanager notifies once for each set of labels, so the reason has to be in the first
 * send. It is usually known within milliseconds.
 */
const REASON_TIMEOUT_MS = 1_000;

/** Bounds the CPU time: an evaluation of 5,000 processes takes 3 ms, and may follow every event. */
const EVALUATION = { share: 0.2, burstMs: 20, longestPauseMs: 500 } as const;

export interface NotifierOptions {
  readonly urls: readonly HttpUrl[];
  readonly config: ClientConfig | undefined;
  readonly payload: PayloadOptions;
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  /** Which processes raise alerts. */
  readonly selection: Selection;
  readonly log: Logger;
  /** Whether exit reasons are looked up. */
  readonly exitReasons: boolean;
  /** The end of the process' log at its last unexpected exit or failed start, if one was kept. */
  readonly logTailOf: (process: ProcessId) => LogTail | undefined;
  /** Aborting it stops the notifier. */
  readonly signal: AbortSignal;
}

export class Notifier {
  readonly #payload: PayloadOptions;
  readonly #table: ProcessTable;
  readonly #selection: Selection;
  readonly #logTailOf: NotifierOptions['logTailOf'];
  readonly #signal: AbortSignal;
  readonly #clients: readonly AlertmanagerClient[];
  readonly #activeAlerts: ActiveAlerts;
  #evaluation: NodeJS.Immediate | undefined;
  #pause: NodeJS.Timeout | undefined;
  /** Whether the table may have changed since the last evaluation. */
  #isDue = false;
  readonly #dutyCycle = new DutyCycle(EVALUATION);
  #interval: NodeJS.Timeout | undefined;
  #reasonTimer: NodeJS.Timeout | undefined;

  constructor({
    urls,
    config,
    payload,
    table,
    changes,
    selection,
    log,
    exitReasons,
    logTailOf,
    signal,
  }: NotifierOptions) {
    this.#activeAlerts = new ActiveAlerts({
      reasonTimeout: exitReasons ? REASON_TIMEOUT_MS / 1000 : 0,
    });
    this.#payload = payload;
    this.#table = table;
    this.#selection = selection;
    this.#logTailOf = logTailOf;
    this.#signal = signal;
    this.#clients = urls.map((url) => new AlertmanagerClient({ url, config, log, signal }));
    signal.addEventListener('abort', () => this.#abort(), { once: true });
    changes.subscribe(() => this.#schedule());
  }

  get stats(): readonly AlertmanagerStats[] {
    return this.#clients.map(({ stats }) => stats);
  }

  start(): void {
    if (this.#signal.aborted) return;
    this.#interval = setInterval(() => this.#schedule(), EVALUATION_INTERVAL_MS);
  }

  /**
   * Evaluates the alerts after this turn of the event loop, in which the event is acknowledged, or
   * after the pause that follows a long evaluation.
   */
  #schedule(): void {
    if (this.#signal.aborted) return;
    this.#isDue = true;
    if (this.#pause === undefined) this.#evaluation ??= setImmediate(() => this.#evaluateInTurn());
  }

  #evaluateInTurn(): void {
    this.#evaluation = undefined;
    this.#isDue = false;
    const began = performance.now();
    this.#evaluate();
    const pauseMs = this.#dutyCycle.record(began, performance.now());
    if (pauseMs === 0) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (this.#isDue) this.#schedule();
    }, pauseMs);
  }

  #abort(): void {
    clearInterval(this.#interval);
    clearTimeout(this.#reasonTimer);
    clearTimeout(this.#pause);
    clearImmediate(this.#evaluation);
  }

  #evaluate(): void {
    const processes = [...this.#table.values()].filter(({ id }) => this.#selection.isSelected(id));
    const alerts = this.#activeAlerts.evaluate(processes, Date.now() / 1000);
    clearTimeout(this.#reasonTimer);
    if (this.#activeAlerts.isWaitingForReason) {
      this.#reasonTimer = setTimeout(() => this.#schedule(), REASON_TIMEOUT_MS);
    }
    if (alerts.length === 0) return;
    const payload = new Map<string, PostableAlert>();
    for (const alert of alerts) {
      const id = 'process' in alert ? alert.process : undefined;
      const key = id === undefined ? alert.name : `${alert.name} ${id.group}:${id.name}`;
      const tail = id === undefined ? undefined : this.#logTailOf(id);
      payload.set(key, toPostableAlert(alert, this.#payload, tail));
    }
    for (const client of this.#clients) client.enqueue(payload);
  }
}
