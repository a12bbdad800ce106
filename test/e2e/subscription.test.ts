import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const subscription = suite('subscription');

const RESTARTED = {
  'STOPPED>STARTING': 2,
  'STARTING>RUNNING': 2,
  'RUNNING>STOPPING': 1,
  'STOPPING>STOPPED': 1,
};

subscription(
  'without REMOTE_COMMUNICATION a warning is logged once and states are right',
  timed(90_000, () =>
    play(
      { conf: 'quiet', section: { events: 'PROCESS_STATE,PROCESS_GROUP,TICK_5' } },
      async (supervisord) => {
        await assertRestartIsSeen(supervisord);
        await eventually(15_000, () => assert.is(warnings(supervisord).length, 1));
        assert.match(
          warnings(supervisord)[0] ?? '',
          'REMOTE_COMMUNICATION is not among the events',
        );
        await supervisord.ctl('stop', 'steady');
        await supervisord.until(5_000, (metrics) =>
          assert.is(metrics.value('supervisord_state', { name: 'steady' }), 0),
        );
        await supervisord.until(30_000, (metrics) => {
          const ticks =
            metrics.value('supervisord_exporter_events_total', { event: 'TICK_5' }) ?? 0;
          assert.ok(ticks >= 4);
        });
        assert.is(warnings(supervisord).length, 1);
      },
    ),
  ),
);

subscription(
  'without ticks states are right, and a time without events is no failure',
  timed(60_000, () =>
    play(
      { conf: 'quiet', section: { events: 'PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION' } },
      async (supervisord) => {
        await assertRestartIsSeen(supervisord);
        const metrics = await supervisord.metrics();
        assert.is(metrics.value('supervisord_exporter_last_tick_timestamp_seconds'), undefined);
        assert.equal(warnings(supervisord), []);
      },
    ),
  ),
);

subscription(
  'without PROCESS_GROUP a new process is known from its events, and a removed one after the next snapshot',
  timed(120_000, () =>
    play(
      { conf: 'quiet', section: { events: 'PROCESS_STATE,REMOTE_COMMUNICATION,TICK_60' } },
      async (supervisord) => {
        await assertRestartIsSeen(supervisord);
        supervisord.writeConf(
          'guest.conf',
          '[program:guest]\ncommand=sleep infinity\nstartsecs=0\n',
        );
        await supervisord.ctl('update');
        await supervisord.until(5_000, (metrics) =>
          assert.is(metrics.value('supervisord_up', { name: 'guest' }), 1),
        );
        supervisord.writeConf('guest.conf', '');
        await supervisord.ctl('update');
        await supervisord.until(70_000, (metrics) =>
          assert.is(metrics.value('supervisord_up', { name: 'guest' }), undefined),
        );
      },
    ),
  ),
);

async function assertRestartIsSeen(supervisord: Supervisord): Promise<void> {
  await supervisord.until(15_000, (metrics) => {
    assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20);
    assert.is(metrics.value('supervisord_state', { name: 'steady' }), 20);
  });
  await supervisord.ctl('restart', 'steady');
  await supervisord.until(5_000, (metrics) => {
    assert.equal(metrics.transitions('steady:steady'), RESTARTED);
    assert.is(metrics.value('supervisord_state', { name: 'steady' }), 20);
  });
}

function warnings(supervisord: Supervisord): string[] {
  return supervisord.exporterLog.split('\n').filter((line) => /level=(?:WARN|ERROR)/.test(line));
}

subscription.run();
