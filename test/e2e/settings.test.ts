import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const settings = suite('settings of processes');

const PROGRAM = '[program:plain]\ncommand=sleep infinity\nstopwaitsecs=7\nstartretries=5\n';

function failedCalls(supervisord: Supervisord): number {
  return [...supervisord.log.matchAll(/Traceback/g)].length;
}

settings(
  'settings are those of the configuration, also of processes that are added later',
  timed(60_000, () =>
    play({ conf: 'quiet', files: { 'plain.conf': PROGRAM } }, async (supervisord) => {
      await supervisord.until(10_000, (metrics) => {
        const plain = { name: 'plain' };
        assert.is(metrics.value('supervisord_process_stop_wait_seconds', plain), 7);
        assert.is(metrics.value('supervisord_process_start_retries', plain), 5);
        assert.is(metrics.value('supervisord_process_autostart', plain), 1);
      });
      supervisord.writeConf(
        'later.conf',
        '[program:later]\ncommand=sleep infinity\nautostart=false\n',
      );
      await supervisord.ctl('update');
      await supervisord.until(10_000, (metrics) => {
        assert.is(metrics.value('supervisord_process_autostart', { name: 'later' }), 0);
      });
    }),
  ),
);

settings(
  'a value that XML-RPC cannot carry: settings are unknown, and the call is made once',
  timed(60_000, () =>
    play(
      {
        conf: 'quiet',
        files: {
          'plain.conf': PROGRAM,
          'large.conf': '[program:large]\ncommand=sleep infinity\nstdout_logfile_maxbytes=2GB\n',
        },
      },
      async (supervisord) => {
        await supervisord.until(10_000, (metrics) => {
          assert.is(metrics.value('supervisord_state', { name: 'large' }), 20);
          assert.match(supervisord.exporterLog, /settings of processes are unknown/);
        });
        const before = failedCalls(supervisord);
        supervisord.writeConf('later.conf', '[program:later]\ncommand=sleep infinity\n');
        await supervisord.ctl('update');
        await supervisord.until(10_000, (metrics) => {
          assert.is(metrics.value('supervisord_state', { name: 'later' }), 20);
        });
        // A second call would be made within this time.
        await sleep(2_000);
        assert.is(failedCalls(supervisord), before, 'no further traceback');
        const metrics = await supervisord.metrics();
        for (const name of ['stop_wait_seconds', 'start_retries', 'autostart']) {
          assert.equal(metrics.where(`supervisord_process_${name}`), []);
        }
        assert.is(metrics.value('supervisord_exporter_rpc_up'), 1);
      },
    ),
  ),
);

settings.run();
