/** `npm run bench thousands`: a real supervisord with thousands of processes. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/deadline.ts';
import { PROGRAM } from '../test/support/exporter.ts';
import type { Exposition } from '../test/support/exposition.ts';
import { freePort } from '../test/support/ports.ts';
import { cleaningUp, kill, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { cpuMs, residentBytes } from './proc.ts';
import { formatTable } from './report.ts';
import { scrapeOnce } from './soak-load.ts';
import { median } from './statistics.ts';
import {
  copyOfExporter,
  exporterLogIn,
  logFileIn,
  pidOf,
  sleeperSections,
  startSupervisord,
} from './supervisord.ts';

const MB = 2 ** 20;
const DEADLINE_MS = 1_200_000;
const CHECK_EVERY_MS = 500;
const PRINT_EVERY_MS = 15_000;

const options = readOptions({ processes: 2_000, groups: 1, kills: 5, scrapes: 10 });

await cleaningUp(async () => {
  const { processes } = options;
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  const url = (path: string) => `http://127.0.0.1:${ports.exporter}${path}`;
  const began = performance.now();
  const since = () => (performance.now() - began) / 1_000;
  console.error(`starting supervisord with ${processes} processes, and ${PROGRAM}`);
  const supervisord = startSupervisord({
    dir,
    exporter: copyOfExporter(dir),
    ports,
    processes,
    sections: `${sleeperSections(processes, options.groups)}
[program:crashing]\ncommand=sleep 1h\nstartsecs=0\nautorestart=true\n`,
  });
  let printedAt = 0;
  const until = (check: (metrics: Exposition) => boolean): Promise<number> =>
    eventually(
      DEADLINE_MS,
      async () => {
        const failure = supervisord.failure();
        if (failure !== undefined) throw new Error(failure);
        const metrics = await scrapeOnce(url('/metrics'));
        if (performance.now() - printedAt > PRINT_EVERY_MS) {
          printedAt = performance.now();
          const up = metrics.value('supervisord_processes', { state: 'RUNNING' });
          console.error(`${since().toFixed(0)} s: ${up} running`);
        }
        if (!check(metrics)) throw new Error('not yet');
        return since();
      },
      CHECK_EVERY_MS,
    );

  const synced = await until((metrics) => metrics.value('supervisord_exporter_synced') === 1);
  const started = await until(
    (metrics) => (metrics.value('supervisord_processes', { state: 'RUNNING' }) ?? 0) >= processes,
  );
  const settings = await until(
    (metrics) => metrics.where('supervisord_process_autostart', {}).length >= processes,
  );
  const pid = pidOf('exporter', logFileIn(dir));
  const cpuBefore = cpuMs(pid);
  const scrape = await timed(options.scrapes, () => scrapeOnce(url('/metrics')));
  const scrapeCpu = (cpuMs(pid) - cpuBefore) / options.scrapes;
  const page = await timed(3, async () => {
    await (await fetch(url('/'))).text();
  });
  const kills: number[] = [];
  for (let time = 1; time <= options.kills; time++) {
    await sleep(2_000);
    kill(pidOf('crashing', logFileIn(dir)));
    const killedAt = performance.now();
    await eventually(
      DEADLINE_MS,
      async () => {
        const metrics = await scrapeOnce(url('/metrics'));
        if (metrics.value('supervisord_process_exits_total', { name: 'crashing' }) !== time) {
          throw new Error('not yet');
        }
      },
      1,
    );
    kills.push(performance.now() - killedAt);
  }
  const metrics = await scrapeOnce(url('/metrics'));
  const value = (name: string) => metrics.value(name) ?? Number.NaN;
  const failures = metrics.sum('supervisord_exporter_resync_failures_total');
  const rows: readonly (readonly [what: string, value: string])[] = [
    ['until the first snapshot, s', synced.toFixed(1)],
    ['until all events of the boot were received, s', started.toFixed(1)],
    ['until the settings were known, s', settings.toFixed(1)],
    ['last snapshot, s', value('supervisord_exporter_resync_duration_seconds').toFixed(2)],
    ['snapshots that failed', String(failures)],
    ['scrape with resources, ms (median)', scrape.toFixed(0)],
    ['CPU of the exporter for a scrape, ms (mean)', scrapeCpu.toFixed(0)],
    [
      'reading /proc, ms (last)',
      (1_000 * value('supervisord_exporter_collector_duration_seconds')).toFixed(0),
    ],
    ['page, ms (median)', page.toFixed(0)],
    ['SIGKILL to the exit on /metrics, ms (median, with the scrapes)', median(kills).toFixed(0)],
    ['resident memory, MB', (residentBytes(pid) / MB).toFixed(1)],
    ['events lost', String(value('supervisord_exporter_events_lost_total'))],
  ];
  console.log(formatTable([['', `${processes} processes`], ...rows.map((row) => [...row])]));
  console.error(readFileSync(exporterLogIn(dir), 'utf8').slice(-1_500));
});

async function timed(times: number, action: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let time = 0; time < times; time++) {
    const began = performance.now();
    await action();
    taken.push(performance.now() - began);
  }
  return median(taken);
}
