/** `npm run bench alert`: from the SIGKILL of a program to Alertmanager's webhook. */

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/ports.ts';
import { type AlertPath, reportAlerts } from './alert-report.ts';
import { startAlertmanager } from './alertmanager.ts';
import { atEnd, cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { pagesAt } from './page.ts';
import { Polling } from './polling.ts';
import { PROGRAM } from './program.ts';
import { shipped, startPrometheus } from './prometheus-server.ts';
import { between } from './random.ts';
import { sleeperSections } from './sleepers.ts';
import { pidOf } from './spawns.ts';
import { allStarted } from './started.ts';
import { logFileIn, startSupervisord } from './supervisord.ts';
import { Webhook } from './webhook.ts';

const ALERT = 'SupervisorProcessUnexpectedExit';
const PUSHED = 'pushed';
/** Seconds between scrapes, and between evaluations. */
const BY_RULES = [1, 5];
const LEAST_PAUSE_MS = 1_500;
const MOST_PAUSE_MS = 6_500;
/** Longer than anything but the polling takes. */
const PATIENCE_MS = 15_000;

const options = readOptions({ trials: 20, prometheis: 3, polled: 10 });

await cleaningUp(async () => {
  console.error('starting everything');
  const webhook = await Webhook.start();
  const alertmanager = await startAlertmanager(webhook.port);
  const [crashes, polling] = await Promise.all([
    startExporter(webhook, alertmanager),
    Polling.start(options.polled, webhook, alertmanager),
  ]);
  console.error('killing');
  const [paths, polled] = await Promise.all([crashes(), polling.measure()]);
  reportAlerts({ ...options, paths, polled });
});

/** Starts the exporter and all that scrapes it; resolves to what kills its programs. */
async function startExporter(
  webhook: Webhook,
  alertmanager: string,
): Promise<() => Promise<AlertPath[]>> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter: copyOfProgram(dir),
    flags: [`--alertmanager.url=http://${alertmanager}`, `--alertmanager.label=path=${PUSHED}`],
    ports,
    programs: options.trials,
    sections: sleeperSections(options.trials, 1),
  });
  const pages = pagesAt(ports.exporter);
  atEnd(() => pages.close());
  await allStarted(supervisord, pages, options.trials);

  const addresses = { target: `127.0.0.1:${ports.exporter}`, alertmanager };
  for (const seconds of BY_RULES) {
    for (const path of pathsByRules(seconds)) {
      await startPrometheus(shipped(addresses, seconds, path));
    }
  }
  return async () => {
    const killedAt = await killEach(logFileIn(dir));
    await sleep(PATIENCE_MS);
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    const latenciesOf = (path: string) => latencies(webhook, path, killedAt);
    return [
      { seconds: undefined, latenciesMs: latenciesOf(PUSHED) },
      ...BY_RULES.map((seconds) => ({
        seconds,
        latenciesMs: pathsByRules(seconds).flatMap(latenciesOf),
      })),
    ];
  };
}

/** So that a build meanwhile changes nothing. */
function copyOfProgram(dir: string): string {
  const copy = join(dir, 'supervisor-exporter.cjs');
  copyFileSync(PROGRAM, copy);
  return copy;
}

/** Several, for each has its own moments within the interval at which it scrapes and evaluates, for good. */
function pathsByRules(seconds: number): string[] {
  return Array.from({ length: options.prometheis }, (_, nth) => `rules-${seconds}s-${nth}`);
}

/** Each once, so that each death is an alert of its own. */
async function killEach(log: string): Promise<ReadonlyMap<string, number>> {
  const killedAt = new Map<string, number>();
  for (let trial = 0; trial < options.trials; trial++) {
    await sleep(between(LEAST_PAUSE_MS, MOST_PAUSE_MS));
    const name = `program-${trial}`;
    const pid = pidOf(name, log);
    killedAt.set(name, performance.now());
    kill(pid);
  }
  return killedAt;
}

/** Infinity: it has not come. */
function latencies(
  webhook: Webhook,
  path: string,
  killedAt: ReadonlyMap<string, number>,
): number[] {
  return [...killedAt].map(
    ([name, at]) => (webhook.first({ alertname: ALERT, path, name })?.at ?? Infinity) - at,
  );
}
