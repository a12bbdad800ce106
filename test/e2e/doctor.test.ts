import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { checkStory } from '../support/doctor.ts';
import { freePort } from '../support/ports.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const doctor = suite('doctor');

/** Waits until the exporter runs and answers. */
function running(supervisord: Supervisord): Promise<void> {
  return supervisord.until(15_000, (metrics) => {
    assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20);
  });
}

doctor(
  'a working installation has exit status 0, and a change that is not loaded yet is reported',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await running(supervisord);
      const well = await checkStory(supervisord, 'quiet');
      assert.equal(well.problems, [], well.text);
      assert.is(well.code, 0);
      assert.match(well.text, 'ok    port             the exporter answers on 127.0.0.1:');
      assert.match(well.text, 'All is well.');
      assert.not.match(well.text, '\u001b');

      supervisord.changeSection({ priority: '-5' });
      const changed = await checkStory(supervisord, 'quiet');
      assert.equal(changed.problems, ['FAIL loaded']);
      assert.match(
        changed.text,
        /running with a different priority \(-9876\)\n +-> supervisorctl update/,
      );
      await supervisord.ctl('update');
      await running(supervisord);
      await eventually(10_000, async () => {
        const updated = await checkStory(supervisord, 'quiet');
        assert.equal(updated.problems, [], updated.text);
      });
    }),
  ),
);

doctor(
  'each of many mistakes in one section is reported with its fix',
  timed(60_000, async () => {
    const port = await freePort();
    const other = createServer((socket) => socket.end('HTTP/1.0 404 Not Found\r\n\r\n'));
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    const story = {
      conf: 'mistakes',
      flags: [`--web.listen-address=127.0.0.1:${port}`],
      section: {
        events: 'PROCESS_STATE_EXITED,PROCESS_GROUP,TICK_5',
        buffer_size: undefined,
        priority: undefined,
        numprocs: '2',
        process_name: '%(program_name)s-%(process_num)d',
        autorestart: 'false',
        startretries: '0',
        // A start that takes its time is still one that has failed.
        startsecs: '8',
        stdout_logfile: 'AUTO',
      },
    };
    try {
      await play(story, async (supervisord) => {
        const { text, problems } = await eventually(20_000, async () => {
          const report = await checkStory(supervisord, 'mistakes');
          assert.match(report.text, /exporter:exporter-0 is FATAL/);
          assert.match(report.text, /exporter:exporter-1 is FATAL/);
          return report;
        });
        assert.equal(problems, [
          ...['FAIL events', 'FAIL events', 'FAIL events', 'FAIL events'],
          ...['FAIL buffer_size', 'warn priority', 'FAIL numprocs', 'FAIL autorestart'],
          ...['warn stdout_logfile', 'FAIL port', 'FAIL state', 'FAIL state'],
        ]);
        const file = `${supervisord.dir}/exporter.conf`;
        for (const fix of [
          'in [eventlistener:exporter]: events=PROCESS_GROUP,TICK_5,PROCESS_STATE,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_60',
          `add to [eventlistener:exporter] in ${file}: buffer_size=8192`,
          `add to [eventlistener:exporter] in ${file}: priority=-9876`,
          'in [eventlistener:exporter]: numprocs=1',
          'in [eventlistener:exporter]: autorestart=true',
          'in [eventlistener:exporter]: stdout_logfile=NONE',
          `127.0.0.1:${port} is in use by another program`,
          'listen on 127.0.0.1:',
        ]) {
          assert.ok(text.includes(fix), `${fix} is not in\n${text}`);
        }
      });
    } finally {
      other.close();
    }
  }),
);

doctor(
  'a missing HTTP server is reported with the lines to add',
  timed(60_000, () =>
    play({ conf: 'no-http' }, async (supervisord) => {
      const { code, text, problems } = await checkStory(supervisord, 'no-http');
      assert.is(code, 1);
      assert.equal(problems, ['FAIL http server'], text);
      assert.match(text, /-> add to \S+no-http\.conf: \[unix_http_server\]/);
    }),
  ),
);

doctor(
  'a wrong password in the section is reported and not shown',
  timed(60_000, async () => {
    const environment = { RPC_PORT: String(await freePort()) };
    const section = { environment: 'SUPERVISOR_USERNAME="me",SUPERVISOR_PASSWORD="wrong-secret"' };
    await play({ conf: 'password', section, environment }, async (supervisord) => {
      await eventually(10_000, async () => {
        const refused = await checkStory(supervisord, 'password', environment);
        assert.equal(refused.problems, ['FAIL xml-rpc', 'FAIL access'], refused.text);
        assert.match(refused.text, /rejects this username and password/);
        assert.not.match(refused.text, 'secret');
        assert.match(refused.text, /environment=SUPERVISOR_USERNAME="…",SUPERVISOR_PASSWORD="…"/);
      });
      const admitted = { SUPERVISOR_USERNAME: 'me', SUPERVISOR_PASSWORD: 'right' };
      await eventually(10_000, async () => {
        const asked = await checkStory(supervisord, 'password', { ...environment, ...admitted });
        assert.equal(asked.problems, ['FAIL access'], asked.text);
      });
    });
  }),
);

doctor(
  'redirect_stderr, with which supervisord refuses to start, is reported with its line',
  timed(60_000, () =>
    play({ conf: 'quiet', section: { redirect_stderr: 'true' } }, async (supervisord) => {
      await eventually(10_000, () => assert.match(supervisord.output, /sets redirect_stderr=true/));
      const { code, text, problems } = await checkStory(supervisord, 'quiet');
      assert.is(code, 1);
      assert.equal(problems, ['FAIL socket', 'FAIL redirect_stderr'], text);
      assert.match(
        text,
        /exporter\.conf:\d+, in \[eventlistener:exporter\]: remove the line redirect_stderr=…/,
      );
    }),
  ),
);

doctor(
  'a blank after the colon of the section is understood, and malformed events are reported',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await running(supervisord);
      const file = join(supervisord.dir, 'exporter.conf');
      const section = readFileSync(file, 'utf8');
      supervisord.writeConf('exporter.conf', section.replace(':exporter]', ': exporter]'));
      await supervisord.ctl('update');
      await eventually(20_000, async () => {
        const { text, problems } = await checkStory(supervisord, 'quiet');
        assert.match(text, / {2}exporter:exporter is RUNNING\n/);
        assert.match(text, /the exporter answers on 127\.0\.0\.1:/);
        const metrics = await supervisord.metrics();
        const malformed = metrics.sum('supervisord_exporter_events_malformed_total');
        assert.equal(problems, malformed > 0 ? ['FAIL malformed'] : [], text);
      });
    }),
  ),
);

doctor.run();
