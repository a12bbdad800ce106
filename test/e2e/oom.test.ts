/** Real kills by the kernel's OOM killer, in a memory cgroup that the test creates. */

import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openOomSources } from '../../src/exits/oom-sources.ts';
import { eventually, timed } from '../support/deadline.ts';
import { type TestCgroup, withMemoryCgroup } from '../support/memory-cgroup.ts';
import { notRun } from '../support/not-run.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const oom = suite('OOM kills of a real kernel');

const LIMIT_BYTES = 256 * 1024 * 1024;
const TIMES = 20;

const isKernelLogReadable = (() => {
  const open = openOomSources();
  open?.close();
  return open?.sources.readKernelLog !== undefined;
})();

const SOURCES = [
  { title: "by pid in the kernel's log", user: 'root', hasLog: true },
  { title: 'by the counter of the cgroup alone', user: 'nobody', hasLog: false },
];

for (const { title, user, hasLog } of SOURCES) {
  oom(
    `each of ${TIMES} OOM kills is detected, and none of ${TIMES} other kills is reported as one, ${title}`,
    timed(240_000, () =>
      inCgroup(title, user, async (supervisord, cgroup) => {
        if (hasLog && !isKernelLogReadable)
          return notRun(`OOM kills ${title}`, 'the exporter cannot read /dev/kmsg');
        // Kills at the same time can be distinguished by the pid alone.
        if (!hasLog) await killAndCheck(supervisord, 'victim');
        await supervisord.ctl('start', 'hog');
        if (hasLog) await killAndCheck(supervisord, 'victim');
        await supervisord.until(120_000, (metrics) => {
          const name = 'hog';
          const kills = metrics.value('supervisord_process_oom_kills_total', { name }) ?? 0;
          const exits = metrics.value('supervisord_process_unexpected_exits_total', { name });
          const gauge = metrics.value('supervisord_exit_oom_killed', { name });
          assert.is.not(gauge, 0, 'no OOM kill is taken for another kill');
          assert.ok(kills >= TIMES, `${kills} OOM kills`);
          assert.ok((exits ?? 0) - kills <= 1, `${exits} exits, ${kills} OOM kills`);
        });
        await supervisord.ctl('stop', 'hog');
        assert.ok(cgroup.kills() >= TIMES);
        if (!hasLog) await ambiguous(supervisord, cgroup);
      }),
    ),
  );
}

oom(
  'an OOM kill within startsecs is detected while another process is killed as often',
  timed(120_000, () =>
    inCgroup('failed starts', 'root', async (supervisord) => {
      await supervisord.ctl('start', 'hasty');
      if (isKernelLogReadable) await killAndCheck(supervisord, 'victim');
      await supervisord.until(60_000, (metrics) => {
        const name = 'hasty';
        assert.is(metrics.value('supervisord_state', { name }), 200);
        assert.is(metrics.value('supervisord_exit_oom_killed', { name }), 1);
        assert.is(metrics.value('supervisord_process_oom_kills_total', { name }), 2);
        assert.is(metrics.value('supervisord_exit_signal', { name }), 9);
      });
    }),
  ),
);

/** Kills a process again and again: each time that is known not to be an OOM kill. */
async function killAndCheck(supervisord: Supervisord, name: string): Promise<void> {
  for (let time = 1; time <= TIMES; time++) {
    await kill(supervisord, name);
    await supervisord.until(20_000, (metrics) => {
      const exits = metrics.value('supervisord_process_unexpected_exits_total', { name });
      assert.is(exits, time);
      assert.is(metrics.value('supervisord_exit_signal', { name }), 9);
      assert.is(metrics.value('supervisord_exit_oom_killed', { name }), 0);
      assert.is(metrics.value('supervisord_process_oom_kills_total', { name }), 0);
      assert.is(metrics.value('supervisord_state', { name }), 20);
    });
  }
}

/** Kills a process in the moment of an OOM kill: which of the two it was is not known. */
async function ambiguous(supervisord: Supervisord, cgroup: TestCgroup): Promise<void> {
  const pid = await pidOf(supervisord, 'other');
  const before = cgroup.kills();
  const hog = (await supervisord.metrics()).value('supervisord_process_oom_kills_total', {
    name: 'hog',
  });
  await supervisord.ctl('start', 'hog');
  await eventually(20_000, () => assert.ok(cgroup.kills() > before), 1);
  process.kill(pid, 'SIGKILL');
  // The next OOM kill would be another candidate.
  await supervisord.ctl('stop', 'hog');
  await supervisord.until(20_000, (metrics) => {
    const of = (name: string) => ({
      signal: metrics.value('supervisord_exit_signal', { name }),
      oomKilled: metrics.value('supervisord_exit_oom_killed', { name }),
      kills: metrics.value('supervisord_process_oom_kills_total', { name }),
    });
    assert.equal(of('other'), { signal: 9, oomKilled: undefined, kills: 0 });
    assert.is(of('hog').kills, hog, 'nor is the other kill taken for one');
  });
}

async function kill(supervisord: Supervisord, name: string): Promise<void> {
  process.kill(await pidOf(supervisord, name), 'SIGKILL');
}

async function pidOf(supervisord: Supervisord, name: string): Promise<number> {
  return (await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', name)).pid;
}

async function inCgroup(
  title: string,
  user: string,
  body: (supervisord: Supervisord, cgroup: TestCgroup) => Promise<void>,
): Promise<void> {
  const obstacle = await withMemoryCgroup(LIMIT_BYTES, (cgroup) =>
    play(
      {
        conf: 'oom',
        cgroup: cgroup.folder,
        files: { 'log.conf': '[supervisord]\nloglevel=info\n' },
        section: { user },
        prepare: (dir) => execFileSync('chmod', ['755', dir]),
      },
      async (supervisord) => {
        await supervisord.until(30_000, (metrics) => {
          for (const name of ['victim', 'other']) {
            assert.is(metrics.value('supervisord_state', { name }), 20);
          }
          assert.is(metrics.value('supervisord_process_stop_kills_total', { name: 'hog' }), 0);
        });
        // Kills before the first reading of the counters are unknown.
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        await body(supervisord, cgroup);
      },
    ),
  );
  if (obstacle !== undefined) notRun(`OOM kills ${title}`, obstacle);
}

oom.run();
