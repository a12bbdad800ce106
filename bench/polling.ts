/**
 * The usual design: an exporter that polls supervisord at each scrape, a scrape every 5 s, and
 * an alert when `supervisord_up == 0` holds for a minute. It has a supervisord of its own,
 * because our exporter wakes supervisord, which then restarts a process within milliseconds.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Webhook } from '../test/support/alertmanager.ts';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { type Prometheus, runPrometheus } from '../test/support/prometheus.ts';
import { keepOpen, kill, temporaryFolder } from './clean-up.ts';
import { firstLatencies } from './notifications.ts';
import { between } from './statistics.ts';
import {
  logFileIn,
  PYTHON,
  pidOf,
  pidsIn,
  type Supervisord,
  startSupervisord,
} from './supervisord.ts';

/** How long to wait for an alert: scrape, evaluation and `for` take at most 70 s. */
export const POLLING_PATIENCE_MS = 100_000;
const EXPORTER = fileURLToPath(new URL('polling_exporter.py', import.meta.url));
const ALERT = 'JobDown';
const START_DEADLINE_MS = 30_000;
/** The pause between two kills is random, so that they are spread over the scrape interval. */
const LONGEST_PAUSE_MS = 3_000;

export interface PollingOutcome {
  /** Latencies for processes that stay down. */
  readonly downMs: readonly number[];
  /** Crashes after which supervisord restarted the process. */
  readonly crashes: number;
  /** How many of these crashes raised an alert. */
  readonly alerted: number;
  /** How many of these crashes were visible in a scrape. */
  readonly seen: number;
}

export class Polling {
  readonly #trials: number;
  readonly #webhook: Webhook;
  readonly #log: string;
  readonly #supervisord: Supervisord;
  readonly #prometheus: Prometheus;

  private constructor(
    trials: number,
    webhook: Webhook,
    log: string,
    supervisord: Supervisord,
    prometheus: Prometheus,
  ) {
    this.#trials = trials;
    this.#webhook = webhook;
    this.#log = log;
    this.#supervisord = supervisord;
    this.#prometheus = prometheus;
  }

  /** Starts `trials` processes that stay down when killed, and as many that are restarted. */
  static async start(trials: number, webhook: Webhook, alertmanager: string): Promise<Polling> {
    const dir = temporaryFolder();
    const log = logFileIn(dir);
    const ports = { rpc: await freePort(), exporter: await freePort() };
    const supervisord = startSupervisord({
      dir,
      exporter: undefined,
      ports,
      processes: 2 * trials,
      sections: sections(trials, ports),
    });
    await eventually(START_DEADLINE_MS, () => {
      if (pidsIn(log).size < 2 * trials + 1) throw new Error('not all processes have started');
    });
    const target = `127.0.0.1:${ports.exporter}`;
    const prometheus = await keepOpen<Prometheus>((body) =>
      runPrometheus((folder) => configure(folder, target, alertmanager), body),
    );
    await prometheus.untilScraping();
    return new Polling(trials, webhook, log, supervisord, prometheus);
  }

  /** Kills each process at a random moment and waits for the alerts. */
  async measure(): Promise<PollingOutcome> {
    const killedAt = new Map<string, number>();
    for (let trial = 0; trial < this.#trials; trial++) {
      for (const name of [`stays-down-${trial}`, `comes-back-${trial}`]) {
        await sleep(between(0, LONGEST_PAUSE_MS));
        killedAt.set(name, Date.now());
        kill(pidOf(name, this.#log));
      }
    }
    console.error(`polling: waiting ${POLLING_PATIENCE_MS / 1_000} s for alerts`);
    await sleep(POLLING_PATIENCE_MS);
    const failure = this.#supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    const latencies = (prefix: string) => {
      const kills = [...killedAt].filter(([name]) => name.startsWith(prefix));
      return firstLatencies(this.#webhook, { alertname: ALERT }, new Map(kills));
    };
    return {
      downMs: latencies('stays-down'),
      crashes: this.#trials,
      alerted: latencies('comes-back').filter(Number.isFinite).length,
      seen: await this.#seen(),
    };
  }

  /** How many crashes left a trace in Prometheus. */
  async #seen(): Promise<number> {
    const lowest = 'min_over_time(supervisord_up{name=~"comes-back-.*"}[1h])';
    return (await this.#prometheus.query(`${lowest} == 0`)).length;
  }
}

function sections(trials: number, ports: { rpc: number; exporter: number }): string {
  const url = `http://127.0.0.1:${ports.rpc}/RPC2`;
  return `[program:polling-exporter]
command=${PYTHON} ${EXPORTER} ${url} ${ports.exporter}
${programSection('stays-down', trials, false)}
${programSection('comes-back', trials, true)}`;
}

function programSection(name: string, processes: number, autorestart: boolean): string {
  return `[program:${name}]
command=sleep 1h
process_name=${name}-%(process_num)d
numprocs=${processes}
startsecs=0
autorestart=${autorestart}
stdout_logfile=NONE
stderr_logfile=NONE
`;
}

function configure(dir: string, target: string, alertmanager: string): void {
  const rules = [{ alert: ALERT, expr: 'supervisord_up == 0', for: '1m' }];
  const config = {
    global: { scrape_interval: '5s', evaluation_interval: '5s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'supervisor-exporter', static_configs: [{ targets: [target] }] }],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] },
  };
  // JSON is YAML.
  writeFileSync(join(dir, 'prometheus.yml'), JSON.stringify(config));
  writeFileSync(
    join(dir, 'rules.yml'),
    JSON.stringify({ groups: [{ name: 'supervisord', rules }] }),
  );
}
