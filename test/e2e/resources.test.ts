import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { PROGRAM, type RunningExporter, withExporter } from '../support/exporter.ts';
import type { Exposition } from '../support/exposition.ts';
import { play, type Supervisord } from '../support/supervisord.ts';
import { step } from '../support/wire.ts';

const resources = suite('resources');

const METRICS = [
  'cpu_seconds_total',
  'resident_memory_bytes',
  'virtual_memory_bytes',
  'threads',
  'open_fds',
  'max_fds',
  'subprocesses',
].map((name) => `supervisord_process_${name}`);

resources(
  'the usage of processes agrees with ps and /proc',
  timed(60_000, () =>
    play({ conf: 'resources' }, async (supervisord) => {
      await untilUp(supervisord);
      await supervisord.until(10_000, (metrics) => {
        assert.ok((used(metrics, 'holder', 'resident_memory_bytes') ?? 0) > 64 * 2 ** 20);
        const seconds = cpuOf(metrics, 'wrapped');
        // Less than a whole tick of each mode is left out.
        assert.ok(seconds > 0.25, `${seconds} s`);
        assert.is(used(metrics, 'wrapped', 'threads'), 6);
      });
      for (const name of ['sleeper', 'holder', 'wrapped']) await assertAgree(supervisord, name);
      const metrics = await supervisord.metrics();
      assert.is(used(metrics, 'sleeper', 'subprocesses'), 1);
      assert.is(used(metrics, 'wrapped', 'subprocesses'), 2);
      assert.ok((used(metrics, 'wrapped', 'open_fds') ?? 0) >= 23);

      await supervisord.ctl('stop', 'wrapped');
      await supervisord.until(5_000, (stopped) => {
        assert.is(stopped.value('supervisord_up', { name: 'wrapped' }), 0);
        for (const metric of METRICS) assert.equal(stopped.where(metric, { name: 'wrapped' }), []);
      });
    }),
  ),
);

resources(
  'while workers come and go CPU time never decreases, and in the end it is the sum of all of them',
  timed(60_000, () =>
    play({ conf: 'resources' }, async (supervisord) => {
      await untilUp(supervisord);
      const pid = await pidOf(supervisord, 'workers');
      let last = 0;
      let most = 0;
      for (let reading = 0; reading < 80; reading++) {
        const metrics = await supervisord.metrics();
        const now = cpuOf(metrics, 'workers');
        assert.ok(now >= last, `${now} after ${last}`);
        last = now;
        most = Math.max(most, used(metrics, 'workers', 'subprocesses') ?? 0);
      }
      assert.ok(most >= 3, `at most ${most} processes at once`);
      supervisord.writeConf('stop', '');
      await supervisord.until(10_000, (metrics) => {
        assert.is(used(metrics, 'workers', 'subprocesses'), 1);
        assert.is(cpuOf(metrics, 'workers').toFixed(2), cpuSeconds(pid).toFixed(2));
      });
      assert.ok(last > 0.5, `only ${last} s`);
    }),
  ),
);

resources(
  'an exporter that was started through a shell shows the same series',
  timed(60_000, () => {
    const address = '--web.listen-address=127.0.0.1:%(ENV_STORY_PORT)s';
    const command = `sh -c "${process.execPath} ${PROGRAM} ${address}; true"`;
    return play({ conf: 'resources', section: { command } }, async (supervisord) => {
      await untilUp(supervisord);
      await assertAgree(supervisord, 'sleeper');
    });
  }),
);

resources(
  'a pid is measured only if its process is a child of supervisord',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      // This test takes the place of supervisord, so its own children are the processes.
      await withChild(['sh', '-c', 'sleep 60; true'], async (pid) => {
        let grandchild = 0;
        await eventually(5_000, () => {
          grandchild = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
          assert.ok(grandchild > 0);
        });
        await tellRunning(exporter, 'child', pid);
        await tellRunning(exporter, 'grandchild', grandchild);
        const metrics = await exporter.metrics();
        assert.is(used(metrics, 'child', 'subprocesses'), 2);
        for (const metric of METRICS) {
          assert.equal(metrics.where(metric, { name: 'grandchild' }), []);
        }
      });
    }),
  ),
);

resources(
  'in a PID namespace with the /proc of the host nothing is measured',
  timed(20_000, () =>
    withExporter({ wrapper: ['unshare', '--pid', '--kill-child'] }, async (exporter) => {
      await withChild(['sleep', '60'], async (pid) => {
        await tellRunning(exporter, 'cat', pid);
        const metrics = await exporter.metrics();
        assert.is(metrics.value('supervisord_up', { name: 'cat' }), 1);
        for (const metric of METRICS) assert.equal(metrics.where(metric), []);
        assert.match(exporter.stderr, 'procfs belongs to another PID namespace');
      });
    }),
  ),
);

