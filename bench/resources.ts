/** `npm run bench resources`: a scrape with the resource usage of many processes, against process-exporter. */

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/deadline.ts';
import { PROGRAM } from '../test/support/exporter.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { pin, runDriver } from './driver.ts';
import { readOptions } from './options.ts';
import { measureCpu } from './proc.ts';
import { progress } from './progress.ts';
import { atMost, atMostTimes, formatTable, type Goal, reportGoals } from './report.ts';
import { metricsReaderAt, PeriodicScraper, Scraper, samplesOf } from './scraper.ts';
import { mean, type Summary, summarize } from './statistics.ts';
import { allStarted, logFileIn, pidOf, sleeperSections, startSupervisord } from './supervisord.ts';

/** The duration differs between concurrent runs: process-exporter finds processes by their command. */
const SLEEPER = `sleep ${3_600 + (process.pid % 1_000)}`;

/** A shell with a sleeping child. The `true` prevents the shell from replacing itself. */
const TREE = `sh -c "${SLEEPER}; true"`;
const PEER_DEADLINE_MS = 30_000;
const WARM_UP_SCRAPES = 10;
const P99_GOAL_MS = 5;
const SCRAPES_A_SECOND = 10;
const PAUSE_MS = 2;
const WITH_IO = 'exporter-with-io';
/** Of the time of process-exporter. */
const GOAL = 0.3;
const GOAL_WITH_IO = 0.5;
/** Processes that the events are about, besides those whose usage is read. */
const CHANGING_PROCESSES = 20;

interface Target {
  readonly name: string;
  readonly pid: number;
  readonly scraper: Scraper;
  /** The prefix of a metric of which each process has one series. */
  readonly metric: string;
}

interface Outcome {
  readonly name: string;
  readonly ms: Summary;
  /** CPU time that the exporter used per scrape. */
  readonly cpuMs: number;
  readonly series: number;
}

const options = readOptions({ processes: 500, scrapes: 30, events: 2_000 }, ['trees']);
const command = options.trees ? TREE : SLEEPER;

await cleaningUp(10, async () => {
  const dir = temporaryFolder();
  const log = logFileIn(dir);
  const ports = { rpc: await freePort(), exporter: await freePort(), withIo: await freePort() };
  console.error(`starting supervisord with ${options.processes} processes: ${command}`);
  const supervisord = startSupervisord({
    dir,
    exporter: PROGRAM,
    ports,
    processes: options.processes,
    sections: `${sleeperSections(options.processes, 1, command)}\n${listenerWithIo(ports.withIo)}`,
  });
  const metrics = metricsReaderAt(ports.exporter);
  atEnd(() => metrics.close());
  await allStarted(supervisord, metrics, options.processes);

  const exporter: Target = {
    name: 'supervisor-exporter',
    pid: pidOf('exporter', log),
    scraper: scraperAt(ports.exporter),
    metric: 'supervisord_process_threads{name="program-',
  };
  const peer = await startPeer();
  console.error('measuring scrapes');
  const withIo: Target = {
    name: 'with --collector.resources.io',
    pid: pidOf(WITH_IO, log),
    scraper: scraperAt(ports.withIo),
    metric: 'supervisord_process_written_bytes_total{name="program-',
  };
  const outcomes = await measureScrapes([exporter, withIo, peer]);
  console.error('measuring acknowledgements');
  report(outcomes, await measureAcknowledgements());
});

/** A second exporter of the same supervisord. */
function listenerWithIo(port: number): string {
  return `[eventlistener:${WITH_IO}]
command=${process.execPath} ${PROGRAM} --web.listen-address=127.0.0.1:${port} --collector.resources.io
events=PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_60
buffer_size=8192
priority=-9875
stdout_logfile=NONE
stderr_logfile=NONE
`;
}

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
  await eventually(PEER_DEADLINE_MS, async () => countSeries(peer, await peer.scraper.scrape()));
  return peer;
}

/**
 * Starts process-exporter with a group per process whose command line matches, including its
 * descendants. Threads and smaps are off, which makes it as cheap as possible. Returns its pid.
 */
