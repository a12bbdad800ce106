/** `npm run bench soak`: a storm for minutes or hours, to see that the exporter keeps count and does not grow. */

import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { quiet, stopGroups } from './calm.ts';
import { atEnd, cleaningUp, temporaryFolder } from './clean-up.ts';
import { compareCounts, compareStates } from './comparison.ts';
import { LogAccount } from './log-account.ts';
import { readOptions } from './options.ts';
import { PROGRAM } from './program.ts';
import { expose, Prometheus } from './prometheus.ts';
import { runFor } from './routines.ts';
import { type ProcessInfo, SupervisordRpc } from './rpc.ts';
import { isLasting, PROGRAMS, STORM_GROUPS, soakSections } from './soak-programs.ts';
import { reportSoak } from './soak-report.ts';
import {
  exporterLogIn,
  logFileIn,
  type Ports,
  type Supervisord,
  startSupervisord,
} from './supervisord.ts';
import { PassingGroups, restarting } from './upheaval.ts';
import { vitalsOf } from './vitals.ts';
import { Watch } from './watch.ts';

const MINUTE_MS = 60_000;
const START_DEADLINE_MS = 30_000;
const SCRAPED_EVERY_MS = [1_000, 15_000];
const LOG_END = 2_000;

const options = readOptions({ minutes: 15 }, ['rejecting']);

await cleaningUp(async () => {
  const dir = temporaryFolder();
  const ports: Ports = { rpc: await freePort(), exporter: await freePort() };
  console.error(`starting a storm of ${options.minutes} min`);
  const supervisord = startSupervisord({
    dir,
    exporter: copyOfProgram(dir),
    ports,
    programs: PROGRAMS,
    sections: soakSections(dir, options.rejecting),
  });
  try {
    process.exitCode = (await soak(supervisord, dir, ports)) ? 0 : 1;
  } finally {
    if (process.exitCode !== 0) tellEndOfLog(dir);
  }
});

/** Whether the exporter is found as it should be. */
async function soak(supervisord: Supervisord, dir: string, ports: Ports): Promise<boolean> {
  const rpc = new SupervisordRpc(ports.rpc);
  const url = `http://127.0.0.1:${ports.exporter}/metrics`;
  const scrapedBy = SCRAPED_EVERY_MS.map((ms) => new Prometheus(url, ms));
  const metrics = () => expose(url);
  const pid = await eventually(START_DEADLINE_MS, async () => {
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    await metrics();
    return (await rpc.call<ProcessInfo>('getProcessInfo', 'exporter')).pid;
  });
  const log = new LogAccount(logFileIn(dir), isLasting);
  atEnd(() => log.close());
  const passing = new PassingGroups(rpc, dir);
  const watch = new Watch({ supervisord, log, pid, metrics });

  await runFor(options.minutes * MINUTE_MS, [
    ...scrapedBy.map((prometheus) => prometheus.scraping()),
    ...watch.routines(),
    restarting(rpc),
    passing.replacing(),
  ]);
  console.error('ending the storm');
  await stopGroups(rpc, STORM_GROUPS);
  const shown = await quiet(metrics);
  const processes = await rpc.processes();
  log.readOn();
  return reportSoak({
    minutes: options.minutes,
    programs: log.programs.size,
    history: watch.history,
    calm: vitalsOf(pid, shown),
    comparisons: compareCounts(shown, log.programs),
    misshown: compareStates(shown, processes),
    metrics: shown,
    discarded: log.discarded,
    furthestBehind: watch.furthestBehind,
    groupsRemoved: passing.removed,
    scrapedBy,
  });
}

/** So that a build meanwhile changes nothing. */
function copyOfProgram(dir: string): string {
  const copy = join(dir, 'supervisor-exporter.cjs');
  copyFileSync(PROGRAM, copy);
  return copy;
}

function tellEndOfLog(dir: string): void {
  const log = exporterLogIn(dir);
  if (!existsSync(log)) return;
  console.error(`the end of the exporter's log:\n${readFileSync(log, 'utf8').slice(-LOG_END)}`);
}
