/** `npm run bench alert`: from the SIGKILL of a process to Alertmanager's webhook. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Alertmanager, type Webhook, withAlertmanager } from '../test/support/alertmanager.ts';
import { freePort } from '../test/support/ports.ts';
import { type Prometheus, runPrometheus, shippedWith } from '../test/support/prometheus.ts';
import { atEnd, cleaningUp, keepOpen, kill, temporaryFolder } from './clean-up.ts';
import { countWithReason, firstLatencies } from './notifications.ts';
import { readOptions } from './options.ts';
import { POLLING_PATIENCE_MS, Polling, type PollingOutcome } from './polling.ts';
import { progress } from './progress.ts';
import { measurePushed, type PushedOutcome } from './pushed.ts';
import { formatTable, type Goal, reportGoals } from './report.ts';
import { metricsReaderAt } from './scraper.ts';
import { between, summarize } from './statistics.ts';
import {
  allStarted,
  copyOfExporter,
  logFileIn,
  pidOf,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

const PUSHED_MEDIAN_GOAL_MS = 15;
const PUSHED_P99_GOAL_MS = 130;
const BY_RULES_MAX_GOAL_MS = 2_500;
const ALERT = 'SupervisorProcessUnexpectedExit';
const HEAD = ['', 'alerts', 'with reason', 'median', 'p99', 'worst'];
const MORE_THAN_ANY = 1_000_000;
/** Seconds between scrapes, and between evaluations. */
const BY_RULES = [1, 5];
const SHORTEST_PAUSE_MS = 1_500;
const LONGEST_PAUSE_MS = 6_500;
/** Longer than any alert takes except those of the polling exporter. */
const PATIENCE_MS = 15_000;

/** The alerts of the shipped rules. */
interface RulesOutcome {
  /** The scrape and evaluation interval. */
  readonly seconds: number;
  /** Infinity for an alert that did not arrive. */
  readonly latenciesMs: readonly number[];
  readonly withReason: number;
}

const options = readOptions({ pushed: 50, trials: 20, servers: 3, polled: 10 }, ['only-pushed']);

await cleaningUp(8 + options.trials / 2, async () => {
  console.error('starting Alertmanager');
  const [alertmanager, webhook] = await keepOpen<[Alertmanager, Webhook]>((body) =>
    withAlertmanager(
      (alertmanager, webhook) => body([alertmanager, webhook]),
      alertmanagerConfiguration,
    ),
  );
  reportPushed(await measurePushed(webhook, alertmanager.address, options.pushed));
  if (options['only-pushed']) return;
  console.error('starting everything else');
  const [measure, polling] = await Promise.all([
    startExporter(webhook, alertmanager.address),
    Polling.start(options.polled, webhook, alertmanager.address),
  ]);
  console.error('killing');
  const [byRules, polled] = await Promise.all([measure(), polling.measure()]);
  reportAlerts(byRules, polled);
});

/** Alertmanager notifies of each alert separately, at once and only once. */
function alertmanagerConfiguration(url: string): string {
  const webhook_configs = [{ url, send_resolved: false }];
  // JSON is YAML.
  return JSON.stringify({
    route: { receiver: 'bench', group_by: ['...'], group_wait: '0s', repeat_interval: '4h' },
    receivers: [{ name: 'bench', webhook_configs }],
  });
}

/** Starts the exporter and each Prometheus that scrapes it. Resolves to the measurement. */
async function startExporter(
  webhook: Webhook,
  alertmanager: string,
): Promise<() => Promise<RulesOutcome[]>> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter: copyOfExporter(dir),
    ports,
    processes: options.trials,
    sections: sleeperSections(options.trials, 1),
  });
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, options.trials);

  const addresses = { target: `127.0.0.1:${ports.exporter}`, alertmanager };
  for (const seconds of BY_RULES) {
    for (const path of pathsByRules(seconds)) await startPrometheus(addresses, seconds, path);
  }
  return async () => {
    const killedAt = await killEach(logFileIn(dir));
    await sleep(PATIENCE_MS);
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    return BY_RULES.map((seconds) => {
      const labels = pathsByRules(seconds).map((path) => ({ alertname: ALERT, path }));
      return {
        seconds,
        latenciesMs: labels.flatMap((each) => firstLatencies(webhook, each, killedAt)),
        withReason: labels
          .map((each) => countWithReason(webhook, each, killedAt.keys()))
          .reduce((sum, count) => sum + count, 0),
      };
    });
  };
}

/**
 * Several Prometheus servers per interval, because the offset within the interval at which a
 * server scrapes and evaluates never changes.
 */
function pathsByRules(seconds: number): string[] {
  return Array.from({ length: options.servers }, (_, nth) => `rules-${seconds}s-${nth}`);
}

/**
 * Starts a Prometheus with the shipped configuration and another interval. The external label
 * `path` identifies its alerts and also determines its offset within the interval.
 */
