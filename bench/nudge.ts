/** `npm run bench nudge`: from the SIGKILL of a program to its exit on /metrics, with the nudge and without. */

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { type Death, dieAndReturn, type Victim } from './death.ts';
import { idleCpu } from './idle.ts';
import { readOptions } from './options.ts';
import { pagesAt } from './page.ts';
import { PROGRAM } from './program.ts';
import { between } from './random.ts';
import { formatGoals, formatTable, type Goal } from './report.ts';
import { sleeperSections } from './sleepers.ts';
import { pidOf } from './spawns.ts';
import { allStarted } from './started.ts';
import { type Summary, summarize } from './statistics.ts';
import { logFileIn, startSupervisord } from './supervisord.ts';

const CPU_GOAL = 2;
const LEAST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 1_500;

interface Variant {
  readonly programs: number;
  readonly isNudging: boolean;
  readonly goalMs: number;
}

interface Outcome {
  readonly variant: Variant;
  readonly shown: Summary;
  readonly told: Summary;
  /** Percent of a core. */
  readonly exporterCpu: number;
  readonly supervisordCpu: number;
}

const options = readOptions({ trials: 20, few: 10, many: 1_000, idle: 10 });
const VARIANTS: readonly Variant[] = [
  { programs: options.few, isNudging: true, goalMs: 40 },
  { programs: options.few, isNudging: false, goalMs: 40 },
  { programs: options.many, isNudging: true, goalMs: 100 },
  { programs: options.many, isNudging: false, goalMs: 100 },
];

await cleaningUp(async () => {
  const program = join(temporaryFolder(), 'supervisor-exporter.cjs');
  copyFileSync(PROGRAM, program);
  const outcomes: Outcome[] = [];
  for (const variant of VARIANTS) outcomes.push(await measure(variant, program));
  console.log(
    `From the SIGKILL of a program, in ms: ${options.trials} trials each of "shown" and "told". CPU in percent of a core over ${options.idle} s.\n`,
  );
  console.log(formatTable(tableOf(outcomes)));
  console.log(`\n${formatGoals(outcomes.filter(isJudged).flatMap(goalsOf))}`);
});

async function measure(variant: Variant, program: string): Promise<Outcome> {
  console.error(`measuring: ${nameOf(variant)}`);
  const dir = temporaryFolder();
  const log = logFileIn(dir);
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter: program,
    // It is scraped without end to see what it shows: what programs use would be read all the time.
    flags: ['--no-collector.resources', ...(variant.isNudging ? [] : ['--no-supervisor.nudge'])],
    ports,
    programs: variant.programs,
    sections: sleeperSections(variant.programs, 1),
  });
  const pages = pagesAt(ports.exporter);
  atEnd(() => pages.close());
  await allStarted(supervisord, pages, variant.programs);
  const [exporterCpu = Number.NaN, supervisordCpu = Number.NaN] = await idleCpu(
    [pidOf('exporter', log), supervisord.pid],
    options.idle,
  );
  const shown: Death[] = [];
  const told: Death[] = [];
  for (let trial = 0; trial < options.trials; trial++) {
    for (const [deaths, isLookedAt] of [[shown, true] as const, [told, false] as const]) {
      await sleep(between(LEAST_PAUSE_MS, MOST_PAUSE_MS));
      deaths.push(await dieAndReturn(anyOf(variant.programs), { log, pages, isLookedAt }));
    }
  }
  supervisord.stop();
  return {
    variant,
    shown: summarize(shown.map(({ shownMs }) => shownMs)),
    told: summarize(told.map(({ stampedMs }) => stampedMs)),
    exporterCpu,
    supervisordCpu,
  };
}

function anyOf(programs: number): Victim {
  return { name: `program-${Math.floor(between(0, programs))}`, group: 'group-0' };
}

function nameOf({ programs, isNudging }: Variant): string {
  return `${programs} programs, ${isNudging ? 'with the nudge' : 'without it'}`;
}

function tableOf(outcomes: readonly Outcome[]): string[][] {
  const head = ['', 'shown: median', 'max', 'told: median', 'max', 'exporter CPU', 'supervisord'];
  const rows = outcomes.map(({ variant, shown, told, exporterCpu, supervisordCpu }) => [
    nameOf(variant),
    ...[shown.median, shown.max, told.median, told.max].map((ms) => ms.toFixed(0)),
    ...[exporterCpu, supervisordCpu].map((percent) => `${percent.toFixed(1)} %`),
  ]);
  return [head, ...rows];
}

/** What is without the nudge is there to compare with. */
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
