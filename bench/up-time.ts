/** `npm run bench up-time`: supervisord_process_up_seconds_total over crash cycles, against supervisord's log. */

import { readFileSync } from 'node:fs';
import { eventually } from '../test/support/deadline.ts';
import { PROGRAM } from '../test/support/exporter.ts';
import { freePort } from '../test/support/ports.ts';
import { readUpTimes } from '../test/support/up-time.ts';
import { cleaningUp, temporaryFolder } from './clean-up.ts';
import { readOptions } from './options.ts';
import { progress } from './progress.ts';
import { atMost, formatTable, reportGoals } from './report.ts';
import { type ProcessInfo, SupervisordRpc } from './rpc.ts';
import { scrapeOnce } from './soak-load.ts';
import { logFileIn, startSupervisord } from './supervisord.ts';

const GOAL_PERCENT = 0.1;
const CHECK_EVERY_MS = 500;
const DEADLINE_MS = 1_800_000;
const STOPPED = 0;

/** Each runs for 0.3 to 1 s. */
const PROCESSES = 7;
const SECTION = `[program:cycle]
command=sh -c 'sleep 0.%(process_num)d; exit 3'
process_name=%(program_name)s-%(process_num)d
numprocs=${PROCESSES}
numprocs_start=3
startsecs=0
autostart=false
autorestart=true
stdout_logfile=NONE
stderr_logfile=NONE
`;

const options = readOptions({ cycles: 1_000 });

await cleaningUp(10 + options.cycles / 50, async () => {
  const dir = temporaryFolder();
  const ports = { rpc: await freePort(), exporter: await freePort() };
  startSupervisord({ dir, exporter: PROGRAM, ports, processes: PROCESSES, sections: SECTION });
  const rpc = new SupervisordRpc(ports.rpc);
  const url = `http://127.0.0.1:${ports.exporter}/metrics`;
  // What starts before the exporter is counted from its first snapshot on.
  await eventually(DEADLINE_MS, async () => {
    const shown = await scrapeOnce(url);
    if (shown.value('supervisord_exporter_synced') !== 1) throw new Error('not synced');
  });
  await rpc.call('startProcessGroup', 'cycle');
  const logged = () =>
    [...readUpTimes(readFileSync(logFileIn(dir), 'utf8'))].filter(([name]) =>
      name.startsWith('cycle'),
    );
  await eventually(
    DEADLINE_MS,
    () => {
      const cycles = logged().reduce((sum, [, { runs }]) => sum + runs, 0);
      progress(`${cycles} of ${options.cycles} cycles`);
      if (cycles < options.cycles) throw new Error(`${cycles} of ${options.cycles} cycles`);
    },
    CHECK_EVERY_MS,
  );
  await eventually(
    DEADLINE_MS,
    async () => {
      await rpc.call<ProcessInfo[]>('stopProcessGroup', 'cycle');
      const states = (await rpc.processes()).filter(({ group }) => group === 'cycle');
      if (states.some(({ state }) => state !== STOPPED)) throw new Error('not all have stopped');
    },
    CHECK_EVERY_MS,
  );
  const metrics = await eventually(DEADLINE_MS, async () => {
    const shown = await scrapeOnce(url);
    if (shown.sum('supervisord_up', { group: 'cycle' }) > 0) throw new Error('events are missing');
    return shown;
  });
  const rows = logged().map(([name, { seconds, runs }]) => {
    const counted = metrics.value('supervisord_process_up_seconds_total', { name }) ?? Number.NaN;
    return { name, seconds, runs, counted, percent: 100 * (counted / seconds - 1) };
  });
  console.log(
    formatTable([
      ['process', 'runs', 'by the log, s', 'counted, s', 'error, %', 'error of a run, ms'],
      ...rows.map(({ name, seconds, runs, counted, percent }) => [
        name,
        String(runs),
        seconds.toFixed(3),
        counted.toFixed(3),
        percent.toFixed(3),
        ((1_000 * (counted - seconds)) / runs).toFixed(2),
      ]),
    ]),
  );
  const worst = Math.max(...rows.map(({ percent }) => Math.abs(percent)));
  reportGoals([
    atMost('worst error of a process', worst, GOAL_PERCENT, (percent) => `${percent.toFixed(3)} %`),
  ]);
});
