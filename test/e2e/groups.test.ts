import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const groups = suite('groups');

const NAMES = ['shop:web', 'shop:0', 'shop:1', 'shop:2', 'blog:0', 'blog:1', 'exporter:exporter'];

groups(
  'groups with several processes, and the same process name in two groups',
  timed(60_000, () =>
    play({ conf: 'groups' }, async (supervisord) => {
      await untilRunning(supervisord, NAMES);
      await supervisord.ctl('restart', 'blog:0');
      await supervisord.until(5_000, (metrics) => {
        assert.is(metrics.transitions('blog:0')['RUNNING>STOPPING'], 1);
        assert.is(metrics.transitions('shop:0')['RUNNING>STOPPING'], undefined);
      });
    }),
  ),
);

groups(
  'a renamed process is a different process',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await untilRunning(supervisord, ['steady:steady', 'exporter:exporter']);
      supervisord.writeConf('named.conf', program('before'));
      await supervisord.ctl('update');
      await untilRunning(supervisord, ['steady:steady', 'exporter:exporter', 'before:before']);
      supervisord.writeConf('named.conf', program('after'));
      await supervisord.ctl('update');
      await untilRunning(supervisord, ['steady:steady', 'exporter:exporter', 'after:after']);
    }),
  ),
);

groups(
  'supervisorctl reload restarts the exporter, which counts from the start again',
  timed(60_000, () =>
    play({ conf: 'groups' }, async (supervisord) => {
      await untilRunning(supervisord, NAMES);
      await supervisord.ctl('stop', 'blog:*');
      supervisord.writeConf('added.conf', program('added'));
      const before = await exporterStart(supervisord);
      await supervisord.ctl('reload');
      await eventually(20_000, async () => assert.ok((await exporterStart(supervisord)) > before));
      await untilRunning(supervisord, [...NAMES, 'added:added']);
      await supervisord.until(5_000, (metrics) => {
        assert.equal(metrics.transitions('blog:0'), {
          'STOPPED>STARTING': 1,
          'STARTING>RUNNING': 1,
        });
      });
      const metrics = await supervisord.metrics();
      assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
    }),
  ),
);

groups(
  "supervisorctl update of the exporter's own section restarts it with a new event pool",
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await untilRunning(supervisord, ['steady:steady', 'exporter:exporter']);
      const before = await exporterStart(supervisord);
      supervisord.changeSection({ buffer_size: '4096' });
      assert.match(await supervisord.ctl('update'), 'exporter: updated process group');
      await eventually(20_000, async () => assert.ok((await exporterStart(supervisord)) > before));
      await untilRunning(supervisord, ['steady:steady', 'exporter:exporter']);
      await supervisord.ctl('restart', 'steady');
      await supervisord.until(5_000, (metrics) => {
        assert.equal(metrics.transitions('steady:steady'), {
          'RUNNING>STOPPING': 1,
          'STOPPING>STOPPED': 1,
          'STOPPED>STARTING': 1,
          'STARTING>RUNNING': 1,
        });
        assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
      });
    }),
  ),
);

function untilRunning(supervisord: Supervisord, names: readonly string[]): Promise<void> {
  return supervisord.until(20_000, (metrics) =>
    assert.equal(runningOf(metrics), [...names].sort()),
  );
}

/** `GROUP:NAME` of every process. All of them must be up. */
function runningOf(metrics: Exposition): string[] {
  return metrics
    .where('supervisord_state')
    .map(
      ({ labels, value }) =>
        `${labels['group']}:${labels['name']}${value === 20 ? '' : ` in ${value}`}`,
    )
    .sort();
}

async function exporterStart(supervisord: Supervisord): Promise<number> {
  return (await supervisord.metrics()).value('process_start_time_seconds') ?? 0;
}

function program(name: string): string {
  return `[program:${name}]\ncommand=sleep infinity\nstartsecs=0\n`;
}

groups.run();