async function startPrometheus(
  { target, alertmanager }: { readonly target: string; readonly alertmanager: string },
  seconds: number,
  path: string,
): Promise<void> {
  const files = {
    'prometheus.yml': shippedWith('prometheus.yml', {
      'evaluation_interval: 15s': `evaluation_interval: 15s\n  external_labels: { path: ${path} }`,
      'scrape_interval: 1s': `scrape_interval: ${seconds}s`,
      'localhost:9876': target,
      'localhost:9093': alertmanager,
    }),
    'alerts.yml': shippedWith('alerts.yml', {
      'interval: 1s': `interval: ${seconds}s`,
      // SupervisorManyExits would stand for all exits after the third within two minutes.
      ') >= 4': `) >= ${MORE_THAN_ANY}`,
    }),
    'recording.yml': shippedWith('recording.yml', {}),
  };
  const prometheus = await keepOpen<Prometheus>((body) =>
    runPrometheus((dir) => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    }, body),
  );
  await prometheus.untilScraping();
}

/** Kills each process once, so that each exit is an alert of its own. Resolves to the times. */
async function killEach(log: string): Promise<ReadonlyMap<string, number>> {
  const killedAt = new Map<string, number>();
  for (let trial = 0; trial < options.trials; trial++) {
    progress(`kill ${trial + 1} of ${options.trials}`);
    await sleep(between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
    const name = `program-${trial}`;
    const pid = pidOf(name, log);
    killedAt.set(name, Date.now());
    kill(pid);
  }
  return killedAt;
}

function reportPushed(outcomes: readonly PushedOutcome[]): void {
  console.log(
    `From the SIGKILL of a process to Alertmanager's webhook, with group_wait: 0s; ${options.pushed} alerts each.\n`,
  );
  const rows = outcomes.map(({ title, latenciesMs, withReason }) =>
    rowOf(`pushed, ${title}`, latenciesMs, withReason),
  );
  console.log(formatTable([HEAD, ...rows]));
  reportGoals(outcomes.flatMap(goalsOfPushed));
}

function goalsOfPushed({ title, latenciesMs, withReason }: PushedOutcome, index: number): Goal[] {
  const { median, p99 } = summarize(latenciesMs);
  const right: Goal = {
    what: `SIGKILL to the webhook, pushed, ${title}: with the right reason`,
    value: `${withReason} of ${latenciesMs.length}`,
    goal: 'all',
    isReached: withReason === latenciesMs.length,
  };
  if (index > 0) return [right];
  return [
    goal(`pushed, ${title}: median`, median, PUSHED_MEDIAN_GOAL_MS),
    goal(`pushed, ${title}: p99`, p99, PUSHED_P99_GOAL_MS),
    right,
  ];
}

function reportAlerts(byRules: readonly RulesOutcome[], polled: PollingOutcome): void {
  console.log(
    `The same by rules; ${options.trials} exits, ${options.servers} Prometheus servers per interval.\n`,
  );
  const rows = byRules.map(({ seconds, latenciesMs, withReason }) =>
    rowOf(nameOf(seconds), latenciesMs, withReason),
  );
  console.log(formatTable([HEAD, ...rows, ...pollingRows(polled)]));
  console.log(
    `\nOf the ${polled.crashes} crashes after which supervisord restarted the process, ${polled.seen} were visible in any scrape of the polling exporter.`,
  );
  const fast = byRules.filter(({ seconds }) => seconds === 1);
  reportGoals(
    fast.map(({ seconds, latenciesMs }) =>
      goal(`${nameOf(seconds)}: worst`, summarize(latenciesMs).max, BY_RULES_MAX_GOAL_MS),
    ),
  );
}

function nameOf(seconds: number): string {
  return `shipped rules, ${seconds} s scrape and evaluation`;
}

function pollingRows({ downMs, crashes, alerted }: PollingOutcome): string[][] {
  const never = `never within ${POLLING_PATIENCE_MS / 1_000} s`;
  const cells = alerted === 0 ? ['', never, '', never] : ['', '', '', ''];
  return [
    ['polling, 5 s, for 1 m: the process is restarted', `${alerted}/${crashes}`, ...cells],
    rowOf('polling, 5 s, for 1 m: the process stays down', downMs, 0),
  ];
}

function rowOf(name: string, latenciesMs: readonly number[], withReason: number): string[] {
  const { median, p99, max } = summarize(latenciesMs);
  const arrived = latenciesMs.filter(Number.isFinite).length;
  const counts = [arrived, withReason].map((count) => `${count}/${latenciesMs.length}`);
  return [name, ...counts, ...[median, p99, max].map(formatMs)];
}

function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return 'missing';
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

function goal(what: string, ms: number, maxMs: number): Goal {
  return {
    what: `SIGKILL to the webhook, ${what}`,
    value: formatMs(ms),
    goal: `at most ${formatMs(maxMs)}`,
    isReached: ms <= maxMs,
  };
}