function startProcessExporter(port: number, commandLine: string): number {
  const config = join(temporaryFolder(), 'process-exporter.yml');
  writeFileSync(config, `process_names: [{ name: "{{.PID}}", cmdline: ['${commandLine}'] }]\n`);
  const child = spawn(
    'prometheus-process-exporter',
    [
      `-config.path=${config}`,
      '-threads=false',
      '-gather-smaps=false',
      `-web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('prometheus-process-exporter cannot be started');
  atEnd(() => {
    if (child.exitCode === null && child.signalCode === null) kill(pid);
  });
  return pid;
}

function scraperAt(port: number): Scraper {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  atEnd(() => scraper.close());
  return scraper;
}

/** Returns the number of series of a scrape. Throws unless it shows every process. */
function countSeries(
  { name, metric }: Target,
  scrape: Awaited<ReturnType<Scraper['scrape']>>,
): number {
  const samples = samplesOf(scrape);
  const shown = samples.filter((line) => line.startsWith(metric)).length;
  if (shown !== options.processes) {
    throw new Error(`${name} shows ${shown} processes, not ${options.processes}`);
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
    progress(`scrape ${scrape + 1} of ${options.scrapes}`);
    for (const one of measured) {
      const { result, cpuMs } = await measureCpu(one.target.pid, () => one.target.scraper.scrape());
      one.ms.push(result.ms);
      one.cpuMs.push(cpuMs);
      one.series = countSeries(one.target, result);
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

/** In milliseconds, for another exporter that reads the usage of its processes while it is scraped. */
async function measureAcknowledgements(): Promise<Summary> {
  const { processes: children } = options;
  const pinning = pin();
  const listener = [process.execPath, PROGRAM, '--web.listen-address=127.0.0.1:0'];
  const scraper = new PeriodicScraper(SCRAPES_A_SECOND);
  const plan = {
    listeners: [[...pinning.apart, ...listener]],
    processes: CHANGING_PROCESSES,
    children,
    childCommand: ['sh', '-c', options.trees ? `${SLEEPER}; true` : `exec ${SLEEPER}`],
    blocks: 1,
    events: options.events,
    warmUp: children + options.events,
    pauseMs: PAUSE_MS,
  };
  try {
    const [taken = []] = await runDriver(plan, pinning.near, (stderr) => scraper.startAt(stderr));
    scraper.expect(children + CHANGING_PROCESSES);
    scraper.expect(children, 'supervisord_process_threads');
    return summarize(taken.map((microseconds) => microseconds / 1_000));
  } finally {
    scraper.stop();
  }
}

function report([exporter, withIo, peer]: readonly Outcome[], acknowledged: Summary): void {
  if (exporter === undefined || withIo === undefined || peer === undefined) return;
  const rows = [exporter, withIo, peer].map(({ name, ms, cpuMs, series }) => [
    name,
    ms.median.toFixed(1),
    ms.p99.toFixed(1),
    ms.max.toFixed(1),
    cpuMs.toFixed(1),
    String(series),
  ]);
  const about = options.trees ? ', each a shell with a child' : '';
  console.log(
    `${options.scrapes} scrapes of each, in turns, with ${options.processes} processes${about}.\n`,
  );
  console.log(
    formatTable([['', 'median ms', 'p99 ms', 'max ms', 'own CPU ms', 'series'], ...rows]),
  );
  const { median, p99, max } = acknowledged;
  console.log(
    `\nAcknowledgements meanwhile, ${options.events} at random moments, scraped ${SCRAPES_A_SECOND} times a second: median ${median.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms`,
  );
  reportGoals([
    shareOf(
      `scrape of ${options.processes} processes with resources, median`,
      peer,
      exporter,
      GOAL,
    ),
    shareOf('the same with --collector.resources.io', peer, withIo, GOAL_WITH_IO),
    atMost(
      `event to acknowledgement, while ${options.processes} processes are read: p99`,
      p99,
      P99_GOAL_MS,
      (ms) => `${ms.toFixed(2)} ms`,
      '',
    ),
  ]);
}

function shareOf(what: string, peer: Outcome, { ms }: Outcome, goal: number): Goal {
  const value = { name: 'process-exporter', value: peer.ms.median };
  return atMostTimes(what, ms.median, value, goal, (each) => `${each.toFixed(1)} ms`);
}
