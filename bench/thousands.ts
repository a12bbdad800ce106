/** `npm run bench thousands`: how costs grow from 2,000 to 5,000 processes of a real supervisord. */

import { setTimeout as sleep } from 'node:timers/promises';
import { writeBlock } from '../scripts/document-block.ts';
import { snapshotCalls } from '../src/resync/fetch.ts';
import { RpcClient } from '../src/rpc/client.ts';
import { CONFIG_CALL, parseConfigInfo } from '../src/rpc/config-info.ts';
import { parseEndpoint } from '../src/rpc/endpoint.ts';
import { eventually } from '../test/support/deadline.ts';
import { PROGRAM } from '../test/support/exporter.ts';
import type { Exposition, Labels } from '../test/support/exposition.ts';
import { freePort } from '../test/support/ports.ts';
import { cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { failUsage, readOptions } from './options.ts';
import { cpuMs, residentBytes } from './proc.ts';
import { progress } from './progress.ts';
import {
  atMost,
  circumstances,
  formatMarkdown,
  formatTable,
  formatTimes,
  reportGoals,
} from './report.ts';
import { SupervisordRpc } from './rpc.ts';
import { scrapeOnce } from './soak-load.ts';
import { median } from './statistics.ts';
import {
  copyOfExporter,
  exporterLogIn,
  logFileIn,
  pidOf,
  printEndOfLog,
  type Supervisord,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

const MB = 2 ** 20;
/** For each step of a size. */
const DEADLINE_MS = 900_000;
const CHECK_EVERY_MS = 500;
const CALL_TIMEOUT_MS = 300_000;
/** What two measurements of the same differ by. */
const TOLERANCE = 1.15;
/** The code that a scrape runs is compiled in the first ones. */
const WARM_UP_SCRAPES = 5;
/** Removing and adding this group triggers a resync. */
const SPARE = 'spare';
const CRASHING = 'crashing';
const MORE_SECTIONS = `[program:${SPARE}]
command=sleep 1h
autostart=false
[program:${CRASHING}]
command=sleep 1h
startsecs=0
autorestart=true
`;

interface Row {
  readonly what: string;
  readonly value: number;
  readonly digits: number;
  /** Whether it may grow no worse than linearly, or than what supervisord needs for an unread reply. */
  readonly isGoal?: boolean;
}

const options = readOptions(
  { few: 2_000, many: 5_000, groups: 1, kills: 5, scrapes: 10, times: 3 },
  ['write'],
);
if (options.few >= options.many) failUsage('--few: not fewer than --many');
const SIZES = [options.few, options.many];

async function measure(processes: number): Promise<Row[]> {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  console.error(`starting supervisord with ${processes} processes, and ${PROGRAM}`);
  const supervisord = startSupervisord({
    dir,
    exporter: copyOfExporter(dir),
    ports,
    processes,
    sections: `${sleeperSections(processes, options.groups)}\n${MORE_SECTIONS}`,
  });
  try {
    return await new Measurement(dir, ports, supervisord, processes).run();
  } catch (error) {
    printEndOfLog(exporterLogIn(dir));
    throw error;
  } finally {
    supervisord.stop();
  }
}

/** One supervisord with so many processes. */
class Measurement {
  readonly #log: string;
  readonly #url: string;
  readonly #rpc: SupervisordRpc;
  /** The exporter's own. */
  readonly #client: RpcClient;
  readonly #supervisord: Supervisord;
  readonly #processes: number;
  readonly #began = performance.now();

  constructor(
    dir: string,
    ports: { readonly rpc: number; readonly exporter: number },
    supervisord: Supervisord,
    processes: number,
  ) {
    this.#log = logFileIn(dir);
    this.#url = `http://127.0.0.1:${ports.exporter}`;
    this.#rpc = new SupervisordRpc(ports.rpc);
    this.#client = new RpcClient(parseEndpoint(`http://127.0.0.1:${ports.rpc}`, {}), {
      timeoutMs: CALL_TIMEOUT_MS,
      keepOpen: false,
    });
    this.#supervisord = supervisord;
    this.#processes = processes;
  }

  async run(): Promise<Row[]> {
    const boot = await this.#boot();
    const pid = pidOf('exporter', this.#log);
    for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await this.#scrape();
    const cpuBefore = cpuMs(pid);
    const scrape = await this.#median('scrape', options.scrapes, () => this.#scrape());
    const scrapeCpu = (cpuMs(pid) - cpuBefore) / options.scrapes;
    const proc = await this.#value('supervisord_exporter_collector_duration_seconds', {
      collector: 'resources',
    });
    const page = await this.#median('page', options.times, async () => {
      await (await fetch(`${this.#url}/`)).text();
    });
    const resyncs: number[] = [];
    for (let time = 0; time < options.times; time++) resyncs.push(await this.#resync());
    const calls = snapshotCalls('of a bench');
    const unreadSnapshot = await this.#median('snapshot, unread', options.times, () =>
      this.#rpc.unread('system.multicall', [calls]),
    );
    const settings = await this.#median('settings', options.times, async () =>
      parseConfigInfo(await this.#client.call(CONFIG_CALL, [])),
    );
    const unreadSettings = await this.#median('settings, unread', options.times, () =>
      this.#rpc.unread(CONFIG_CALL, []),
    );
    const kills: number[] = [];
    for (let time = 1; time <= options.kills; time++) kills.push(await this.#kill(time));
    const lost = await this.#value('supervisord_exporter_events_lost_total');
    const failures = (await this.#scrape()).sum('supervisord_exporter_resync_failures_total');
    return [
      ...boot,
      { what: 'resync, ms', value: median(resyncs), digits: 0, isGoal: true },
      { what: 'resync, ms, unread', value: unreadSnapshot, digits: 0 },
      { what: 'settings, ms', value: settings, digits: 0, isGoal: true },
      { what: 'settings, ms, unread', value: unreadSettings, digits: 0 },
      { what: 'scrape with resources, ms', value: scrape, digits: 0, isGoal: true },
      { what: 'CPU of the exporter for a scrape, ms', value: scrapeCpu, digits: 0 },
      { what: 'reading /proc, ms', value: 1_000 * proc, digits: 0 },
      { what: 'page, ms', value: page, digits: 0, isGoal: true },
      { what: 'SIGKILL to the exit on /metrics, ms', value: median(kills), digits: 0 },
      { what: 'resident memory, MB', value: residentBytes(pid) / MB, digits: 1, isGoal: true },
      { what: 'snapshots that failed', value: failures, digits: 0 },
      { what: 'events lost', value: lost, digits: 0 },
    ];
  }

  /** How long each step of the boot took, in seconds since supervisord was started. */
  async #boot(): Promise<Row[]> {
    const synced = await this.#until((shown) => shown.value('supervisord_exporter_synced') === 1);
    const started = await this.#until(
      (shown) =>
        (shown.value('supervisord_processes', { state: 'RUNNING' }) ?? 0) >= this.#processes,
    );
    const settings = await this.#until(
      (shown) => shown.where('supervisord_process_autostart', {}).length >= this.#processes,
    );
    return [
      { what: 'boot: until the first snapshot, s', value: synced, digits: 1 },
      { what: 'boot: until all events were received, s', value: started, digits: 1 },
      { what: 'boot: until the settings were known, s', value: settings, digits: 1 },
    ];
  }

  async #until(check: (shown: Exposition) => boolean): Promise<number> {
    return eventually(
      DEADLINE_MS,
      async () => {
        const since = (performance.now() - this.#began) / 1_000;
        const shown = await this.#scrape();
        const running = shown.value('supervisord_processes', { state: 'RUNNING' });
        progress(`${since.toFixed(0)} s: ${running} running`);
        if (!check(shown)) throw new Error(`not after ${since.toFixed(0)} s`);
        return since;
      },
      CHECK_EVERY_MS,
    );
  }

  /** Triggers a resync. Resolves to its milliseconds, as measured by the exporter. */
  async #resync(): Promise<number> {
    progress('resync');
    const last = 'supervisord_exporter_last_resync_timestamp_seconds';
    const before = await this.#value(last);
    await this.#rpc.call('removeProcessGroup', SPARE);
    await this.#rpc.call('addProcessGroup', SPARE);
    await this.#until((shown) => shown.value(last) !== before);
    return 1_000 * (await this.#value('supervisord_exporter_resync_duration_seconds'));
  }

  /** Resolves to the milliseconds from a SIGKILL to the exit on /metrics, the scrapes included. */
  async #kill(exits: number): Promise<number> {
    progress(`kill ${exits} of ${options.kills}`);
    await sleep(2_000);
    kill(pidOf(CRASHING, this.#log));
    const killedAt = performance.now();
    await eventually(
      DEADLINE_MS,
      async () => {
        const shown = await this.#scrape();
        if (shown.value('supervisord_process_exits_total', { name: CRASHING }) !== exits) {
          throw new Error('not yet');
        }
      },
      1,
    );
    return performance.now() - killedAt;
  }

  async #value(metric: string, labels: Labels = {}): Promise<number> {
    return (await this.#scrape()).value(metric, labels) ?? Number.NaN;
  }

  #scrape(): Promise<Exposition> {
    const failure = this.#supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    return scrapeOnce(`${this.#url}/metrics`);
  }

  async #median(what: string, times: number, action: () => Promise<unknown>): Promise<number> {
    const taken: number[] = [];
    for (let time = 0; time < times; time++) {
      progress(`${what} ${time + 1} of ${times}`);
      const began = performance.now();
      await action();
      taken.push(performance.now() - began);
    }
    return median(taken);
  }
}

