/** Sends to every Alertmanager the alerts that cannot wait for a scrape and an evaluation. */

import type { Change, ChangeFeed } from '../processes/changes.ts';
import type { LogTail } from '../processes/log-tail.ts';
import type { Selection } from '../processes/selection.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import { DutyCycle } from '../util/duty-cycle.ts';
import type { Logger } from '../util/log.ts';
import { Mutex } from '../util/mutex.ts';
import { TimeSlice } from '../util/time-slice.ts';
import type { HttpUrl } from '../util/url.ts';
import { ActiveAlerts, type Alert } from './active-alerts.ts';
import { AlertmanagerClient, type AlertmanagerStats } from './alertmanager-client.ts';
import type { ReadHttpClientConfig } from './http-client-config.ts';
import {
  type PayloadOptions,
  type SerializedAlert,
  serialize,
  toPostableAlert,
} from './payload.ts';

/** How often the alerts are evaluated without a change: some are due to be sent again. */
const EVALUATION_INTERVAL_MS = 1_000;

/**
 * Alertmanager notifies once for each set of labels, so the reason has to be in the first
 * send. It is usually known within milliseconds.
 */
const REASON_TIMEOUT_MS = 1_000;
/** Timers and the wall clock differ by a millisecond or two. */
const CLOCK_MARGIN_MS = 5;

/** Bounds the CPU time: an evaluation of 5,000 processes takes 3 ms, and may follow every event. */
const EVALUATION = { share: 0.2, burstMs: 20, longestPauseMs: 500 } as const;

export interface NotifierOptions {
  readonly urls: readonly HttpUrl[];
  readonly readHttpConfig: ReadHttpClientConfig | undefined;
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
  readonly signal: AbortSignal;
}

/** Whether an alert may be held back after the change until its reason is known. */
function awaitsReason(change: Change): boolean {
  if (change.kind === 'transition') return change.event.to === 'FATAL';
  return change.kind === 'exited';
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #clients: readonly AlertmanagerClient[];
  readonly #activeAlerts: ActiveAlerts;
  readonly #dutyCycle = new DutyCycle(EVALUATION);
  /** Until when no evaluation may follow a long one; milliseconds, monotonic. */
  #pausedUntil = 0;
  #isScheduled = false;
  /** Keeps the order of evaluations. */
  readonly #deliveries = new Mutex();

  constructor(options: NotifierOptions) {
    this.#options = options;
    const { urls, readHttpConfig, changes, log, exitReasons, signal } = options;
    this.#activeAlerts = new ActiveAlerts({
      reasonTimeout: exitReasons ? REASON_TIMEOUT_MS / 1000 : 0,
    });
    this.#clients = urls.map((url) => new AlertmanagerClient({ url, readHttpConfig, log, signal }));
    changes.subscribe((change) => {
      this.#schedule();
      if (!exitReasons || !awaitsReason(change)) return;
      // Once its reason has been awaited for too long.
      setTimeout(() => this.#schedule(), REASON_TIMEOUT_MS + CLOCK_MARGIN_MS).unref();
    });
    const interval = setInterval(() => this.#schedule(), EVALUATION_INTERVAL_MS);
    signal.addEventListener('abort', () => clearInterval(interval));
  }

  get stats(): readonly AlertmanagerStats[] {
    return this.#clients.map(({ stats }) => stats);
  }

  /** Evaluates the alerts once the present event is acknowledged. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const run = () => {
      this.#isScheduled = false;
      const began = performance.now();
      this.#evaluate();
      const now = performance.now();
      this.#pausedUntil = now + this.#dutyCycle.record(began, now);
    };
    const pauseMs = this.#pausedUntil - performance.now();
    // A timer would fire after 1 ms at the earliest.
    if (pauseMs <= 0) setImmediate(run);
    else setTimeout(run, pauseMs);
  }

  #evaluate(): void {
    if (this.#options.signal.aborted) return;
    const { table, selection } = this.#options;
    const processes = [...table.values()].filter(({ id }) => selection.isSelected(id));
    const alerts = this.#activeAlerts.evaluate(processes, Date.now() / 1000);
    if (alerts.length > 0) void this.#deliveries.run(() => this.#deliver(alerts));
  }

  /** In time slices: thousands of alerts for several Alertmanagers would delay events. */
  async #deliver(alerts: readonly Alert[]): Promise<void> {
    const { payload, logTailOf } = this.#options;
    const slice = new TimeSlice();
    const serialized: SerializedAlert[] = [];
    for (const alert of alerts) {
      const logTail = 'process' in alert ? logTailOf(alert.process) : undefined;
      serialized.push(serialize(toPostableAlert(alert, payload, logTail)));
      await slice.pause();
    }
    for (const client of this.#clients) {
      client.enqueue(serialized);
      await slice.pause();
    }
  }
}
