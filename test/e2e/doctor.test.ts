import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { checkSupervisord, runDoctor } from '../support/doctor.ts';
import { PROGRAM } from '../support/exporter.ts';
import { freePort } from '../support/ports.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const doctor = suite('doctor');

/** supervisord's own level, as most have it; with `debug`, which other stories use, doctor finds fault. */
const INFO = { STORY_LOG_LEVEL: 'info' };

/** Waits until the exporter runs and answers. */
function running(supervisord: Supervisord): Promise<void> {
  return supervisord.until(15_000, (metrics) => {
    assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20);
  });
}

doctor(
  'a working installation has exit status 0, and a change that is not loaded yet is reported',
  timed(60_000, () =>
    play({ conf: 'quiet', environment: INFO }, async (supervisord) => {
      await running(supervisord);
      const well = await checkSupervisord(supervisord);
      assert.equal(well.problems, [], well.text);
      assert.is(well.code, 0);
      assert.match(well.text, 'ok    port             the exporter answers on 127.0.0.1:');
      assert.match(well.text, 'All is well.');
      assert.not.match(well.text, '\u001b');

      supervisord.changeSection({ priority: '-5' });
      const changed = await checkSupervisord(supervisord);
      assert.equal(changed.problems, ['FAIL loaded']);
      assert.match(
        changed.text,
        /running with a different priority\n +-> supervisorctl -s unix:\/\/\S+ update/,
      );
      await supervisord.ctl('update');
      await running(supervisord);
      await eventually(10_000, async () => {
        const updated = await checkSupervisord(supervisord);
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
      environment: INFO,
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
          const report = await checkSupervisord(supervisord);
          assert.match(report.text, /exporter:exporter-0 is FATAL/);
          assert.match(report.text, /exporter:exporter-1 is FATAL/);
          return report;
        });
        assert.equal(problems, [
          'FAIL events',
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
    play({ conf: 'no-http', environment: INFO }, async (supervisord) => {
      const { code, text, problems } = await checkSupervisord(supervisord);
      assert.is(code, 1);
      assert.equal(problems, ['FAIL http server'], text);
      assert.match(text, /-> add to \S+no-http\.conf: \[unix_http_server\]/);
    }),
  ),
);

doctor(
  'a wrong password in the section is reported and not shown',
  timed(60_000, async () => {
    const environment = { ...INFO, RPC_PORT: String(await freePort()) };
    const section = { environment: 'SUPERVISOR_USERNAME="me",SUPERVISOR_PASSWORD="wrong-secret"' };
    await play({ conf: 'password', section, environment }, async (supervisord) => {
      await eventually(10_000, async () => {
        const refused = await checkSupervisord(supervisord, environment);
        // doctor itself uses the username and password of the configuration.
        const problems = refused.problems.filter((problem) => !problem.endsWith('synced'));
        assert.equal(problems, ['FAIL access'], refused.text);
        assert.not.match(refused.text, 'secret');
        assert.not.match(refused.text, 'right');
        assert.match(refused.text, /environment=SUPERVISOR_USERNAME="…",SUPERVISOR_PASSWORD="…"/);
      });
    });
  }),
);

doctor(
  'redirect_stderr, with which supervisord refuses to start, is reported with its line',
  timed(60_000, () =>
    play(
      { conf: 'quiet', environment: INFO, section: { redirect_stderr: 'true' } },
      async (supervisord) => {
        await eventually(10_000, () =>
          assert.match(supervisord.output, /sets redirect_stderr=true/),
        );
        const { code, text, problems } = await checkSupervisord(supervisord);
        assert.is(code, 1);
        assert.equal(problems, ['FAIL configuration'], text);
        assert.match(
          text,
          /supervisord refuses .*redirect_stderr=true.*\n +-> correct \S+exporter\.conf:5/,
        );
      },
    ),
  ),
);

doctor(
  'a blank after the colon of the section is understood, and malformed events are reported',
  timed(60_000, () =>
    play({ conf: 'quiet', environment: INFO }, async (supervisord) => {
      await running(supervisord);
      const file = join(supervisord.dir, 'exporter.conf');
      const section = readFileSync(file, 'utf8');
      supervisord.writeConf('exporter.conf', section.replace(':exporter]', ': exporter]'));
      await supervisord.ctl('update');
      await eventually(20_000, async () => {
        const { text, problems } = await checkSupervisord(supervisord);
        assert.match(text, / {2}exporter:exporter is RUNNING\n/);
        assert.match(text, /the exporter answers on 127\.0\.0\.1:/);
        const metrics = await supervisord.metrics();
        const malformed = metrics.sum('supervisord_exporter_events_malformed_total');
        assert.equal(problems, malformed > 0 ? ['FAIL malformed'] : [], text);
      });
    }),
  ),
);

doctor(
  'a section that was reread and not updated is reported, also where its file kept its time',
  timed(60_000, () =>
    play({ conf: 'quiet', environment: INFO }, async (supervisord) => {
      await running(supervisord);
      const file = join(supervisord.dir, 'exporter.conf');
      const { atime, mtime } = statSync(file);
      const section = readFileSync(file, 'utf8');
      const rewrite = async (text: string) => {
        supervisord.writeConf('exporter.conf', text);
        utimesSync(file, atime, mtime);
        await supervisord.ctl('reread');
      };
      await rewrite(section.replace(/^command=.*$/m, '$& --log.level=debug'));
      const flags = await checkSupervisord(supervisord);
      assert.equal(flags.problems, ['FAIL loaded'], flags.text);
      assert.match(
        flags.text,
        /running with a different command\n +-> supervisorctl -s unix:\S+ update/,
      );

      await rewrite(`${section}environment=A="b"\n`);
      const variables = await checkSupervisord(supervisord);
      assert.equal(variables.problems, ['FAIL loaded'], variables.text);
      assert.match(variables.text, /running with a different environment/);

      // No call and no file of /proc shows the size of a buffer that is in use.
      await rewrite(section.replace(/^buffer_size=.*$/m, 'buffer_size=9000'));
      const size = await checkSupervisord(supervisord);
      assert.equal(size.problems, ['warn loaded'], size.text);

      await supervisord.ctl('update');
      await running(supervisord);
      await eventually(10_000, async () => {
        const updated = await checkSupervisord(supervisord);
        assert.equal(updated.problems, [], updated.text);
      });
    }),
  ),
);

doctor(
  'a program with the name of our section is reported, which supervisord does not do',
  timed(60_000, () =>
    play(
      {
        conf: 'quiet',
        environment: INFO,
        files: { 'user.conf': '[program:exporter]\ncommand=sleep infinity\nstartsecs=0\n' },
      },
      async (supervisord) => {
        await eventually(15_000, async () => {
          const { text, problems } = await checkSupervisord(supervisord);
          assert.ok(problems.includes('FAIL name'), text);
          assert.match(
            text,
            /rename \[eventlistener:exporter\] to \[eventlistener:supervisor-exporter\]/,
          );
        });
      },
    ),
  ),
);

/** Values of stdout_logfile, and whether events arrive all the same. */
const STDOUT_LOGS: ReadonlyArray<readonly [logfile: string, maxbytes: string, arrives: boolean]> = [
  // Node's pipe is a socket, which cannot be opened by its name.
  ['/dev/stdout', '0', false],
  ['%(ENV_STORY_DIR)s', '0', false],
  ['%(ENV_STORY_DIR)s/fifo', '50MB', false],
  ['%(ENV_STORY_DIR)s/fifo', '0', true],
  ['/dev/null', '50MB', true],
];

doctor(
  'a stdout_logfile with which no event arrives is reported',
  timed(90_000, async () => {
    await Promise.all(STDOUT_LOGS.map(assertStdoutLog));
  }),
);

function assertStdoutLog([logfile, maxbytes, arrives]: (typeof STDOUT_LOGS)[number]) {
  const section = { stdout_logfile: logfile, stdout_logfile_maxbytes: maxbytes };
  let descriptor: number | undefined;
  const prepare = (dir: string) => {
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    // Opened for both, it blocks neither side.
    descriptor = openSync(join(dir, 'fifo'), 'r+');
  };
  const story = { conf: 'quiet', environment: INFO, section, prepare };
  const played = play(story, async (supervisord) => {
    const { text, problems } = await eventually(30_000, async () => {
      const report = await checkSupervisord(supervisord);
      assert.match(report.text, /state +exporter is (?:RUNNING|FATAL|BACKOFF)/);
      return report;
    });
    assert.ok(problems.includes(`${arrives ? 'warn' : 'FAIL'} stdout_logfile`), text);
    if (arrives) await running(supervisord);
    else assert.not.ok(await hasEvents(supervisord), `${logfile} ${maxbytes}`);
  });
  return played.finally(() => {
    if (descriptor !== undefined) closeSync(descriptor);
  });
}

async function hasEvents(supervisord: Supervisord): Promise<boolean> {
  try {
    return (await supervisord.metrics()).sum('supervisord_exporter_events_total') > 0;
  } catch {
    return false;
  }
}

doctor(
  'secrets in the log and programs that wait for an update are reported',
  timed(60_000, () =>
    play({ conf: 'quiet' }, async (supervisord) => {
      await running(supervisord);
      supervisord.writeConf('later.conf', '[program:later]\ncommand=sleep infinity\n');
      const { text, problems } = await checkSupervisord(supervisord);
      assert.equal(problems, ['FAIL loglevel', 'warn groups'], text);
      assert.match(text, /base\.conf:8, in \[supervisord\]: loglevel=info/);
      assert.match(text, /supervisord has not loaded later\n/);
    }),
  ),
);

doctor(
  'an exporter in a shell or a wrapper is found by its process',
  timed(60_000, async () => {
    const flags = '--web.listen-address=127.0.0.1:%(ENV_STORY_PORT)s';
    const run = `${process.execPath} ${PROGRAM} ${flags}`;
    const commands = [
      `bash -c "exec ${run} 2>/dev/full"`,
      `sh -c 'exec "$@"' sh ${run}`,
      '%(ENV_STORY_DIR)s/wrapper',
    ];
    const wrapper = `#!/bin/sh\nexec ${run.replace('%(ENV_STORY_PORT)s', '$STORY_PORT')}\n`;
    const prepare = (dir: string) => writeFileSync(join(dir, 'wrapper'), wrapper, { mode: 0o755 });
    await Promise.all(
      commands.map((command) => {
        const story = { conf: 'quiet', environment: INFO, section: { command }, prepare };
        return play(story, async (supervisord) => {
          await running(supervisord);
          await eventually(15_000, async () => {
            const { text, problems } = await checkSupervisord(supervisord);
            assert.equal(problems, [], `${command}\n${text}`);
            assert.match(text, 'the exporter answers on 127.0.0.1:');
          });
        });
      }),
    );
  }),
);

doctor(
  'where the configuration cannot be read, XML-RPC and the port are checked all the same',
  timed(60_000, () =>
    play({ conf: 'quiet', environment: INFO }, async (supervisord) => {
      await running(supervisord);
      const { code, text, problems } = await runDoctor({
        args: [
          '--supervisor.config=/nowhere/supervisord.conf',
          `--supervisor.url=unix://${supervisord.dir}/supervisor.sock`,
        ],
      });
      assert.is(code, 1);
      assert.equal(problems, ['FAIL configuration'], text);
      for (const line of ['xml-rpc          answers', 'the exporter answers on 127.0.0.1:']) {
        assert.match(text, line);
      }
      assert.match(text, /ok {4}state {12}exporter is RUNNING\nok {4}delivery/);
    }),
  ),
);

doctor.run();
