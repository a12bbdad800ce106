/**
 * What is usual: an exporter that asks supervisord at each scrape, a scrape each 5 s, and an alert
 * where `supervisord_up == 0` holds for a minute. It has a supervisord of its own, since ours wakes
 * supervisord, which repairs a crash within milliseconds then.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import type { Prometheus } from '../test/support/prometheus.ts';
import { kill, temporaryFolder } from './clean-up.ts';
import { type Addresses, type Configuration, startPrometheus } from './prometheus-server.ts';
import { PYTHON } from './python.ts';
import { between } from './random.ts';
import { pidOf, pidsIn } from './spawns.ts';
import { logFileIn, type Supervisord, startSupervisord } from './supervisord.ts';
import type { Webhook } from './webhook.ts';

/** How long an alert is waited for: scrape, evaluation and `for` make 70 s at the most. */
export const PATIENCE_MS = 100_000;
const EXPORTER = fileURLToPath(new URL('polling_exporter.py', import.meta.url));
const ALERT = 'JobDown';
const START_DEADLINE_MS = 30_000;
/** Kills are this far apart at the most, to spread over the scrapes. */
const LONGEST_PAUSE_MS = 3_000;

export interface PollingOutcome {
  /** Of programs that stay down. */
  readonly downMs: readonly number[];
  readonly crashes: number;
  /** Of the crashes that supervisord repaired: that were alerted, and that any scrape showed. */
  readonly alerted: number;
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

  /** With that many programs that stay down, and as many that are started again. */
  static async start(trials: number, webhook: Webhook, alertmanager: string): Promise<Polling> {
    const dir = temporaryFolder();
    const log = logFileIn(dir);
    const ports = { rpc: await freePort(), exporter: await freePort() };
    const supervisord = startSupervisord({
      dir,
      exporter: undefined,
      ports,
      programs: 2 * trials,
      sections: sections(trials, ports),
    });
    await eventually(START_DEADLINE_MS, () => {
      if (pidsIn(log).size < 2 * trials + 1) throw new Error('not all has been started');
    });
    const target = `127.0.0.1:${ports.exporter}`;
    const prometheus = await startPrometheus(configuration({ target, alertmanager }));
    return new Polling(trials, webhook, log, supervisord, prometheus);
  }

  /** Kills all of them, each at a moment of its own, and waits for what comes of it. */
  async measure(): Promise<PollingOutcome> {
    const killedAt = new Map<string, number>();
    for (let trial = 0; trial < this.#trials; trial++) {
      for (const name of [`stays-down-${trial}`, `comes-back-${trial}`]) {
        await sleep(between(0, LONGEST_PAUSE_MS));
        killedAt.set(name, performance.now());
        kill(pidOf(name, this.#log));
      }
    }
    await sleep(PATIENCE_MS);
    const failure = this.#supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    const latencies = (prefix: string) =>
      [...killedAt]
        .filter(([name]) => name.startsWith(prefix))
        .map(
          ([name, at]) => (this.#webhook.first({ alertname: ALERT, name })?.at ?? Infinity) - at,
        );
    return {
      downMs: latencies('stays-down'),
      crashes: this.#trials,
      alerted: latencies('comes-back').filter(Number.isFinite).length,
      seen: await this.#seen(),
    };
  }

  /** Crashes that left a trace in Prometheus. */
  async #seen(): Promise<number> {
    const lowest = 'min_over_time(supervisord_up{name=~"comes-back-.*"}[1h])';
    return (await this.#prometheus.query(`${lowest} == 0`)).length;
  }
}

function sections(trials: number, ports: { rpc: number; exporter: number }): string {
  const url = `http://127.0.0.1:${ports.rpc}/RPC2`;
  return `[program:polling-exporter]
command=${PYTHON} ${EXPORTER} ${url} ${ports.exporter}
${programs('stays-down', trials, false)}
${programs('comes-back', trials, true)}`;
}

function programs(name: string, trials: number, autorestart: boolean): string {
  return `[program:${name}]
command=sleep 1h
process_name=${name}-%(process_num)d
numprocs=${trials}
startsecs=0
autorestart=${autorestart}
stdout_logfile=NONE
stderr_logfile=NONE
`;
}

function configuration({ target, alertmanager }: Addresses): Configuration {
  const rules = [{ alert: ALERT, expr: 'supervisord_up == 0', for: '1m' }];
  const config = {
    global: { scrape_interval: '5s', evaluation_interval: '5s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'supervisor-exporter', static_configs: [{ targets: [target] }] }],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] },
  };
  // JSON is YAML.
  return {
    'prometheus.yml': JSON.stringify(config),
    'rules.yml': JSON.stringify({ groups: [{ name: 'supervisord', rules }] }),
  };
}
