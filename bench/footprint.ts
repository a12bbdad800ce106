/** `npm run bench footprint`: start to READY, and memory in use, against a bare `node` process. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM, RunningExporter } from '../test/support/exporter.ts';
import { step } from '../test/support/wire.ts';
import { atEnd, cleaningUp, kill } from './clean-up.ts';
import { readOptions } from './options.ts';
import { residentBytes } from './proc.ts';
import { progress } from './progress.ts';
import { atMostTimes, formatTable, reportGoals } from './report.ts';
import { Scraper } from './scraper.ts';
import { type Summary, summarize } from './statistics.ts';

const START_GOAL = 1.5;
const MEMORY_GOAL = 1.6;
/** Two runs of the same load differ by this factor. */
const NO_GROWTH = 1.05;
const SETTLE_MS = 1_000;
const MB = 2 ** 20;

/** What the shipped section sets, which other benches take from there. */
const SHIPPED: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: '1' };
const BARE = ['-e', "process.stdout.write('READY\\n'); setInterval(() => {}, 1e6)"];
const FLAGS = ['--web.listen-address=127.0.0.1:0'];
/** What may make a Node process smaller, for `--levers`. */
const LEVERS: ReadonlyArray<readonly [name: string, environment: NodeJS.ProcessEnv]> = [
  ['nothing', {}],
  ['MALLOC_ARENA_MAX=1', { MALLOC_ARENA_MAX: '1' }],
  ['MALLOC_ARENA_MAX=2', { MALLOC_ARENA_MAX: '2' }],
  ['UV_THREADPOOL_SIZE=1', { UV_THREADPOOL_SIZE: '1' }],
  ['--v8-pool-size=1', { NODE_OPTIONS: '--v8-pool-size=1' }],
  ['--max-semi-space-size=1', { NODE_OPTIONS: '--max-semi-space-size=1' }],
  ['MALLOC_TRIM_THRESHOLD_=65536', { MALLOC_TRIM_THRESHOLD_: '65536' }],
  [
    'arenas, threads and trimming',
    { MALLOC_ARENA_MAX: '1', UV_THREADPOOL_SIZE: '1', MALLOC_TRIM_THRESHOLD_: '65536' },
  ],
];

/** The transitions of each process, repeated. Linux assigns no process this pid. */
const TRANSITIONS = [
  ['STOPPED>STARTING', 'tries:0'],
  ['STARTING>RUNNING', 'pid:4194304'],
  ['RUNNING>EXITED', 'expected:0 pid:4194304'],
  ['EXITED>STARTING', 'tries:0'],
  ['STARTING>RUNNING', 'pid:4194304'],
  ['RUNNING>STOPPING', 'pid:4194304'],
  ['STOPPING>STOPPED', 'pid:4194304'],
] as const;

const counts = readOptions(
  {
    starts: 40,
    processes: 200,
    events: 20_000,
    scrapes: 100,
    rounds: 4,
  },
  ['levers'],
);

await cleaningUp(10, counts.levers ? compareLevers : measureFootprint);

/** One round with each lever. */
async function compareLevers(): Promise<void> {
  const rows: string[][] = [];
  for (const [name, environment] of LEVERS) {
    const bare = await bareMemory(environment);
    const [atReady = Number.NaN, after = Number.NaN] = await exporterMemory(environment, 1);
    const numbers = [bare, atReady, after].map((mb) => mb.toFixed(1));
    rows.push([name, ...numbers, (after / bare).toFixed(2)]);
    console.error(rows.at(-1)?.join(' '));
  }
  console.log(
    `Resident memory in MB; after ${counts.events} events and ${counts.scrapes} scrapes.\n`,
  );
  console.log(formatTable([['', 'bare node', 'at READY', 'after', 'times bare'], ...rows]));
}

