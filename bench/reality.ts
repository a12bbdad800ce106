/** The exporter and its peer beside a real supervisord, with programs that sleep. */

import { snapshotCalls } from '../src/resync/fetch.ts';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { accountFor } from './account.ts';
import { atEnd, temporaryFolder } from './clean-up.ts';
import { startNodeExporter } from './node-exporter.ts';
import { type Page, type Pages, pagesAt } from './page.ts';
import { residentBytes } from './proc.ts';
import { PROGRAM } from './program.ts';
import { SupervisordRpc } from './rpc.ts';
import { Scraper } from './scraper.ts';
import { sleeperSections } from './sleepers.ts';
import { pidOf } from './spawns.ts';
import { allStarted } from './started.ts';
import { median } from './statistics.ts';
import { logFileIn, startSupervisord } from './supervisord.ts';

/** A group that comes back has the exporter ask for a snapshot. */
const SPARE = 'spare';
const SPARE_SECTION = `[program:${SPARE}]\ncommand=sleep 1h\nautostart=false\n`;
const RESYNC_DEADLINE_MS = 60_000;
const LOOK_EVERY_MS = 100;
const WARM_UP_SCRAPES = 5;
const MB = 2 ** 20;
/** CPU time is told in steps of 10 ms: what is cheap is done more often, for so long. */
const LEAST_MEASURED_MS = 500;
/** What the exporter asks for at each resync. The token is none of its own, and ignored. */
const RESYNC = snapshotCalls('of a bench');

/** What one time of it takes, and what of supervisord's CPU time. */
export interface Cost {
  readonly ms: number;
  readonly supervisordMs: number;
}

export interface Measured {
  readonly scrape: Cost;
  readonly peerScrape: Cost;
  /** As the exporter itself takes its time. */
  readonly resyncMs: number;
  readonly resync: Cost;
  readonly settings: Cost;
  readonly residentMb: number;
  readonly peerResidentMb: number;
}

export interface RealPlan {
  readonly programs: number;
  /** That each quantity is measured. */
  readonly times: number;
}

export async function measureReal(plan: RealPlan): Promise<Measured> {
  const { programs } = plan;
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort(), peer: await freePort() };
  const supervisord = startSupervisord({
    dir,
    exporter: PROGRAM,
    flags: ['--no-collector.resources'],
    ports,
    programs,
    sections: `${sleeperSections(programs, 1)}\n${SPARE_SECTION}`,
  });
  const pages = pagesAt(ports.exporter);
  atEnd(() => pages.close());
  await allStarted(supervisord, pages, programs);
  const peer = startNodeExporter(ports.peer, ports.rpc);
  const rpc = new SupervisordRpc(ports.rpc);

  const { pid } = supervisord;
  const measured = {
    scrape: await costOfScrapes(pid, ports.exporter, plan.times),
    peerScrape: await costOfScrapes(pid, ports.peer, plan.times),
    resyncMs: await timeResyncs(rpc, pages, plan.times),
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
    const account = await accountFor(pid, () => repeat(action));
    taken.push(...account.result);
    cpuMs += account.cpuMs;
  }
  return { ms: median(taken), supervisordMs: cpuMs / taken.length };
}

/** Resolves to the milliseconds that each time took. */
async function repeat(action: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  const began = performance.now();
  while (performance.now() - began < LEAST_MEASURED_MS) {
    const actionBegan = performance.now();
    await action();
    taken.push(performance.now() - actionBegan);
  }
  return taken;
}

async function timeResyncs(rpc: SupervisordRpc, pages: Pages, times: number): Promise<number> {
  const taken: number[] = [];
  for (let time = 0; time < times; time++) taken.push(await timeResync(rpc, pages));
  return median(taken);
}

/** In milliseconds, as the exporter says. */
async function timeResync(rpc: SupervisordRpc, pages: Pages): Promise<number> {
  const last = (page: Page) => page.value('supervisord_exporter_last_resync_timestamp_seconds');
  const before = last(await pages.read());
  await rpc.call('removeProcessGroup', SPARE);
  await rpc.call('addProcessGroup', SPARE);
  return eventually(
    RESYNC_DEADLINE_MS,
    async () => {
      const page = await pages.read();
      if (last(page) === before) throw new Error('the exporter takes no snapshot');
      return 1_000 * page.value('supervisord_exporter_resync_duration_seconds');
    },
    LOOK_EVERY_MS,
  );
}
