/** `npm run bench growth`: how costs grow from 10 to 10,000 processes. */

import { writeBlock } from '../scripts/document-block.ts';
import { snapshotCalls } from '../src/resync/fetch.ts';
import { eventually } from '../test/support/deadline.ts';
import { PROGRAM } from '../test/support/exporter.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { startNodeExporter } from './node-exporter.ts';
import { readOptions } from './options.ts';
import { measureCpu, residentBytes } from './proc.ts';
import { atMost, circumstances, formatMarkdown, formatTable, reportGoals } from './report.ts';
import { SupervisordRpc } from './rpc.ts';
import { type MetricsReader, type MetricsText, metricsReaderAt, Scraper } from './scraper.ts';
import { type Pauses, type Simulated, simulate } from './simulation.ts';
import { median } from './statistics.ts';
import { allStarted, logFileIn, pidOf, sleeperSections, startSupervisord } from './supervisord.ts';

/** Removing and adding this group triggers a resync. */
const SPARE = 'spare';
const SPARE_SECTION = `[program:${SPARE}]\ncommand=sleep 1h\nautostart=false\n`;
const RESYNC_DEADLINE_MS = 60_000;
const CHECK_EVERY_MS = 100;
const WARM_UP_SCRAPES = 5;
const MB = 2 ** 20;
/** Cheap actions are repeated for this long. */
const MIN_MEASURED_MS = 500;
/** The calls of a resync. The exporter ignores the marker, which is not one of its own. */
const RESYNC = snapshotCalls('of a bench');

/** Duration of an action, and CPU time that supervisord uses for it. */
interface Cost {
  readonly ms: number;
  readonly supervisordMs: number;
}

interface Measured {
  readonly scrape: Cost;
  readonly peerScrape: Cost;
  /** As measured by the exporter. */
  readonly resyncMs: number;
  readonly resync: Cost;
  readonly settings: Cost;
  readonly residentMb: number;
  readonly peerResidentMb: number;
}

interface RealPlan {
  readonly processes: number;
  /** How often each quantity is measured. */
  readonly times: number;
}

/** The exporter and its peer with a real supervisord. */
async function measureReal(plan: RealPlan): Promise<Measured> {
  const { processes } = plan;
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort(), peer: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter: PROGRAM,
    flags: ['--no-collector.resources'],
    ports,
    processes,
    sections: `${sleeperSections(processes, 1)}\n${SPARE_SECTION}`,
  });
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, processes);
  const peer = startNodeExporter(ports.peer, ports.rpc);
  const rpc = new SupervisordRpc(ports.rpc);

  const { pid } = supervisord;
  const measured = {
    scrape: await costOfScrapes(pid, ports.exporter, plan.times),
    peerScrape: await costOfScrapes(pid, ports.peer, plan.times),
    resyncMs: await timeResyncs(rpc, metrics, plan.times),
    resync: await costOf(pid, plan.times, () => rpc.multicall(RESYNC)),
    settings: await costOf(pid, plan.times, () => rpc.call('getAllConfigInfo')),
    residentMb: residentBytes(pidOf('exporter', logFileIn(dir))) / MB,
    peerResidentMb: residentBytes(peer) / MB,
  };
  supervisord.stop();
  return measured;
}

async function costOfScrapes(pid: number, port: number, times: number): Promise<Cost> {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  atEnd(() => scraper.close());
  for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await scraper.scrape();
  return costOf(pid, times, () => scraper.scrape());
}

async function costOf(pid: number, times: number, action: () => Promise<unknown>): Promise<Cost> {
  const taken: number[] = [];
  let cpuMs = 0;
  for (let time = 0; time < times; time++) {
    const account = await measureCpu(pid, () => repeat(action));
    taken.push(...account.result);
    cpuMs += account.cpuMs;
  }
  return { ms: median(taken), supervisordMs: cpuMs / taken.length };
}

/** Resolves to the duration of each run in milliseconds. */
async function repeat(action: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  const began = performance.now();
  while (performance.now() - began < MIN_MEASURED_MS) {
    const actionBegan = performance.now();
    await action();
    taken.push(performance.now() - actionBegan);
  }
  return taken;
}

async function timeResyncs(
  rpc: SupervisordRpc,
  metrics: MetricsReader,
  times: number,
): Promise<number> {
  const taken: number[] = [];
  for (let time = 0; time < times; time++) taken.push(await timeResync(rpc, metrics));
  return median(taken);
}

/** In milliseconds, as measured by the exporter. */
async function timeResync(rpc: SupervisordRpc, metrics: MetricsReader): Promise<number> {
  const last = (page: MetricsText) =>
    page.value('supervisord_exporter_last_resync_timestamp_seconds');
  const before = last(await metrics.read());
  await rpc.call('removeProcessGroup', SPARE);
  await rpc.call('addProcessGroup', SPARE);
  return eventually(
    RESYNC_DEADLINE_MS,
    async () => {
      const page = await metrics.read();
      if (last(page) === before) throw new Error('the exporter has not taken a snapshot');
      return 1_000 * page.value('supervisord_exporter_resync_duration_seconds');
    },
    CHECK_EVERY_MS,
  );
}

