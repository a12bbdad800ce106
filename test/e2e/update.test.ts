import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { play } from '../support/supervisord.ts';

const update = suite('update');

update(
  'a program replaced by supervisorctl update is visible at once, without series of the old one',
  timed(60_000, () =>
    play({ conf: 'update' }, async (supervisord) => {
      await supervisord.until(10_000, (metrics) =>
        assert.is(metrics.value('supervisord_up', { name: 'steady' }), 1),
      );
      // With autostart=false only the snapshot contains it.
      supervisord.writeConf('swapped.conf', program('old', 'autostart=false'));
      await supervisord.ctl('update');
      await supervisord.until(2_000, (metrics) =>
        assert.is(metrics.value('supervisord_state', { name: 'old' }), 0),
      );

      supervisord.writeConf('swapped.conf', program('new', 'autostart=false'));
      await supervisord.ctl('update');
      await supervisord.until(2_000, (metrics) => {
        assert.equal(seriesOf(metrics, 'old'), []);
        assert.is(metrics.value('supervisord_state', { name: 'new' }), 0);
      });

      const metrics = await supervisord.metrics();
      assert.is(metrics.value('supervisord_exporter_resync_corrections_total'), 0);
      assert.ok(
        (metrics.value('supervisord_exporter_resyncs_total', { trigger: 'group' }) ?? 0) >= 1,
      );
    }),
  ),
);

update(
  'a process that is removed and added again starts from zero',
  timed(60_000, () =>
    play({ conf: 'update' }, async (supervisord) => {
      supervisord.writeConf('again.conf', program('again', 'startsecs=0'));
      await supervisord.until(10_000, (metrics) =>
        assert.is(metrics.value('supervisord_up', { name: 'steady' }), 1),
      );
      await supervisord.ctl('update');
      for (let restart = 0; restart < 3; restart++) await supervisord.ctl('restart', 'again');
      await supervisord.until(2_000, (metrics) =>
        assert.is(metrics.transitions('again:again')['STOPPED>STARTING'], 4),
      );

      supervisord.writeConf('again.conf', '');
      await supervisord.ctl('update');
      await supervisord.until(2_000, (metrics) => assert.equal(seriesOf(metrics, 'again'), []));

      supervisord.writeConf('again.conf', program('again', 'startsecs=0'));
      await supervisord.ctl('update');
      await supervisord.until(2_000, (metrics) => {
        assert.equal(metrics.transitions('again:again'), {
          'STOPPED>STARTING': 1,
          'STARTING>RUNNING': 1,
        });
      });
    }),
  ),
);

function program(name: string, ...lines: readonly string[]): string {
  return [`[program:${name}]`, 'command=sleep infinity', ...lines, ''].join('\n');
}

function seriesOf(metrics: Exposition, name: string): string[] {
  return metrics.samples
    .filter(({ labels }) => labels['name'] === name)
    .map((sample) => sample.name);
}

update.run();
