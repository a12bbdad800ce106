import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { play } from '../support/supervisord.ts';

const boot = suite('boot');

boot(
  'each start of a boot is counted once, and a restart adds exactly four transitions',
  timed(60_000, () =>
    play({ conf: 'boot' }, async (supervisord) => {
      await supervisord.until(20_000, (metrics) => {
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 63);
        assert.is(
          metrics.sum('supervisord_process_transitions_total', { from: 'STARTING', to: 'RUNNING' }),
          63,
        );
      });

      const before = await supervisord.metrics();
      assert.is(before.value('supervisord_exporter_events_lost_total'), 0);
      assert.is(before.value('supervisord_exporter_events_redelivered_total'), 0);
      assert.is(before.value('supervisord_exporter_resync_corrections_total'), 0);
      for (const process of [
        'many:many-00',
        'many:many-59',
        'wörker-é:wörker-é',
        '🚀rocket:🚀rocket',
      ]) {
        assert.equal(
          before.transitions(process),
          { 'STOPPED>STARTING': 1, 'STARTING>RUNNING': 1 },
          process,
        );
      }

      await supervisord.ctl('restart', '🚀rocket');
      await supervisord.until(5_000, (metrics) => {
        assert.equal(metrics.transitions('🚀rocket:🚀rocket'), {
          'STOPPED>STARTING': 2,
          'STARTING>RUNNING': 2,
          'RUNNING>STOPPING': 1,
          'STOPPING>STOPPED': 1,
        });
      });
      const after = await supervisord.metrics();
      assert.is(
        after.sum('supervisord_process_transitions_total') -
          before.sum('supervisord_process_transitions_total'),
        4,
      );
      assert.is(after.value('supervisord_exporter_events_lost_total'), 0);
    }),
  ),
);

boot(
  'the first snapshots cover a boot of many groups, without one snapshot per group',
  timed(60_000, () => {
    const names = Array.from({ length: 150 }, (_, number) => `group-${number}`);
    const programs = names.map((name) => `[program:${name}]\ncommand=sleep infinity\n`).join('\n');
    return play({ conf: 'quiet', files: { 'many.conf': programs } }, async (supervisord) => {
      await supervisord.until(30_000, (metrics) => {
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 152);
        assert.is(
          metrics.sum('supervisord_process_transitions_total', { from: 'STARTING', to: 'RUNNING' }),
          152,
        );
      });
      const metrics = await supervisord.metrics();
      assert.is(
        metrics.value('supervisord_exporter_events_total', { event: 'PROCESS_GROUP_ADDED' }),
        152,
      );
      const resyncs = metrics.sum('supervisord_exporter_resyncs_total');
      assert.ok(resyncs <= 4, `${resyncs} snapshots`);
    });
  }),
);

boot.run();