async function measureFootprint(): Promise<void> {
  const starts = await measureStarts();
  const bareMb = await bareMemory({});
  const memory = await exporterMemory(SHIPPED, counts.rounds);
  const [, first = Number.NaN] = memory;
  const last = memory.at(-1) ?? Number.NaN;

  console.log(`Start to READY, ${counts.starts} of each alternating, in milliseconds.\n`);
  console.log(
    formatTable([
      ['', 'median', 'p99', 'max'],
      rowOf('supervisor-exporter', starts.exporter),
      rowOf('bare node', starts.bare),
    ]),
  );
  console.log(
    `\nResident memory in MB; a round is ${counts.events} events over ${counts.processes} processes and ${counts.scrapes} scrapes.\n`,
  );
  const heads = memory.map((_, round) => (round === 0 ? 'at READY' : `round ${round}`));
  console.log(
    formatTable([
      ['', ...heads],
      ['supervisor-exporter', ...memory.map((mb) => mb.toFixed(1))],
      ['bare node', bareMb.toFixed(1), ...memory.slice(1).map(() => '')],
    ]),
  );
  const bareNode = (value: number) => ({ name: 'a bare node process', value });
  const mb = (value: number) => `${value.toFixed(1)} MB`;
  reportGoals([
    atMostTimes(
      'start to READY, median',
      starts.exporter.median,
      bareNode(starts.bare.median),
      START_GOAL,
      (ms) => `${ms.toFixed(1)} ms`,
    ),
    atMostTimes(
      `resident memory after ${counts.events.toLocaleString('en')} events`,
      first,
      bareNode(bareMb),
      MEMORY_GOAL,
      mb,
    ),
    atMostTimes(
      'resident memory after the last round',
      last,
      { name: 'after the first round', value: first },
      NO_GROWTH,
      mb,
    ),
  ]);
}

/** In milliseconds. */
interface Starts {
  readonly exporter: Summary;
  readonly bare: Summary;
}

function rowOf(name: string, { median, p99, max }: Summary): string[] {
  return [name, ...[median, p99, max].map((ms) => ms.toFixed(1))];
}

async function measureStarts(): Promise<Starts> {
  const exporter: number[] = [];
  const bare: number[] = [];
  for (let start = 0; start < counts.starts; start++) {
    progress(`start ${start + 1} of ${counts.starts}`);
    exporter.push(await msToReady([PROGRAM, ...FLAGS]));
    bare.push(await msToReady(BARE));
  }
  return { exporter: summarize(exporter), bare: summarize(bare) };
}

function msToReady(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = startNode(args);
    child.on('error', reject);
    child.stdout?.once('data', () => {
      const ms = performance.now() - began;
      // The next process starts after this one has ended.
      child.once('close', () => resolve(ms));
      child.kill('SIGKILL');
    });
  });
}

function startNode(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const env = { PATH: process.env['PATH'], ...environment };
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'], env });
  atEnd(() => {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    if (child.pid !== undefined && !isOver) kill(child.pid);
  });
  return child;
}

async function bareMemory(environment: NodeJS.ProcessEnv): Promise<number> {
  const child = startNode(BARE, environment);
  await sleep(SETTLE_MS);
  const mb = residentBytes(child.pid ?? 0) / MB;
  child.kill('SIGKILL');
  return mb;
}

/** Resident memory at READY and after each round, in MB. */
async function exporterMemory(environment: NodeJS.ProcessEnv, rounds: number): Promise<number[]> {
  const exporter = new RunningExporter(FLAGS, environment);
  const pid = exporter.child.pid ?? 0;
  atEnd(() => exporter.child.kill('SIGKILL'));
  await exporter.ready();
  const scraper = new Scraper(exporter.url('/metrics'));
  atEnd(() => scraper.close());
  const resident = async () => {
    await sleep(SETTLE_MS);
    return residentBytes(pid) / MB;
  };
  const memory = [await resident()];
  let serial = 0;
  const eventsOfScrape = Math.ceil(counts.events / counts.scrapes);
  for (let round = 0; round < rounds; round++) {
    for (let scrape = 0; scrape < counts.scrapes; scrape++) {
      progress(`memory: round ${round + 1} of ${rounds}`);
      for (let event = 0; event < eventsOfScrape; event++) await acknowledged(exporter, serial++);
      await scraper.scrape();
    }
    memory.push(await resident());
  }
  exporter.child.kill('SIGKILL');
  return memory;
}

/** `RunningExporter.tell` polls every millisecond, which would take a minute. */
function acknowledged(exporter: RunningExporter, serial: number): Promise<void> {
  const program = serial % counts.processes;
  const [transition = '', more = ''] =
    TRANSITIONS[Math.floor(serial / counts.processes) % TRANSITIONS.length] ?? [];
  return new Promise((resolve) => {
    exporter.child.stdout.once('data', () => resolve());
    exporter.child.stdin.write(step(serial, `p${program}:p${program}`, transition, more));
  });
}
