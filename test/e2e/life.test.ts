import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const life = suite('life');

life(
  'every transition of Supervisor is counted as it happens',
  timed(60_000, () =>
    play({ conf: 'life' }, async (supervisord) => {
      await supervisord.until(20_000, (metrics) => {
        const states = Object.fromEntries(
          metrics.where('supervisord_state').map(({ labels, value }) => [labels['name'], value]),
        );
        assert.is(states['steady'], 20);
        assert.is(states['waiting'], 0);
        assert.is(states['failing'], 200);
        assert.is(states['missing'], 200);
        assert.is(states['batch'], 100);
        assert.ok(
          (metrics.value('supervisord_process_exits_total', { name: 'crashing' }) ?? 0) >= 3,
        );
      });
      const metrics = await supervisord.metrics();

      assert.equal(metrics.transitions('failing:failing'), {
        'STOPPED>STARTING': 1,
        'STARTING>BACKOFF': 3,
        'BACKOFF>STARTING': 2,
        'BACKOFF>FATAL': 1,
      });
      assert.is(metrics.value('supervisord_process_backoff_tries', { name: 'failing' }), 3);
      assert.equal(metrics.transitions('missing:missing'), {
        'STOPPED>STARTING': 1,
        'STARTING>BACKOFF': 1,
        'BACKOFF>FATAL': 1,
      });
      assert.equal(metrics.transitions('batch:batch'), {
        'STOPPED>STARTING': 1,
        'STARTING>RUNNING': 1,
        'RUNNING>EXITED': 1,
      });
      assert.is(metrics.value('supervisord_process_exits_total', { name: 'batch' }), 1);
      assert.is(metrics.value('supervisord_process_unexpected_exits_total', { name: 'batch' }), 0);
      assert.is(
        metrics.value('supervisord_process_unexpected_exits_total', { name: 'crashing' }),
        metrics.value('supervisord_process_exits_total', { name: 'crashing' }),
      );
      assert.equal(metrics.transitions('waiting:waiting'), {});
      // Twelve counters per process, including the exporter, from the moment it is known.
      assert.is(metrics.where('supervisord_process_transitions_total').length, 7 * 12);
      assert.is(metrics.value('supervisord_info'), 1);
      assert.is(metrics.value('supervisord_server_state'), 1);
      assert.is(metrics.value('supervisord_exporter_rpc_up'), 1);
      assertDown(metrics, 'batch');
      assertDown(metrics, 'failing');
    }),
  ),
);

life(
  'start and stop times are those of the current run',
  timed(60_000, () =>
    play({ conf: 'life' }, async (supervisord) => {
      const isSteady = (state: number) => () =>
        supervisord.until(10_000, (metrics) =>
          assert.is(metrics.value('supervisord_state', { name: 'steady' }), state),
        );
      await isSteady(20)();
      const began = await startOf(supervisord);

      await supervisord.ctl('stop', 'steady');
      await isSteady(0)();
      const stopped = await supervisord.metrics();
      assertDown(stopped, 'steady');
      const stop = stopped.value('supervisord_process_stop_time_seconds', { name: 'steady' }) ?? 0;
      assert.ok(Math.abs(Date.now() / 1000 - stop) < 60, `stopped at ${stop}`);
      assert.is(stopped.value('supervisord_process_exits_total', { name: 'steady' }), 0);

      await supervisord.ctl('start', 'steady');
      await isSteady(20)();
      const again = await startOf(supervisord);
      assert.ok(again >= Math.floor(stop) && again > began, `${began}, ${stop}, ${again}`);
    }),
  ),
);

async function startOf(supervisord: Supervisord): Promise<number> {
  const value = (await supervisord.metrics()).value('supervisord_start_time_seconds', {
    name: 'steady',
  });
  if (value === undefined) throw new Error('no start time');
  return value;
}

function assertDown(metrics: Awaited<ReturnType<Supervisord['metrics']>>, name: string): void {
  assert.is(metrics.value('supervisord_up', { name }), 0);
  assert.is(metrics.value('supervisord_start_time_seconds', { name }), undefined);
  assert.type(metrics.value('supervisord_process_stop_time_seconds', { name }), 'number');
}

life.run();
