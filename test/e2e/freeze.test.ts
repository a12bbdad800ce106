import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDiscarded } from '../support/account.ts';
import { eventually, timed } from '../support/deadline.ts';
import { play } from '../support/supervisord.ts';

const freeze = suite('freeze');

/** Prevents that a tick at a full minute triggers the resync that the gap must trigger. */
const WITHOUT_TICKS = 'PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE';

interface Info {
  readonly name: string;
  readonly group: string;
  readonly state: number;
  readonly start: number;
  readonly stop: number;
  readonly exitstatus: number;
}

freeze(
  'after a freeze with an overflowing buffer all lost events are counted and states are right within two seconds',
  timed(60_000, () =>
    play(
      { conf: 'freeze', section: { buffer_size: '5', events: WITHOUT_TICKS } },
      async (supervisord) => {
        await supervisord.until(15_000, (metrics) =>
          assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 21),
        );
        // The boot may already have overflowed such a small buffer.
        await eventually(20_000, async () => {
          assert.is(
            (await supervisord.metrics()).value('supervisord_exporter_events_lost_total'),
            readDiscarded(supervisord.log),
          );
        });
        const { pid } = await supervisord.call<{ pid: number }>(
          'supervisor.getProcessInfo',
          'exporter',
        );
        process.kill(pid, 'SIGSTOP');
        await supervisord.ctl('restart', 'steady:*');
        supervisord.writeConf('go', '');
        await eventually(10_000, async () => {
          const processes = await supervisord.call<Info[]>('supervisor.getAllProcessInfo');
          assert.is(processes.filter(({ state }) => state === 100).length, 10);
        });
        process.kill(pid, 'SIGCONT');

        await eventually(2_000, async () => {
          const metrics = await supervisord.metrics();
          for (const { name, state, start, stop, exitstatus } of await supervisord.call<Info[]>(
            'supervisor.getAllProcessInfo',
          )) {
            assert.is(metrics.value('supervisord_state', { name }), state, `state of ${name}`);
            // After a restart XML-RPC no longer has the exit reason, which is SIGTERM here.
            const isRestarted = state === 20 && stop > 0;
            assert.is(
              metrics.value('supervisord_exit_status', { name }),
              isRestarted ? -1 : exitstatus,
              `exit status of ${name}`,
            );
            assert.is(
              metrics.value('supervisord_exit_signal', { name }),
              isRestarted ? 15 : 0,
              `exit signal of ${name}`,
            );
            const shownStart = metrics.value('supervisord_start_time_seconds', { name });
            if (state === 20) assertSameSecond(shownStart, start, `start of ${name}`);
            else assert.is(shownStart, undefined);
            if (stop > 0)
              assertSameSecond(
                metrics.value('supervisord_process_stop_time_seconds', { name }),
                stop,
                `stop of ${name}`,
              );
          }
        });
        await eventually(4_000, async () => {
          const discarded = readDiscarded(supervisord.log);
          assert.ok(discarded > 20, `${discarded} discarded`);
          assert.is(
            (await supervisord.metrics()).value('supervisord_exporter_events_lost_total'),
            discarded,
          );
        });
        const metrics = await supervisord.metrics();
        assert.is(
          metrics.value('supervisord_exporter_resyncs_total', { trigger: 'tick' }),
          0,
          'no tick triggered a resync',
        );
        assert.ok((metrics.value('supervisord_exporter_resync_corrections_total') ?? 0) > 0);
        assert.match(
          supervisord.exporterLog,
          /level=ERROR msg="supervisord discarded events.*raise buffer_size" lost=\d+/,
        );
      },
    ),
  ),
);

/** A timestamp of the exporter is up to one turn of supervisord's loop late. */
function assertSameSecond(shown: number | undefined, seconds: number, message: string): void {
  assert.ok(
    shown !== undefined && shown >= seconds && shown < seconds + 2,
    `${message}: ${shown}, not ${seconds}`,
  );
}

freeze.run();
