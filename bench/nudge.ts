/**
 * `npm run bench nudge`: from the SIGKILL of a process to its exit on /metrics. With the
 * environment variable BEFORE, the file of an earlier build, the two are measured side by side:
 * both run at the same time, each with its own supervisord, and the kills alternate.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { idleCpu } from './proc.ts';
import { progress } from './progress.ts';
import { atMost, formatTable, type Goal, reportGoals } from './report.ts';
import { type MetricsReader, type MetricsText, metricsReaderAt } from './scraper.ts';
import { between, type Summary, summarize } from './statistics.ts';
import {
  allStarted,
  copyOfExporter,
  logFileIn,
  pidOf,
  type Supervisord,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

const CPU_GOAL = 0.8;
const P99_GOAL_MS = 120;
const HELD_GOAL_MS = 150;
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 1_500;

/** From the end of a scrape to the start of the next one. */
const SCRAPE_PAUSE_MS = 5;
/** The same while nothing is measured. */
const SLOW_SCRAPE_PAUSE_MS = 100;
const SIGKILL = 9;
const TRIAL_DEADLINE_MS = 30_000;

interface Target {
  readonly name: string;
  readonly group: string;
}

interface Variant {
  readonly title: string;
  readonly processes: number;
  readonly command?: string;
  /** Processes killed at once. */
  readonly kills: number;
  readonly goals: { readonly median?: number; readonly worst: number };
}

interface Outcome {
  readonly variant: Variant;
  readonly build: string;
  readonly shown: Summary;
  /** Exits whose first scrape also showed the signal. */
  readonly withReason: number;
  readonly exits: number;
  /** Percent of a core. */
  readonly exporterCpu: number;
  readonly supervisordCpu: number;
}

/** One supervisord with one build of the exporter. */
interface Bed {
  readonly build: string;
  readonly log: string;
  readonly metrics: MetricsReader;
  readonly supervisord: Supervisord;
  readonly shown: number[];
  withReason: number;
}

/** Its child keeps the pipes open. */
const HOLDER = "sh -c 'sleep 1h & wait'";

const options = readOptions({ trials: 20, few: 10, many: 800, idle: 10 });
const VARIANTS: readonly Variant[] = [
  {
    title: `${options.few} processes`,
    processes: options.few,
    kills: 1,
    goals: { median: 8, worst: P99_GOAL_MS },
  },
  {
    title: 'a child holds the pipes',
    processes: options.few,
    command: HOLDER,
    kills: 1,
    goals: { worst: HELD_GOAL_MS },
  },
  {
    title: '8 at once',
    processes: options.few,
    kills: 8,
    goals: { worst: HELD_GOAL_MS },
  },
  {
    title: `${options.many} processes`,
    processes: options.many,
    kills: 1,
    goals: { median: 30, worst: P99_GOAL_MS },
  },
];

await cleaningUp(20, async () => {
  const builds = new Map([['now', copyOfExporter(temporaryFolder())]]);
  const { BEFORE: before } = process.env;
  if (before !== undefined) builds.set('before', before);
  const outcomes: Outcome[] = [];
  for (const variant of VARIANTS) {
    outcomes.push(...(await measure(variant, builds)));
    console.log(formatTable(tableOf(outcomes)));
  }
  console.log(
    `\nFrom the SIGKILL of a process to the first scrape with its exit, in ms: ${options.trials} trials each. CPU in percent of a core over ${options.idle} s, idle.\n`,
  );
  reportGoals(outcomes.filter(({ build }) => build === 'now').flatMap(goalsOf));
});

async function measure(
  variant: Variant,
  builds: ReadonlyMap<string, string>,
): Promise<readonly Outcome[]> {
  console.error(`measuring: ${variant.title}`);
  const beds: Bed[] = [];
  for (const [build, exporter] of builds) beds.push(await prepare(variant, build, exporter));
  const pids = beds.flatMap(({ log, supervisord }) => [pidOf('exporter', log), supervisord.pid]);
  const cpu = await idleCpu(pids, options.idle);
  for (let trial = 0; trial < options.trials; trial++) {
    progress(`trial ${trial + 1} of ${options.trials}`);
    for (const bed of beds) {
      await sleep(between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
      await killAndWait(targetsOf(variant), bed);
    }
  }
  return beds.map(({ build, shown, withReason, supervisord }, index) => {
    supervisord.stop();
    return {
      variant,
      build,
      shown: summarize(shown),
      withReason,
      exits: options.trials * variant.kills,
      exporterCpu: cpu[2 * index] ?? Number.NaN,
      supervisordCpu: cpu[2 * index + 1] ?? Number.NaN,
    };
  });
}

async function prepare(variant: Variant, build: string, exporter: string): Promise<Bed> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter,
    // Under continuous scraping the exporter would do little else than read resource usage.
    flags: ['--no-collector.resources'],
    ports,
    processes: variant.processes,
    sections: sleeperSections(variant.processes, 1, variant.command),
  });
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, variant.processes);
  return { build, log: logFileIn(dir), metrics, supervisord, shown: [], withReason: 0 };
}

