import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import type { Labels } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';
import { type Prometheus, runPrometheus, shippedWith } from '../support/prometheus.ts';
import { Supervisord } from '../support/supervisord.ts';

const fleet = suite('fleet');

const SIZE = 10;

fleet(
  'one Prometheus discovers ten supervisords from files, distinguishes them and alerts for each',
  timed(150_000, () =>
    playFleet(SIZE, async (supervisords) => {
      const configure = (dir: string) => {
        writeConfiguration(dir);
        // Two in production and one in staging, as in the example; the others follow.
        writeTargets(dir, 'first', exampleOf(supervisords));
        writeTargets(dir, 'others', targetFile(supervisords.slice(3, -1)));
      };
      await runPrometheus(configure, async (prometheus, dir) => {
        await untilUp(prometheus, supervisords.slice(0, -1));
        writeTargets(dir, 'late', targetFile(supervisords.slice(-1)));
        await untilUp(prometheus, supervisords);
        await recordsByInstance(prometheus, supervisords);
        await alertsOfOne(prometheus, supervisords);
      });
    }),
  ),
);

async function recordsByInstance(
  prometheus: Prometheus,
  supervisords: readonly Supervisord[],
): Promise<void> {
  await eventually(20_000, async () => {
    const running = await prometheus.query(
      'sum by (instance) (instance_group_state:supervisord_state:count{state="RUNNING"})',
    );
    assert.equal(
      running.map(({ metric, value }) => `${metric['instance']} ${value[1]}`).sort(),
      // Two processes and the exporter itself.
      supervisords.map((supervisord) => `${addressOf(supervisord)} 3`).sort(),
    );
  });
}

async function alertsOfOne(
  prometheus: Prometheus,
  supervisords: readonly Supervisord[],
): Promise<void> {
  const [crashing, , , doomed] = supervisords;
  if (crashing === undefined || doomed === undefined) throw new Error('too few');
  assert.equal(await firing(prometheus), []);

  process.kill(await pidOf(crashing, 'killed'), 'SIGKILL');
  const crash = {
    alertname: 'SupervisorProcessUnexpectedExit',
    severity: 'warning',
    job: 'supervisor',
    instance: addressOf(crashing),
    env: 'production',
    name: 'killed',
    group: 'killed',
  };
  await eventually(15_000, async () => assert.equal(await firing(prometheus), [crash]));

  await withOrphansOf(doomed, async () => {
    process.kill(doomed.pid, 'SIGKILL');
    const end = {
      alertname: 'SupervisorExporterDown',
      severity: 'critical',
      job: 'supervisor',
      instance: addressOf(doomed),
    };
    await eventually(20_000, async () => {
      assert.equal(
        (await firing(prometheus)).filter(({ alertname }) => alertname !== crash.alertname),
        [end],
      );
    });
    const [up] = await prometheus.query('count(up == 1)');
    assert.is(up?.value[1], String(SIZE - 1));
  });
}

/** Starts supervisords, each with its own exporter, and runs `body` once all of them are up. */
async function playFleet(
  size: number,
  body: (supervisords: readonly Supervisord[]) => Promise<void>,
): Promise<void> {
  const ports = await Promise.all(Array.from({ length: size }, freePort));
  const supervisords = ports.map((port) => new Supervisord({ conf: 'fleet' }, port));
  try {
    for (const supervisord of supervisords) {
      await supervisord.until(60_000, (metrics) =>
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 3),
      );
    }
    await body(supervisords);
  } finally {
    await Promise.all(supervisords.map((supervisord) => supervisord.stop()));
  }
}

/** The shipped configuration with its commented lines for a fleet and with shorter intervals. */
function writeConfiguration(dir: string): void {
  const config = shippedWith('prometheus.yml', {
    '    static_configs:\n      - targets:\n          - localhost:9876\n': '',
    '    # file_sd_configs:\n    #   - files: [targets/*.yml]\n':
      '    file_sd_configs:\n      - files: [targets/*.yml]\n',
    // No receiver is notified.
    'localhost:9093': '127.0.0.1:9',
  });
  writeFileSync(join(dir, 'prometheus.yml'), config);
  writeFileSync(join(dir, 'alerts.yml'), shippedWith('alerts.yml', { 'for: 30s': 'for: 2s' }));
  const recording = shippedWith('recording.yml', { 'interval: 30s': 'interval: 1s' });
  writeFileSync(join(dir, 'recording.yml'), recording);
  mkdirSync(join(dir, 'targets'));
}

/** The shipped example with three of these addresses as its hosts. */
function exampleOf(supervisords: readonly Supervisord[]): string {
  const [first, second, third] = supervisords.map(addressOf);
  if (first === undefined || second === undefined || third === undefined) throw new Error('few');
  return shippedWith('targets.example.yml', {
    'web1.example.org:9876': first,
    'web2.example.org:9876': second,
    'staging.example.org:9876': third,
  });
}

function targetFile(supervisords: readonly Supervisord[]): string {
  // JSON is YAML.
  return JSON.stringify([{ targets: supervisords.map(addressOf) }]);
}

/** Replaces the file atomically, because Prometheus may be reading it. */
function writeTargets(dir: string, name: string, text: string): void {
  const unfinished = join(dir, 'targets', `${name}.unfinished`);
  writeFileSync(unfinished, text);
  renameSync(unfinished, join(dir, 'targets', `${name}.yml`));
}

async function untilUp(
  prometheus: Prometheus,
  supervisords: readonly Supervisord[],
): Promise<void> {
  await eventually(30_000, async () => {
    const up = await prometheus.query('up{job="supervisor"} == 1');
    assert.equal(
      up.map(({ metric }) => metric['instance']).sort(),
      supervisords.map(addressOf).sort(),
    );
  });
}

async function firing(prometheus: Prometheus): Promise<readonly Labels[]> {
  const alerts = await prometheus.query('ALERTS{alertstate="firing"}');
  return alerts.map(({ metric }) => {
    const { __name__, alertstate, ...labels } = metric;
    return labels;
  });
}

/** Runs `body`, which may kill this supervisord, and ends the processes that it leaves. */
async function withOrphansOf(supervisord: Supervisord, body: () => Promise<void>): Promise<void> {
  const pids = await Promise.all(
    ['killed', 'steady'].map((program) => pidOf(supervisord, program)),
  );
  try {
    await body();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGKILL');
  }
}

async function pidOf(supervisord: Supervisord, name: string): Promise<number> {
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', name);
  assert.ok(pid > 0, `${name} runs`);
  return pid;
}

function addressOf({ port }: Supervisord): string {
  return `127.0.0.1:${port}`;
}

fleet.run();
