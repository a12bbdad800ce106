/**
 * `npm run bench nudge`: from the SIGKILL of a process to its exit on /metrics. With the
 * environment variable BEFORE, the file of an earlier build, the two are measured side by side:
 * both run at the same time, each with its own supervisord, and the kills alternate.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, within } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { atRest, idleCpu } from './proc.ts';
import { progress } from './progress.ts';
import { atMost, formatTable, type Goal, reportGoals } from './report.ts';
import { type MetricsReader, type MetricsText, metricsReaderAt } from './scraper.ts';
import { between, median, type Summary, summarize } from './statistics.ts';
import {
  allStarted,
  copyOfExporter,
  logFileIn,
  type Ports,
  pidOf,
  pidsIn,
  type Supervisord,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

const CPU_GOAL = 0.8;
const P99_GOAL_MS = 120;
const HELD_GOAL_MS = 150;
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 1_500;

/** The next delay is so much longer after a scrape that did not show the exit, else shorter. */
const DELAY_FACTOR = 1.2;
const SHORTEST_DELAY_MS = 1;
/**
 * After processes have been added while the settings were fetched, they are fetched again, up to
 * a minute later so that this takes little of supervisord's time.
 */
const SETTLE_MS = 60_000;
const START_DEADLINE_MS = 120_000;

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
  /** In milliseconds. With a median, idle CPU is measured as well. */
  readonly goals: { readonly median?: number; readonly worst: number };
}

/** Percent of a core, while nothing happens. */
interface IdleCpu {
  readonly exporter: number;
  readonly supervisord: number;
}

interface Outcome {
  readonly variant: Variant;
  readonly build: string;
  /** From the kill to the start of a scrape that shows the exit: half of the scrapes do. NaN if not measured. */
  readonly scrapedAfter: number;
  /** From the kill to the end of the first scrape that shows the exit. */
  readonly shown: Summary;
  /** Exits whose first scrape also showed the signal. */
  readonly withReason: number;
  readonly exits: number;
  /** undefined if not measured. */
  readonly idle: IdleCpu | undefined;
  /** Idle CPU of supervisord without the exporter. */
  readonly aloneCpu: number;
}

/** One supervisord with one build of the exporter. */
interface Bed {
  readonly build: string;
  readonly log: string;
  readonly metrics: MetricsReader;
  readonly supervisord: Supervisord;
  /** From the next kill to its first scrape. */
  delayMs: number;
  /** From each kill to the start of its first scrape. */
  readonly scrapedAfter: number[];
  readonly shown: number[];
  withReason: number;
}

/** Its child keeps the pipes open. */
const HOLDER = "sh -c 'sleep 1h & wait'";

const options = readOptions({ trials: 30, few: 10, many: 800, idle: 20 });
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
    `\nFrom the SIGKILL of a process, in ms, ${options.trials} trials each: to the start of a scrape that shows its exit, and to the end of the first one that does. CPU in percent of a core over ${options.idle} s, idle.\n`,
  );
  reportGoals(outcomes.filter(({ build }) => build === 'now').flatMap(goalsOf));
});

async function measure(
  variant: Variant,
  builds: ReadonlyMap<string, string>,
): Promise<readonly Outcome[]> {
  console.error(`measuring: ${variant.title}`);
  const isIdleMeasured = variant.goals.median !== undefined;
  const aloneCpu = isIdleMeasured ? await idleWithoutExporter(variant) : Number.NaN;
  const beds: Bed[] = [];
  for (const [build, exporter] of builds) beds.push(await prepare(variant, build, exporter));
  const idle = isIdleMeasured ? await measureIdle(beds) : [];
  for (let trial = 0; trial < options.trials; trial++) {
    progress(`trial ${trial + 1} of ${options.trials}`);
    for (const bed of beds) {
      await sleep(between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
      await killAndWait(targetsOf(variant), bed);
    }
  }
  return beds.map(({ build, scrapedAfter, shown, withReason, supervisord }, index) => {
    supervisord.stop();
    return {
      variant,
      build,
      // The first half leads to where shown and not shown alternate.
      scrapedAfter: median(scrapedAfter.slice(scrapedAfter.length / 2)),
      shown: summarize(shown),
      withReason,
      exits: options.trials * variant.kills,
      idle: idle[index],
      aloneCpu,
    };
  });
}

async function measureIdle(beds: readonly Bed[]): Promise<readonly IdleCpu[]> {
  const pids = beds.flatMap(({ log, supervisord }) => [pidOf('exporter', log), supervisord.pid]);
  const percents = await idleCpu(pids, options.idle);
  return beds.map((_, index) => ({
    exporter: percents[2 * index] ?? Number.NaN,
    supervisord: percents[2 * index + 1] ?? Number.NaN,
  }));
}

async function idleWithoutExporter(variant: Variant): Promise<number> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startWith(variant, dir, undefined, ports);
  await eventually(START_DEADLINE_MS, () => {
    if (pidsIn(logFileIn(dir)).size < variant.processes) throw new Error('not all are started');
  });
  await atRest(supervisord.pid);
  const [percent = Number.NaN] = await idleCpu([supervisord.pid], options.idle);
  supervisord.stop();
  return percent;
}

