import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATE_CODES } from '../../src/supervisor/states.ts';
import { eventually, timed, timeoutSignal } from '../support/deadline.ts';
import { Exposition } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';
import { withServer } from '../support/prometheus.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const compat = suite('compat');

const START = 'node_supervisord_start_time_seconds';

/** A process in each lasting state, and one for each way to an exit status. */
const STATES: Readonly<Record<string, keyof typeof STATE_CODES>> = {
  'running:running': 'RUNNING',
  'starting:starting': 'STARTING',
  'stopping:stopping': 'STOPPING',
  'stopped:stopped': 'STOPPED',
  'waiting:waiting': 'STOPPED',
  'failed:failed': 'EXITED',
  'done:done': 'EXITED',
  'killed:killed': 'EXITED',
  'restarted:restarted': 'RUNNING',
  'fatal:fatal': 'FATAL',
  'given-up:given-up': 'STOPPED',
  'wörker-🚀:wörker-🚀': 'RUNNING',
  'blog:same': 'RUNNING',
  'shop:same': 'STOPPED',
};

compat(
  'node_exporter exports the same values of the four metrics',
  timed(120_000, () =>
    play({ conf: 'compat', flags: ['--metrics.compat=node_exporter'] }, (supervisord) =>
      withNodeExporter(supervisord, async (peerUrl) => {
        await tellTheStory(supervisord);
        await eventually(15_000, () => assertSame(supervisord, peerUrl));

        await supervisord.ctl('start', 'stopped', 'shop:same');
        await eventually(15_000, () => assertSame(supervisord, peerUrl));

        await kill(supervisord, 'stopping');
        await supervisord.until(10_000, (metrics) =>
          assert.is(stateOf(metrics, 'stopping:stopping'), STATE_CODES.STOPPED),
        );
        await eventually(15_000, () => assertSame(supervisord, peerUrl));
      }),
    ),
  ),
);

compat(
  'without the flag the node_ metrics are absent',
  timed(30_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await supervisord.until(10_000, (metrics) =>
        assert.is(stateOf(metrics, 'steady:steady'), STATE_CODES.RUNNING),
      );
      assert.not.match(await textOf(supervisord.url('/metrics')), 'node_supervisord');
    }),
  ),
);

async function tellTheStory(supervisord: Supervisord): Promise<void> {
  await supervisord.until(15_000, (metrics) => {
    assert.is(stateOf(metrics, 'fatal:fatal'), STATE_CODES.FATAL);
    assert.is(stateOf(metrics, 'restarted:restarted'), STATE_CODES.RUNNING);
    for (const name of ['failed', 'done', 'killed']) {
      assert.is(metrics.value('supervisord_process_exits_total', { name }), 1);
    }
  });
  await kill(supervisord, 'restarted');
  await supervisord.ctl('stop', 'stopped', 'given-up');
  await supervisord.call('supervisor.stopProcess', 'stopping', false);
  await supervisord.until(15_000, (metrics) => {
    assert.is(metrics.value('supervisord_process_exits_total', { name: 'restarted' }), 1);
    for (const [process, state] of Object.entries(STATES)) {
      assert.is(stateOf(metrics, process), STATE_CODES[state], process);
    }
  });
}

/** Throws if the two differ, or if something changed between the two scrapes. */
async function assertSame(supervisord: Supervisord, peerUrl: string): Promise<void> {
  const before = await textOf(supervisord.url('/metrics'));
  const theirs = await textOf(peerUrl);
  const ours = await textOf(supervisord.url('/metrics'));
  assert.equal([...compatOf(before)], [...compatOf(ours)], 'nothing changes in between');

  assert.equal(headsOf(ours), headsOf(theirs));
  const own = new Map(compatOf(ours));
  const peer = compatOf(theirs);
  assert.ok(own.size > 3 * Object.keys(STATES).length);
  assert.equal([...own.keys()].sort(), [...peer.keys()].sort());
  for (const [series, value] of peer) {
    const difference = (own.get(series) ?? Number.NaN) - value;
    // A start time taken from an event has fractions and is up to one turn of supervisord's loop late.
    const isSame = series.startsWith(START) ? difference >= 0 && difference < 2 : difference === 0;
    assert.ok(isSame, `${series}: ${own.get(series)}, node_exporter: ${value}`);
  }
}

function compatOf(text: string): ReadonlyMap<string, number> {
  const samples = new Exposition(text).samples.filter(({ name }) =>
    name.startsWith('node_supervisord_'),
  );
  return new Map(
    samples.map(({ name, labels, value }) => {
      const { group, name: process, ...others } = labels;
      assert.equal(others, {});
      return [`${name} ${group}:${process}`, value];
    }),
  );
}

/** The TYPE and HELP lines. */
function headsOf(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => /^# (?:HELP|TYPE) node_supervisord_/.test(line))
    .sort();
}

async function withNodeExporter(
  supervisord: Supervisord,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/metrics`;
  const command = [
    'prometheus-node-exporter',
    '--collector.disable-defaults',
    '--collector.supervisord',
    `--collector.supervisord.url=unix://${supervisord.dir}/supervisor.sock`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  await withServer(command, url, () => body(url));
}

async function kill(supervisord: Supervisord, name: string): Promise<void> {
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', name);
  assert.ok(pid > 0, `${name} runs`);
  process.kill(pid, 'SIGKILL');
}

function stateOf(metrics: Exposition, process: string): number | undefined {
  const [group = '', name = ''] = process.split(':');
  return metrics.value('supervisord_state', { group, name });
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url, { signal: timeoutSignal(5_000) })).text();
}

compat.run();