await cleaningUp(10 + (options.few + options.many) / 100, async () => {
  const where = circumstances();
  const [few = [], many = []] = [await measure(options.few), await measure(options.many)];
  const linear = options.many / options.few;
  const pairs = few.map((row, index) => {
    const larger = many[index] ?? row;
    return { ...row, larger: larger.value, ratio: larger.value / row.value };
  });
  const rows = [
    ['', ...SIZES.map((size) => `${size.toLocaleString('en')} processes`), 'ratio'],
    ...pairs.map(({ what, value, digits, larger, ratio }) => [
      what,
      ...[value, larger].map((each) => each.toFixed(digits)),
      Number.isFinite(ratio) ? ratio.toFixed(2) : '',
    ]),
  ];
  console.log(formatTable(rows));
  if (options.write) {
    const table = formatMarkdown(rows);
    writeBlock('docs/reliability.md', 'thousands', `${where}\n\n${table}`);
  }
  reportGoals(
    pairs
      .filter(({ isGoal }) => isGoal)
      .map(({ what, ratio }) => {
        const unread = pairs.find((pair) => pair.what === `${what}, unread`);
        return atMost(
          `${what}: ${options.many} processes to ${options.few}`,
          ratio,
          (unread?.ratio ?? linear) * TOLERANCE,
          formatTimes,
          unread && `supervisord's reply, unread: ${formatTimes(unread.ratio)}`,
        );
      }),
  );
});
