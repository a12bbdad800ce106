/** `npm run bench resources`: a scrape of what many programs use, against process-exporter. */

import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { accountFor } from './account.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { drive } from './driver.ts';
import { readOptions } from './options.ts';
import { pagesAt } from './page.ts';
import { pin } from './pinning.ts';
import { startProcessExporter } from './process-exporter.ts';
import { PROGRAM } from './program.ts';
import { formatGoals, formatTable, type Goal } from './report.ts';
import { Scraper, samplesOf } from './scraper.ts';
import { Scraping } from './scraping.ts';
import { sleeperSections } from './sleepers.ts';
import { pidOf } from './spawns.ts';
import { allStarted } from './started.ts';
import { mean, type Summary, summarize } from './statistics.ts';
import { logFileIn, startSupervisord } from './supervisord.ts';

/** The duration differs between runs at the same time: process-exporter finds processes by their command. */
const SLEEPER = `sleep ${3_600 + (process.pid % 1_000)}`;

/** A shell that starts what sleeps. It must not replace itself by it, hence the `true`. */
const TREE = `sh -c "${SLEEPER}; true"`;
const PEER_DEADLINE_MS = 30_000;
const WARM_UP_SCRAPES = 10;
const P99_GOAL_MS = 5;
const SCRAPES_A_SECOND = 10;
const PAUSE_MS = 2;
/** Programs that the events are about, besides those that are read. */
const CHANGING_PROGRAMS = 20;

interface Target {
  readonly name: string;
  readonly pid: number;
  readonly scraper: Scraper;
  /** A metric of which each program has one series. */
  readonly metric: string;
}

interface Outcome {
  readonly name: string;
  readonly ms: Summary;
  /** CPU time of its own that a scrape took. */
  readonly cpuMs: number;
  readonly series: number;
}

const options = readOptions({ programs: 500, scrapes: 30, events: 2_000 }, ['trees']);
const command = options.trees ? TREE : SLEEPER;

await cleaningUp(async () => {
  const dir = temporaryFolder();
  const log = logFileIn(dir);
  const ports = { rpc: await freePort(), exporter: await freePort() };
  console.error(`starting supervisord with ${options.programs} programs: ${command}`);
  const supervisord = startSupervisord({
    dir,
    exporter: PROGRAM,
    ports,
    programs: options.programs,
    sections: sleeperSections(options.programs, 1, command),
  });
  const pages = pagesAt(ports.exporter);
  atEnd(() => pages.close());
  await allStarted(supervisord, pages, options.programs);

  const exporter: Target = {
    name: 'supervisor-exporter',
    pid: pidOf('exporter', log),
    scraper: scraperAt(ports.exporter),
    metric: 'supervisord_process_threads{name="program-',
  };
  const peer = await startPeer();
  console.error('measuring scrapes');
  const outcomes = await measureScrapes([exporter, peer]);
  console.error('measuring acknowledgements');
  report(outcomes, await measureAcknowledgements());
});

async function startPeer(): Promise<Target> {
  const port = await freePort();
  const commandLine = options.trees ? `^sh -c ${SLEEPER}` : `^${SLEEPER}`;
  const pid = startProcessExporter(port, commandLine);
  const peer = {
    name: 'process-exporter',
    pid,
    scraper: scraperAt(port),
    metric: 'namedprocess_namegroup_num_procs{',
  };
  await eventually(PEER_DEADLINE_MS, async () => countPrograms(peer, await peer.scraper.scrape()));
  return peer;
}

function scraperAt(port: number): Scraper {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  atEnd(() => scraper.close());
  return scraper;
}

/** The series of a scrape. Throws unless it shows every program. */
function countPrograms(
  { name, metric }: Target,
  scrape: Awaited<ReturnType<Scraper['scrape']>>,
): number {
  const samples = samplesOf(scrape);
  const shown = samples.filter((line) => line.startsWith(metric)).length;
  if (shown !== options.programs) {
    throw new Error(`${name} shows ${shown} programs, not ${options.programs}`);
  }
  return samples.length;
}

async function measureScrapes(targets: readonly Target[]): Promise<Outcome[]> {
  for (const { scraper } of targets) {
    for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await scraper.scrape();
  }
  const measured = targets.map((target) => ({
    target,
    ms: [] as number[],
    cpuMs: [] as number[],
    series: 0,
  }));
  for (let scrape = 0; scrape < options.scrapes; scrape++) {
    for (const one of measured) {
      const { result, cpuMs } = await accountFor(one.target.pid, () => one.target.scraper.scrape());
      one.ms.push(result.ms);
      one.cpuMs.push(cpuMs);
      one.series = countPrograms(one.target, result);
      await sleep(PAUSE_MS);
    }
  }
  return measured.map(({ target, ms, cpuMs, series }) => ({
    name: target.name,
    ms: summarize(ms),
    cpuMs: mean(cpuMs),
    series,
  }));
}

/** In milliseconds, of an exporter that is scraped meanwhile. */
async function measureAcknowledgements(): Promise<Summary> {
  const { programs: children } = options;
  const pinning = pin();
  const listener = [process.execPath, PROGRAM, '--web.listen-address=127.0.0.1:0'];
  const scraping = new Scraping(SCRAPES_A_SECOND);
  const plan = {
    listeners: [[...pinning.apart, ...listener]],
    programs: CHANGING_PROGRAMS,
    children,
    childCommand: ['sh', '-c', options.trees ? `${SLEEPER}; true` : `exec ${SLEEPER}`],
    blocks: 1,
    events: options.events,
    warmUp: children + options.events,
    pauseMs: PAUSE_MS,
  };
  try {
    const [taken = []] = await drive(plan, pinning.near, (stderr) => scraping.startAt(stderr));
    scraping.expect(children + CHANGING_PROGRAMS);
    scraping.expect(children, 'supervisord_process_threads');
    return summarize(taken.map((microseconds) => microseconds / 1_000));
  } finally {
    scraping.stop();
  }
}

function report([exporter, peer]: readonly Outcome[], acknowledged: Summary): void {
  if (exporter === undefined || peer === undefined) return;
  const rows = [exporter, peer].map(({ name, ms, cpuMs, series }) => [
    name,
    ms.median.toFixed(1),
    ms.p99.toFixed(1),
    ms.max.toFixed(1),
    cpuMs.toFixed(1),
    String(series),
  ]);
  const about = options.trees ? ', each a shell with a child' : '';
  console.log(
    `${options.scrapes} scrapes of each, in turns, with ${options.programs} programs${about}.\n`,
  );
  console.log(
    formatTable([['', 'median ms', 'p99 ms', 'max ms', 'own CPU ms', 'series'], ...rows]),
  );
  const { median, p99, max } = acknowledged;
  console.log(
    `\nAcknowledgements meanwhile, ${options.events} at random moments, scraped ${SCRAPES_A_SECOND} times a second: median ${median.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms`,
  );
  const goals: Goal[] = [
    {
      what: 'median',
      value: `${(peer.ms.median / exporter.ms.median).toFixed(1)} times as fast as process-exporter`,
      goal: '3.3 times, 0.3 of its time',
      isReached: exporter.ms.median <= 0.3 * peer.ms.median,
    },
    {
      what: 'p99 of an acknowledgement',
      value: `${p99.toFixed(2)} ms`,
      goal: `under ${P99_GOAL_MS} ms`,
      isReached: p99 < P99_GOAL_MS,
    },
  ];
  console.log(`\n${formatGoals(goals)}`);
}
