/** `npm run bench soak`: whether counts stay exact and memory stays constant during hours of load. */

import { existsSync } from 'node:fs';
import { eventually } from '../test/support/deadline.ts';
import type { Exposition } from '../test/support/exposition.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { type ProcessInfo, SupervisordRpc } from './rpc.ts';
import {
  ChangingGroups,
  evenly,
  isPermanent,
  PROCESSES,
  type Routine,
  restarting,
  runFor,
  STORM_GROUPS,
  SteadyScraper,
  scrapeOnce,
  soakSections,
} from './soak-load.ts';
import {
  compareCounts,
  compareStates,
  LogAccount,
  reportSoak,
  type Vitals,
  vitalsOf,
} from './soak-report.ts';
import {
  copyOfExporter,
  exporterLogIn,
  logFileIn,
  type Ports,
  printEndOfLog,
  type Supervisord,
  startSupervisord,
} from './supervisord.ts';

const SAMPLE_EVERY_MS = 10_000;
const PRINT_EVERY_MS = 15_000;
const FAILURE_CHECK_EVERY_MS = 1_000;

interface Monitored {
  readonly supervisord: Supervisord;
  readonly log: LogAccount;
  /** The pid of the exporter. */
  readonly pid: number;
  readonly metrics: () => Promise<Exposition>;
}

/** Samples the exporter regularly, and fails when it or supervisord ends. */
class Monitor {
  readonly history: Vitals[] = [];
  /** The largest number of starts that were logged but not counted yet. */
  largestLag = 0;
  readonly #monitored: Monitored;
  #lag = 0;

  constructor(monitored: Monitored) {
    this.#monitored = monitored;
  }

  routines(): Routine[] {
    const began = Date.now();
    return [
      { pauseMs: evenly(FAILURE_CHECK_EVERY_MS), round: () => this.#failIfEnded() },
      { pauseMs: evenly(SAMPLE_EVERY_MS), round: () => this.#sample() },
      {
        pauseMs: evenly(PRINT_EVERY_MS),
        round: () => console.error(this.#progress((Date.now() - began) / MINUTE_MS)),
      },
    ];
  }

  #failIfEnded(): void {
    const { supervisord, log, pid } = this.#monitored;
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    if (!existsSync(`/proc/${pid}`)) throw new Error('the exporter has ended');
    log.readOn();
  }

  async #sample(): Promise<void> {
    const { log, pid, metrics } = this.#monitored;
    log.readOn();
    const logged = log.sum('spawned');
    const shown = await metrics();
    this.history.push(vitalsOf(pid, shown));
    this.#lag = logged - startsIn(shown, log);
    this.largestLag = Math.max(this.largestLag, this.#lag);
  }

  #progress(minutes: number): string {
    const { log } = this.#monitored;
    const vitals = this.history.at(-1);
    return [
      `${minutes.toFixed(1)} min: ${log.sum('spawned')} starts`,
      `${this.#lag} of them not counted yet`,
      `${vitals?.residentMb.toFixed(1)} MB resident`,
      `${vitals?.heapMb.toFixed(1)} MB heap`,
      `${vitals?.descriptors} descriptors`,
      `${vitals?.serialGaps} gaps`,
    ].join(', ');
  }
}

function startsIn(metrics: Exposition, log: LogAccount): number {
  return metrics
    .where('supervisord_process_transitions_total', { to: 'STARTING' })
    .filter(({ labels }) => log.processes.has(labels['name'] ?? ''))
    .reduce((total, { value }) => total + value, 0);
}

const STOP_DEADLINE_MS = 60_000;
const QUIET_DEADLINE_MS = 180_000;
const QUIET_SECONDS = 2;
const CHECK_EVERY_MS = 250;
const STOPPED = 0;

/** Stops groups. It retries, since supervisord cannot stop a process that is between two runs. */
async function stopGroups(rpc: SupervisordRpc, groups: readonly string[]): Promise<void> {
  await eventually(
    STOP_DEADLINE_MS,
    async () => {
      for (const group of groups) await rpc.call('stopProcessGroup', group);
      const running = (await rpc.processes()).filter(
        ({ group, state }) => groups.includes(group) && state !== STOPPED,
      );
      if (running.length > 0) throw new Error(`${running.length} processes cannot be stopped`);
    },
    CHECK_EVERY_MS,
  );
}

/** Waits until the exporter has received all queued events. Resolves to its metrics. */
function untilQuiet(scrape: () => Promise<Exposition>): Promise<Exposition> {
  return eventually(
    QUIET_DEADLINE_MS,
    async () => {
      const metrics = await scrape();
      const last = metrics.value('supervisord_exporter_last_event_timestamp_seconds') ?? Infinity;
      if (last > Date.now() / 1000 - QUIET_SECONDS) throw new Error('events are still arriving');
      return metrics;
    },
    CHECK_EVERY_MS,
  );
}

const MINUTE_MS = 60_000;
const START_DEADLINE_MS = 30_000;
const SCRAPED_EVERY_MS = [1_000, 15_000];

const options = readOptions({ minutes: 15 }, ['rejecting']);

await cleaningUp(10 + 2 * options.minutes, async () => {
  const dir = temporaryFolder();
  const ports: Ports = { rpc: await freePort(), exporter: await freePort() };
  console.error(`starting a storm of ${options.minutes} min`);
  const supervisord = startSupervisord({
    dir,
    exporter: copyOfExporter(dir),
    ports,
    processes: PROCESSES,
    sections: soakSections(dir, options.rejecting),
  });
  try {
    await soak(supervisord, dir, ports);
  } catch (error) {
    process.exitCode = 1;
    throw error;
  } finally {
    if (process.exitCode === 1) printEndOfLog(exporterLogIn(dir));
  }
});

async function soak(supervisord: Supervisord, dir: string, ports: Ports): Promise<void> {
  const rpc = new SupervisordRpc(ports.rpc);
  const url = `http://127.0.0.1:${ports.exporter}/metrics`;
  const scrapers = SCRAPED_EVERY_MS.map((ms) => new SteadyScraper(url, ms));
  const metrics = () => scrapeOnce(url);
  const pid = await eventually(START_DEADLINE_MS, async () => {
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    await metrics();
    return (await rpc.call<ProcessInfo>('getProcessInfo', 'exporter')).pid;
  });
  const log = new LogAccount(logFileIn(dir), isPermanent);
  atEnd(() => log.close());
  const changing = new ChangingGroups(rpc, dir);
  const monitor = new Monitor({ supervisord, log, pid, metrics });

  await runFor(options.minutes * MINUTE_MS, [
    ...scrapers.map((scraper) => scraper.scraping()),
    ...monitor.routines(),
    restarting(rpc),
    changing.replacing(),
  ]);
  console.error('ending the storm');
  await stopGroups(rpc, STORM_GROUPS);
  const shown = await untilQuiet(metrics);
  const processes = await rpc.processes();
  log.readOn();
  reportSoak({
    minutes: options.minutes,
    processes: log.processes.size,
    history: monitor.history,
    final: vitalsOf(pid, shown),
    comparisons: compareCounts(shown, log.processes),
    wrongStates: compareStates(shown, processes),
    metrics: shown,
    discarded: log.discarded,
    largestLag: monitor.largestLag,
    groupsRemoved: changing.removed,
    scrapers,
  });
}