/** Hides /proc, then runs the command after it. */
const WITHOUT_PROC = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs none /proc; exec "$@"',
  '-',
];

resources(
  'without /proc there is no metric that would need it',
  timed(20_000, () =>
    withExporter({ wrapper: WITHOUT_PROC }, async (exporter) => {
      await tellRunning(exporter, 'cat', process.pid);
      const metrics = await exporter.metrics();
      assert.is(metrics.value('supervisord_up', { name: 'cat' }), 1);
      const needingProc = [
        'process_resident_memory_bytes',
        'process_virtual_memory_bytes',
        'process_heap_bytes',
        'process_open_fds',
        'process_max_fds',
        'nodejs_heap_size_total_bytes',
        ...METRICS,
      ];
      for (const metric of needingProc) assert.equal(metrics.where(metric), [], metric);
      assert.ok(metrics.value('process_start_time_seconds'));
      assert.match(exporter.stderr, 'there is no Linux procfs');
    }),
  ),
);

resources(
  '--no-collector.resources leaves no series',
  timed(20_000, () =>
    withExporter({ args: ['--no-collector.resources'] }, async (exporter) => {
      const response = await fetch(exporter.url('/metrics'));
      const text = await response.text();
      for (const metric of METRICS) assert.not.match(text, metric);
    }),
  ),
);

function untilUp(supervisord: Supervisord): Promise<void> {
  return supervisord.until(20_000, (metrics) => {
    for (const name of ['sleeper', 'holder', 'workers', 'wrapped']) {
      assert.is(metrics.value('supervisord_state', { name }), 20);
      for (const metric of METRICS) {
        const modes = metric.includes('cpu') ? 2 : 1;
        assert.is(metrics.where(metric, { name }).length, modes, `${metric} of ${name}`);
      }
    }
  });
}

async function withChild(
  [command = '', ...args]: readonly string[],
  body: (pid: number) => Promise<void>,
): Promise<void> {
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  try {
    await once(child, 'spawn');
    await body(child.pid ?? 0);
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }
}

let serial = 0;

async function tellRunning(exporter: RunningExporter, name: string, pid: number): Promise<void> {
  await exporter.tell(
    step(serial++, `${name}:${name}`, 'STOPPED>STARTING', 'tries:0'),
    step(serial++, `${name}:${name}`, 'STARTING>RUNNING', `pid:${pid}`),
  );
}

/** Compares the metrics of an idle process with ps and the files of /proc. */
async function assertAgree(supervisord: Supervisord, name: string): Promise<void> {
  const main = await pidOf(supervisord, name);
  await eventually(10_000, async () => {
    const metrics = await supervisord.metrics();
    const tree = treeByPs(main);
    const total = (value: (process: PsRow) => number) =>
      tree.reduce((sum, process) => sum + value(process), 0);
    assert.is(used(metrics, name, 'subprocesses'), tree.length);
    assert.is(
      used(metrics, name, 'threads'),
      total(({ threads }) => threads),
    );
    assert.is(
      used(metrics, name, 'virtual_memory_bytes'),
      total(({ virtualKb }) => virtualKb * 1024),
    );
    const resident = total(({ pid }) => residentBytes(pid));
    assert.is(used(metrics, name, 'resident_memory_bytes'), resident);
    const fds = total(({ pid }) => readdirSync(`/proc/${pid}/fd`).length);
    assert.is(used(metrics, name, 'open_fds'), fds);
    const cpu = total(({ pid }) => cpuSeconds(pid));
    assert.is(cpuOf(metrics, name).toFixed(2), cpu.toFixed(2));
    const [, soft] =
      /Max open files +(\d+)/.exec(readFileSync(`/proc/${main}/limits`, 'utf8')) ?? [];
    assert.is(used(metrics, name, 'max_fds'), Number(soft));
  });
}

interface PsRow {
  readonly pid: number;
  readonly parent: number;
  readonly threads: number;
  readonly virtualKb: number;
}

function treeByPs(main: number): PsRow[] {
  const output = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,nlwp=,vsz='], { encoding: 'utf8' });
  const rows = output
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0, threads = 0, virtualKb = 0]) => ({
      pid,
      parent,
      threads,
      virtualKb,
    }));
  const tree = rows.filter(({ pid }) => pid === main);
  for (const { pid } of tree) tree.push(...rows.filter(({ parent }) => parent === pid));
  return tree;
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** Includes the children that it has reaped. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

async function pidOf(supervisord: Supervisord, name: string): Promise<number> {
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', name);
  return pid;
}

function used(metrics: Exposition, name: string, metric: string): number | undefined {
  return metrics.value(`supervisord_process_${metric}`, { name });
}

function cpuOf(metrics: Exposition, name: string): number {
  return metrics.sum('supervisord_process_cpu_seconds_total', { name });
}

resources.run();