async function prepare(variant: Variant, build: string, exporter: string): Promise<Bed> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startWith(variant, dir, exporter, ports);
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, variant.processes);
  await eventually(START_DEADLINE_MS, async () => {
    const known = (await metrics.read()).count(/^supervisord_process_start_retries\{/gm);
    if (known < variant.processes) throw new Error('not all settings are known');
  });
  if (variant.goals.median !== undefined) await sleep(SETTLE_MS);
  await atRest(supervisord.pid);
  const delayMs = variant.goals.median ?? 0;
  const measured = { scrapedAfter: [], shown: [], withReason: 0 };
  return { build, log: logFileIn(dir), metrics, supervisord, delayMs, ...measured };
}

function startWith(
  { processes, command }: Variant,
  dir: string,
  exporter: string | undefined,
  ports: Ports,
): Supervisord {
  return startSupervisord({
    dir,
    exporter,
    // Under continuous scraping the exporter would do little else than read resource usage.
    flags: ['--no-collector.resources'],
    ports,
    processes,
    sections: sleeperSections(processes, 1, command),
  });
}

function targetsOf({ processes, kills }: Variant): readonly Target[] {
  const first = Math.floor(between(0, processes));
  return Array.from({ length: kills }, (_, index) => ({
    name: `program-${(first + index) % processes}`,
    group: 'group-0',
  }));
}

function tableOf(outcomes: readonly Outcome[]): string[][] {
  const head = [
    '',
    'build',
    'scraped after',
    'read after: median',
    'p99',
    'max',
    'with reason',
    'exporter CPU',
    'supervisord',
    'without exporter',
  ];
  const number = (value = Number.NaN, unit = '', digits = 1) =>
    Number.isNaN(value) ? '' : `${value.toFixed(digits)}${unit}`;
  const rows = outcomes.map(
    ({ variant, build, scrapedAfter, shown, withReason, exits, idle, aloneCpu }) => [
      variant.title,
      build,
      ...[scrapedAfter, shown.median, shown.p99, shown.max].map((ms) => number(ms)),
      `${withReason} of ${exits}`,
      ...[idle?.exporter, idle?.supervisord, aloneCpu].map((percent) => number(percent, ' %', 2)),
    ],
  );
  return [head, ...rows];
}

function goalsOf({ variant, scrapedAfter, shown, idle, aloneCpu }: Outcome): Goal[] {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const alone = 'supervisord by itself: up to 1 s';
  const latency = (what: string, value: number, limit: number, against = alone) =>
    atMost(`SIGKILL to the exit on /metrics, ${variant.title}: ${what}`, value, limit, ms, against);
  const worst = latency('worst', shown.max, variant.goals.worst);
  if (variant.goals.median === undefined || idle === undefined) return [worst];
  const percent = (value: number) => `${value.toFixed(2)} %`;
  const read = `${alone}; to the end of the scrape: ${ms(shown.median)}`;
  return [
    latency('median', scrapedAfter, variant.goals.median, read),
    worst,
    atMost(
      `idle CPU, ${variant.title}`,
      idle.exporter,
      CPU_GOAL,
      (value) => `${percent(value)} of a core`,
      `supervisord meanwhile: ${percent(idle.supervisord)}, without the exporter ${percent(aloneCpu)}`,
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
  let scrapes = 0;
  if (bed.delayMs > 0) await sleep(bed.delayMs);
  const scrapedAfter = performance.now() - began;
  await scrapeUntil(metrics, SCRAPE_PAUSE_MS, (shown) => {
    scrapes += 1;
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
  if (bed.delayMs > 0) {
    bed.scrapedAfter.push(scrapedAfter);
    const delay = scrapes === 1 ? bed.delayMs / DELAY_FACTOR : bed.delayMs * DELAY_FACTOR;
    bed.delayMs = Math.max(SHORTEST_DELAY_MS, delay);
  }
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