const SIZES = [10, 100, 1_000, 2_000, 5_000, 10_000];
const NOT_MEASURED = '';
const PAUSE_GOALS_MS: ReadonlyMap<number, number> = new Map([
  [1_000, 10],
  [10_000, 20],
]);

interface Outcome {
  readonly processes: number;
  readonly simulated: Simulated;
  readonly real: Measured | undefined;
}

interface Row {
  readonly what: string;
  readonly cell: (outcome: Outcome) => string;
}

const options = readOptions(
  {
    min: 10,
    max: 10_000,
    /** supervisord needs a minute to start so many processes, and much longer for ten times as many. */
    real: 1_000,
    times: 3,
    starts: 2,
    rounds: 3,
  },
  ['write'],
);

const ROWS: readonly Row[] = [
  real('scrape, ms', ({ scrape }) => scrape.ms),
  real('scrape: CPU of supervisord, ms', ({ scrape }) => scrape.supervisordMs),
  real('node_exporter: scrape, ms', ({ peerScrape }) => peerScrape.ms),
  real('node_exporter: CPU of supervisord, ms', ({ peerScrape }) => peerScrape.supervisordMs),
  real('resident memory, MB', ({ residentMb }) => residentMb),
  real('node_exporter: resident memory, MB', ({ peerResidentMb }) => peerResidentMb),
  real('resync, ms', ({ resyncMs }) => resyncMs),
  real('resync: CPU of supervisord, ms', ({ resync }) => resync.supervisordMs),
  real('settings, ms', ({ settings }) => settings.ms),
  real('settings: CPU of supervisord, ms', ({ settings }) => settings.supervisordMs),
  simulated('reading a snapshot, ms', ({ readMs }) => readMs),
  simulated('scrape after 20 restarts, ms', ({ scrapeMs }) => scrapeMs),
  simulated('scrape after a resync, ms', ({ fullScrapeMs }) => fullScrapeMs),
  simulated('resident memory, MB', ({ residentMb }) => residentMb),
  simulated('acknowledgement in a storm, median ms', ({ storm }) => storm.median, 2),
  simulated('acknowledgement in a storm, p99 ms', ({ storm }) => storm.p99, 2),
  pause('nothing', 'while idle'),
  pause('firstSnapshot', 'at the first snapshot'),
  pause('settings', 'at the settings'),
  pause('snapshot', 'at a resync'),
  pause('fullScrape', 'at a scrape after a resync'),
  pause('scrape', 'at a scrape after 20 restarts'),
];

await cleaningUp(10 + options.real / 50, async () => {
  const where = circumstances();
  const outcomes: Outcome[] = [];
  for (const processes of SIZES.filter((size) => size >= options.min && size <= options.max)) {
    console.error(`measuring: ${processes} processes`);
    const isReal = processes <= options.real;
    outcomes.push({
      processes,
      real: isReal ? await measureReal({ processes, times: options.times }) : undefined,
      simulated: await simulate({ processes, starts: options.starts, rounds: options.rounds }),
    });
  }
  const head = ['processes', ...outcomes.map(({ processes }) => processes.toLocaleString('en'))];
  const rows = [head, ...ROWS.map(({ what, cell }) => [what, ...outcomes.map(cell)])];
  console.log(
    'Simulated: the bench takes the part of supervisord, and no process exists. Everything else is real.',
  );
  console.log(
    'Pauses: the median over all runs of the longest pause in a run (and the maximum).\n',
  );
  console.log(formatTable(rows));
  if (options.write) {
    writeBlock('docs/performance.md', 'growth', `${where}\n\n${formatMarkdown(rows)}`);
  }
  reportGoals(outcomes.flatMap(goalsOf));
});

function real(what: string, read: (measured: Measured) => number): Row {
  return { what, cell: ({ real }) => (real ? read(real).toFixed(1) : NOT_MEASURED) };
}

function simulated(what: string, read: (outcome: Simulated) => number, digits = 1): Row {
  return { what: `simulated: ${what}`, cell: ({ simulated }) => read(simulated).toFixed(digits) };
}

function pause(when: keyof Pauses, what: string): Row {
  return {
    what: `simulated: pause ${what}, ms`,
    cell: ({ simulated: { pauses } }) =>
      `${median(pauses[when]).toFixed(1)} (${Math.max(...pauses[when]).toFixed(1)})`,
  };
}

function goalsOf({ processes, simulated: { pauses } }: Outcome) {
  const goalMs = PAUSE_GOALS_MS.get(processes);
  if (goalMs === undefined) return [];
  return (['snapshot', 'fullScrape', 'scrape'] as const).map((when) => {
    const what = `${processes} processes, pause at ${when}`;
    return atMost(what, median(pauses[when]), goalMs, (ms) => `${ms.toFixed(1)} ms`);
  });
}
