/** `npm run bench nudge`: from the SIGKILL of a process to its exit on /metrics, with and without the nudge. */

import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { idleCpu } from './proc.ts';
import { formatGoals, formatTable, type Goal } from './report.ts';
import { type MetricsReader, type MetricsText, metricsReaderAt } from './scraper.ts';
import { between, type Summary, summarize } from './statistics.ts';
import {
  allStarted,
  copyOfExporter,
  logFileIn,
  pidOf,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

const CPU_GOAL = 2;
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 1_500;

/** From the end of a scrape to the start of the next one. */
const SCRAPE_PAUSE_MS = 5;
/** The same while nothing is measured. */
const SLOW_SCRAPE_PAUSE_MS = 100;
/** Longer than supervisord sleeps in its poll. */
const QUIET_MS = 1_500;
const TRIAL_DEADLINE_MS = 30_000;

interface Target {
  readonly name: string;
  readonly group: string;
}

interface Latencies {
  /** From the kill to the end of the first scrape that shows the exit. */
  readonly shownMs: number;
  /** From the kill to the time of the exit that the exporter shows. */
  readonly stampedMs: number;
}

interface TrialOptions {
  /** The path of supervisord's log. */
  readonly log: string;
  readonly metrics: MetricsReader;
  /** Whether /metrics is scraped continuously; otherwise only after the exit was reported. */
  readonly isScraped: boolean;
}

interface Variant {
  readonly processes: number;
  readonly isNudging: boolean;
  readonly goalMs: number;
}

interface Outcome {
  readonly variant: Variant;
  readonly shown: Summary;
  readonly stamped: Summary;
  /** Percent of a core. */
  readonly exporterCpu: number;
  readonly supervisordCpu: number;
}

const options = readOptions({ trials: 20, few: 10, many: 1_000, idle: 10 });
const VARIANTS: readonly Variant[] = [
  { processes: options.few, isNudging: true, goalMs: 40 },
  { processes: options.few, isNudging: false, goalMs: 40 },
  { processes: options.many, isNudging: true, goalMs: 100 },
  { processes: options.many, isNudging: false, goalMs: 100 },
];

await cleaningUp(async () => {
  const exporter = copyOfExporter(temporaryFolder());
  const outcomes: Outcome[] = [];
  for (const variant of VARIANTS) outcomes.push(await measure(variant, exporter));
  console.log(
    `From the SIGKILL of a process, in ms: ${options.trials} trials each of "shown" and "stamped". CPU in percent of a core over ${options.idle} s.\n`,
  );
  console.log(formatTable(tableOf(outcomes)));
  console.log(`\n${formatGoals(outcomes.filter(isJudged).flatMap(goalsOf))}`);
});

async function measure(variant: Variant, exporter: string): Promise<Outcome> {
  console.error(`measuring: ${nameOf(variant)}`);
  const dir = temporaryFolder();
  const log = logFileIn(dir);
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter,
    // Under continuous scraping the exporter would do little else than read resource usage.
    flags: ['--no-collector.resources', ...(variant.isNudging ? [] : ['--no-supervisor.nudge'])],
    ports,
    processes: variant.processes,
    sections: sleeperSections(variant.processes, 1),
  });
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, variant.processes);
  const [exporterCpu = Number.NaN, supervisordCpu = Number.NaN] = await idleCpu(
    [pidOf('exporter', log), supervisord.pid],
    options.idle,
  );
  const shown: Latencies[] = [];
  const stamped: Latencies[] = [];
  for (let trial = 0; trial < options.trials; trial++) {
    for (const [latencies, isScraped] of [[shown, true] as const, [stamped, false] as const]) {
      await sleep(between(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS));
      latencies.push(await killAndWait(anyOf(variant.processes), { log, metrics, isScraped }));
    }
  }
  supervisord.stop();
  return {
    variant,
    shown: summarize(shown.map(({ shownMs }) => shownMs)),
    stamped: summarize(stamped.map(({ stampedMs }) => stampedMs)),
    exporterCpu,
    supervisordCpu,
  };
}

function anyOf(processes: number): Target {
  return { name: `program-${Math.floor(between(0, processes))}`, group: 'group-0' };
}

function nameOf({ processes, isNudging }: Variant): string {
  return `${processes} processes, ${isNudging ? 'with the nudge' : 'without the nudge'}`;
}

function tableOf(outcomes: readonly Outcome[]): string[][] {
  const head = [
    '',
    'shown: median',
    'max',
    'stamped: median',
    'max',
    'exporter CPU',
    'supervisord',
  ];
  const rows = outcomes.map(({ variant, shown, stamped, exporterCpu, supervisordCpu }) => [
    nameOf(variant),
    ...[shown.median, shown.max, stamped.median, stamped.max].map((ms) => ms.toFixed(0)),
    ...[exporterCpu, supervisordCpu].map((percent) => `${percent.toFixed(1)} %`),
  ]);
  return [head, ...rows];
}

/** The variants without the nudge are for comparison only. */
function isJudged({ variant }: Outcome): boolean {
  return variant.isNudging;
}

function goalsOf({ variant, shown, exporterCpu }: Outcome): Goal[] {
  return [
    {
      what: `${nameOf(variant)}: median to /metrics`,
      value: `${shown.median.toFixed(0)} ms`,
      goal: `at most ${variant.goalMs} ms`,
      isReached: shown.median <= variant.goalMs,
    },
    {
      what: `${nameOf(variant)}: CPU of the exporter`,
      value: `${exporterCpu.toFixed(1)} % of a core`,
      goal: `under ${CPU_GOAL} %`,
      isReached: exporterCpu < CPU_GOAL,
    },
  ];
}

/** Kills a running process. Resolves once the exporter shows it as running again. */
async function killAndWait(target: Target, trial: TrialOptions): Promise<Latencies> {
  const { log, metrics, isScraped } = trial;
  const before = await metrics.read();
  if (starts(before, target) !== exits(before, target) + 1) {
    throw new Error(`${target.name} is not running`);
  }
  const pid = pidOf(target.name, log);
  const killedAt = Date.now();
  const began = performance.now();
  kill(pid);
  if (!isScraped) await sleep(QUIET_MS);
  const hasExited = (shown: MetricsText) => exits(shown, target) > exits(before, target);
  const shown = await scrapeUntil(metrics, SCRAPE_PAUSE_MS, hasExited);
  const shownMs = performance.now() - began;
  const stampedMs = shown.value(series('last_unexpected_exit_timestamp_seconds', target)) * 1_000;

  const isRunning = (shown: MetricsText) => starts(shown, target) > starts(before, target);
  await scrapeUntil(metrics, SLOW_SCRAPE_PAUSE_MS, isRunning);
  return { shownMs, stampedMs: stampedMs - killedAt };
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