function targetsOf({ processes, kills }: Variant): readonly Target[] {
  const first = Math.floor(between(0, processes));
  return Array.from({ length: kills }, (_, index) => ({
    name: `program-${(first + index) % processes}`,
    group: 'group-0',
  }));
}

function tableOf(outcomes: readonly Outcome[]): string[][] {
  const head = ['', 'build', 'median', 'p99', 'max', 'with reason', 'exporter CPU', 'supervisord'];
  const rows = outcomes.map(({ variant, build, shown, withReason, exits, ...cpu }) => [
    variant.title,
    build,
    ...[shown.median, shown.p99, shown.max].map((ms) => ms.toFixed(1)),
    `${withReason} of ${exits}`,
    ...[cpu.exporterCpu, cpu.supervisordCpu].map((percent) => `${percent.toFixed(2)} %`),
  ]);
  return [head, ...rows];
}

function goalsOf({ variant, shown, exporterCpu, supervisordCpu }: Outcome): Goal[] {
  const { median, worst } = variant.goals;
  const latency = (what: string, value: number, limit: number) =>
    atMost(
      `SIGKILL to the exit on /metrics, ${variant.title}: ${what}`,
      value,
      limit,
      (ms) => `${ms.toFixed(1)} ms`,
      'supervisord by itself: up to 1 s',
    );
  const percent = (value: number) => `${value.toFixed(2)} % of a core`;
  return [
    ...(median === undefined ? [] : [latency('median', shown.median, median)]),
    latency('worst', shown.max, worst),
    atMost(
      `idle CPU, ${variant.title}`,
      exporterCpu,
      CPU_GOAL,
      percent,
      `supervisord meanwhile: ${percent(supervisordCpu)}`,
    ),
  ];
}

/** Kills running processes together. Resolves once the exporter shows them as running again. */
async function killAndWait(targets: readonly Target[], bed: Bed): Promise<void> {
  const { log, metrics } = bed;
  const before = await metrics.read();
  for (const target of targets) {
    if (starts(before, target) !== exits(before, target) + 1) {
      throw new Error(`${target.name} is not running`);
    }
  }
  const pids = targets.map(({ name }) => pidOf(name, log));
  const began = performance.now();
  for (const pid of pids) kill(pid);
  const open = new Set(targets);
  await scrapeUntil(metrics, SCRAPE_PAUSE_MS, (shown) => {
    for (const target of open) {
      if (exits(shown, target) <= exits(before, target)) continue;
      open.delete(target);
      const { name, group } = target;
      const signal = `supervisord_exit_signal{name="${name}",group="${group}"}`;
      if (shown.value(signal) === SIGKILL) bed.withReason += 1;
    }
    return open.size === 0;
  });
  bed.shown.push(performance.now() - began);
  await scrapeUntil(metrics, SLOW_SCRAPE_PAUSE_MS, (shown) =>
    targets.every((target) => starts(shown, target) > starts(before, target)),
  );
}

function scrapeUntil(
  metrics: MetricsReader,
  pauseMs: number,
  wanted: (shown: MetricsText) => boolean,
): Promise<MetricsText> {
  const signal = AbortSignal.timeout(TRIAL_DEADLINE_MS);
  const scraping = async () => {
    for (;;) {
      const shown = await metrics.read();
      if (wanted(shown)) return shown;
      await sleep(pauseMs, undefined, { signal });
    }
  };
  return within(TRIAL_DEADLINE_MS, 'an exit or the restart', scraping());
}

function starts(shown: MetricsText, target: Target): number {
  return shown.value(series('transitions_total', target, ',from="STARTING",to="RUNNING"'));
}

function exits(shown: MetricsText, target: Target): number {
  return shown.value(series('transitions_total', target, ',from="RUNNING",to="EXITED"'));
}

function series(metric: string, { name, group }: Target, more = ''): string {
  return `supervisord_process_${metric}{name="${name}",group="${group}"${more}}`;
}
