import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_PAYLOAD_LENGTH } from '../../src/listener/frames.ts';
import { eventually, timed } from '../support/deadline.ts';
import { PROGRAM } from '../support/exporter.ts';
import type { Exposition } from '../support/exposition.ts';
import { play } from '../support/supervisord.ts';

const survival = suite('survival');

survival(
  'a foreign write to stdout: supervisord stops sending events, and the exporter exits to be restarted',
  timed(120_000, () => {
    // After the first start, another process writes to the same stdout on command.
    const command = [
      `sh -c 'test -e "$STORY_DIR"/speak || (while ! test -e "$STORY_DIR"/speak; do sleep 0.1; done; echo hello) &`,
      `exec ${process.execPath} ${PROGRAM} --web.listen-address=127.0.0.1:$STORY_PORT'`,
    ].join(' ');
    const section = { command, events: 'PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,TICK_5' };
    return play({ conf: 'quiet', section }, async (supervisord) => {
      await supervisord.until(15_000, (metrics) => {
        assert.ok((metrics.value('supervisord_exporter_last_tick_timestamp_seconds') ?? 0) > 0);
      });
      supervisord.writeConf('speak', '');
      await eventually(15_000, () => assert.match(supervisord.log, /exporter: \w+ -> UNKNOWN/));
      await supervisord.until(5_000, (metrics) =>
        assert.is(metrics.value('supervisord_up', { name: 'steady' }), 1),
      );

      await eventually(40_000, () =>
        assert.match(supervisord.log, /exited: exporter \(exit status 1; not expected\)/),
      );
      assert.match(
        supervisord.exporterLog,
        /level=ERROR msg="no events from supervisord for 12.5 s although XML-RPC responds/,
      );
      await supervisord.until(15_000, (metrics) =>
        assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20),
      );
      await supervisord.ctl('restart', 'steady');
      await supervisord.until(5_000, (metrics) =>
        assert.is(metrics.transitions('steady:steady')['STOPPED>STARTING'], 1),
      );
    });
  }),
);

survival(
  'a client of XML-RPC sends an event with a huge payload: it is skipped, and the exporter goes on',
  timed(120_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await supervisord.until(15_000, (metrics) =>
        assert.is(metrics.transitions('steady:steady')['STARTING>RUNNING'], 1),
      );
      const data = 'é'.repeat(MAX_PAYLOAD_LENGTH);
      assert.ok(await supervisord.call('supervisor.sendRemoteCommEvent', 'huge', data));
      await supervisord.ctl('restart', 'steady');
      await supervisord.until(60_000, (metrics) => {
        const malformed = 'supervisord_exporter_events_malformed_total';
        assert.is(metrics.value(malformed, { reason: 'payload' }), 1);
        assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
        assert.is(metrics.transitions('steady:steady')['STARTING>RUNNING'], 2);
      });
      assert.not.match(supervisord.log, 'exited: exporter');
    }),
  ),
);

survival(
  'numprocs=2 is refused with a clear message',
  timed(60_000, () => {
    const section = {
      command: `${process.execPath} ${PROGRAM} --web.listen-address=127.0.0.1:0`,
      process_name: '%(program_name)s-%(process_num)d',
      numprocs: '2',
    };
    return play({ conf: 'quiet', section }, async (supervisord) => {
      await eventually(30_000, () => {
        for (const name of ['exporter-0', 'exporter-1']) {
          assert.match(supervisord.log, `exited: ${name} (exit status 2; not expected)`);
        }
      });
      assert.match(
        supervisord.exporterLog,
        /level=ERROR msg="\[eventlistener:exporter\] has numprocs above 1.*set numprocs=1"/,
      );
    });
  }),
);

survival(
  'the exporter ends when supervisord is killed',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await supervisord.until(15_000, (metrics) =>
        assert.is(metrics.value('supervisord_up', { name: 'steady' }), 1),
      );
      const processes = await supervisord.call<Array<{ name: string; pid: number }>>(
        'supervisor.getAllProcessInfo',
      );
      const pids = new Map(processes.map(({ name, pid }) => [name, pid]));
      process.kill(supervisord.pid, 'SIGKILL');
      await eventually(2_000, () => assert.is(isAlive(pids.get('exporter') ?? 0), false));
      process.kill(pids.get('steady') ?? 0, 'SIGKILL');
    }),
  ),
);

survival(
  'the exporter exits with status 0 after SIGTERM from supervisord, in less than stopwaitsecs',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await supervisord.until(15_000, (metrics) =>
        assert.is(metrics.value('supervisord_up', { name: 'steady' }), 1),
      );
      await supervisord.ctl('stop', 'exporter');
      // After stopwaitsecs supervisord would have killed it.
      assert.match(supervisord.log, /stopped: exporter \(exit status 0\)/);
    }),
  ),
);

const MISSED = /SIGTERM received, and supervisord has not reported that it is stopping/g;

survival(
  'after "stop all" the log says that events are missed, and after a shutdown of supervisord it does not',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      const running = (metrics: Exposition) =>
        assert.is(metrics.value('supervisord_server_state'), 1);
      await supervisord.until(15_000, running);
      await supervisord.ctl('stop', 'all');
      assert.is(supervisord.exporterLog.match(MISSED)?.length, 1);
      await supervisord.ctl('start', 'all');
      await supervisord.until(15_000, running);
      await supervisord.ctl('shutdown');
      await eventually(20_000, () =>
        assert.is(supervisord.log.match(/stopped: exporter \(exit status 0\)/g)?.length, 2),
      );
      assert.is(supervisord.exporterLog.match(MISSED)?.length, 1);
    }),
  ),
);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

survival.run();
