/** `npm run bench scrape`: a scrape with many programs, against node_exporter's supervisord collector. */

import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/ports.ts';
import { type Account, accountFor } from './account.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { startNodeExporter } from './node-exporter.ts';
import { failUsage, readOptions } from './options.ts';
import { PROGRAM } from './program.ts';
import { formatGoals, formatTable } from './report.ts';
import { type Scrape, Scraper, samplesOf } from './scraper.ts';
import { sleeperSections } from './sleepers.ts';
import { mean, type Summary, summarize } from './statistics.ts';
import { type Supervisord, startSupervisord } from './supervisord.ts';

const SPEED_GOAL = 50;
/** What its own work, which goes on meanwhile, may look like. */
const NO_CPU_MS = 2;

const START_DEADLINE_MS = 600_000;
const LOOK_EVERY_MS = 1_000;
const WARM_UP_SCRAPES = 10;

interface Target {
  readonly name: string;
  readonly scraper: Scraper;
  /** The metric of which each process has one series. */
  readonly up: string;
  readonly accounts: Account<Scrape>[];
}

interface Outcome {
  readonly name: string;
  readonly ms: Summary;
  /** CPU time that supervisord used while it was scraped. */
  readonly supervisordMs: number;
  readonly series: number;
  readonly bytes: number;
}

const counts = readOptions({ programs: 1_000, groups: 1, scrapes: 30 });
if (counts.groups > counts.programs) failUsage('--groups: more groups than programs');
/** The exporter is a process of its supervisord, too. */
const processes = counts.programs + 1;

await cleaningUp(async () => {
  const ports = { rpc: await freePort(), exporter: await freePort(), peer: await freePort() };
  const exporter = target('supervisor-exporter', ports.exporter, 'supervisord_up');
  const peer = target('node_exporter', ports.peer, 'node_supervisord_up');

  console.error(`starting supervisord with ${counts.programs} programs`);
  const supervisord = startSupervisord({
    dir: temporaryFolder(),
    exporter: PROGRAM,
    // node_exporter's collector tells nothing of the kind; `resources` measures it.
    flags: ['--no-collector.resources'],
    ports,
    programs: counts.programs,
    sections: sleeperSections(counts.programs, counts.groups),
  });
  startNodeExporter(ports.peer, ports.rpc);
  await until(supervisord, 'the start of each program', async () => {
    return countStarts(await exporter.scraper.scrape()) === counts.programs;
  });

  console.error('measuring');
  for (const { scraper } of [exporter, peer]) await warmUp(scraper);
  for (let scrape = 0; scrape < counts.scrapes; scrape++) {
    for (const { scraper, accounts } of [exporter, peer]) {
      accounts.push(await accountFor(supervisord.pid, () => scraper.scrape()));
    }
  }
  report(outcomeOf(exporter), outcomeOf(peer));
});

function target(name: string, port: number, up: string): Target {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  atEnd(() => scraper.close());
  return { name, scraper, up, accounts: [] };
}

/** Waits for something that fails at first. */
async function until(
  supervisord: Supervisord,
  what: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + START_DEADLINE_MS;
  while (!(await isSo().catch(() => false))) {
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** Programs that supervisord has said are RUNNING. It is busy until it has said so of all. */
function countStarts(scrape: Scrape): number {
  return samplesOf(scrape).filter((line) =>
    /^supervisord_process_transitions_total\{name="program-.*from="STARTING",to="RUNNING"\} 1$/.test(
      line,
    ),
  ).length;
}

async function warmUp(scraper: Scraper): Promise<void> {
  for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await scraper.scrape();
}

function outcomeOf({ name, up, accounts }: Target): Outcome {
  const scrapes = accounts.map(({ result }) => {
    const samples = samplesOf(result);
    const ups = samples.filter((line) => line.startsWith(`${up}{`)).length;
    if (ups !== processes) throw new Error(`${name} shows ${ups} processes, not ${processes}`);
    return { ms: result.ms, series: samples.length, bytes: result.body.length };
  });
  return {
    name,
    ms: summarize(scrapes.map(({ ms }) => ms)),
    supervisordMs: mean(accounts.map(({ cpuMs }) => cpuMs)),
    series: scrapes.at(-1)?.series ?? 0,
    bytes: scrapes.at(-1)?.bytes ?? 0,
  };
}

function report(exporter: Outcome, peer: Outcome): void {
  const rows = [exporter, peer].map(({ name, ms, supervisordMs, series, bytes }) => [
    name,
    ms.median.toFixed(1),
    ms.p99.toFixed(1),
    ms.max.toFixed(1),
    supervisordMs.toFixed(1),
    String(series),
    String(bytes),
  ]);
  const head = ['', 'median ms', 'p99 ms', 'max ms', 'supervisord CPU ms', 'series', 'gzip bytes'];
  const ratio = peer.ms.median / exporter.ms.median;
  console.log(
    `${counts.scrapes} scrapes of each, in turns, with ${counts.programs} programs in ${counts.groups} group(s).\n`,
  );
  console.log(formatTable([head, ...rows]));
  const goals = [
    {
      what: 'median',
      value: `${ratio.toFixed(1)} times faster than node_exporter`,
      goal: `${SPEED_GOAL} times with 1000`,
      isReached: ratio >= SPEED_GOAL,
    },
    {
      what: 'CPU time of supervisord for a scrape',
      value: `${exporter.supervisordMs.toFixed(1)} ms`,
      goal: `none; up to ${NO_CPU_MS} ms can't be told from it`,
      isReached: exporter.supervisordMs <= NO_CPU_MS,
    },
  ];
  console.log(`\n${formatGoals(goals)}`);
}
