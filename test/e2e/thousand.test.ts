import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { play } from '../support/supervisord.ts';

const thousand = suite('a thousand processes');

thousand(
  'in a boot of 1,000 processes states are right after the snapshot and counts are exact after the queue',
  timed(150_000, () =>
    play({ conf: 'thousand' }, async (supervisord) => {
      await supervisord.until(60_000, (metrics) => {
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 1001);
      });
      await supervisord.until(60_000, (metrics) => {
        for (const [from, to] of [
          ['STOPPED', 'STARTING'],
          ['STARTING', 'RUNNING'],
        ] as const) {
          const series = metrics.where('supervisord_process_transitions_total', { from, to });
          assert.is(series.filter(({ value }) => value === 1).length, 1001, `${from}>${to}`);
        }
      });
      const metrics = await supervisord.metrics();
      assert.is(metrics.sum('supervisord_process_transitions_total'), 2002);
      assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
      assert.is(metrics.value('supervisord_exporter_resync_corrections_total'), 0);
    }),
  ),
);

thousand.run();
