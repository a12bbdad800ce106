import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDiscarded } from '../support/account.ts';
import { eventually, timed } from '../support/deadline.ts';
import { PROGRAM } from '../support/exporter.ts';
import { play } from '../support/supervisord.ts';

const losses = suite('lost events');

/** Starts the exporter late: until READY, supervisord discards what exceeds the buffer. */
const LATE = `sh -c "sleep 1.5; exec ${process.execPath} ${PROGRAM} --web.listen-address=127.0.0.1:%(ENV_STORY_PORT)s"`;

function programs(count: number, command: string, more = ''): string {
  return `[program:many]\ncommand=${command}\nprocess_name=%(process_num)02d\nnumprocs=${count}\n${more}`;
}

for (const [count, buffer] of [
  [18, '10'],
  [60, '10'],
  [60, '1'],
  [60, '3'],
] as const) {
  losses(
    `${count} programs at a busy boot, buffer_size=${buffer}: as many are counted as supervisord discarded`,
    timed(60_000, () =>
      play(
        {
          conf: 'quiet',
          section: { command: LATE, buffer_size: buffer },
          files: { 'many.conf': programs(count, 'sleep infinity') },
        },
        async (supervisord) => {
          await supervisord.until(20_000, (metrics) => {
            assert.is(metrics.value('supervisord_exporter_synced'), 1);
            assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), count + 2);
          });
          await supervisord.until(20_000, (metrics) => {
            const discarded = readDiscarded(supervisord.log);
            assert.ok(discarded > 0, 'supervisord discarded events');
            assert.is(metrics.value('supervisord_exporter_events_lost_total'), discarded);
          });
        },
      ),
    ),
  );
}

losses(
  'programs that restart all the time and a buffer of one event: markers are discarded as well',
  timed(90_000, () =>
    play(
      {
        conf: 'quiet',
        section: { command: LATE, buffer_size: '1' },
        files: {
          'many.conf': programs(12, 'sleep 0.3', 'startsecs=0\nautorestart=true\n'),
        },
      },
      async (supervisord) => {
        await supervisord.until(20_000, (metrics) => {
          assert.ok((metrics.value('supervisord_exporter_events_lost_total') ?? 0) > 0);
        });
        // supervisord does not stop a process that it is about to restart.
        await eventually(20_000, async () => {
          await supervisord.ctl('stop', 'many:*');
          const status = await supervisord.ctl('status', 'many:*');
          assert.is(status.match(/ STOPPED /g)?.length, 12, status);
        });
        await eventually(25_000, async () => {
          const metrics = await supervisord.metrics();
          assert.is(
            metrics.value('supervisord_exporter_events_lost_total'),
            readDiscarded(supervisord.log),
          );
          assert.is(metrics.value('supervisord_exporter_synced'), 1);
          assert.is(metrics.value('supervisord_processes', { state: 'STOPPED' }), 12);
        });
      },
    ),
  ),
);

losses.run();
