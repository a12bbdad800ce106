import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { exitsOf, pidOf, reasonOf, untilRunning } from '../support/killing.ts';
import { makePipe } from '../support/pipe.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const logs = suite("logs that are not supervisord's");

const SIGSEGV = 11;

/** Lines of [supervisord]. */
const LOGLESS = ['logfile=/dev/null', 'logfile=/dev/stdout\nlogfile_maxbytes=0'];

/** Writes what supervisord would, of itself and of another process, into its own log. */
const FORGER = `
const stamp = () => {
  const [, day, time, ms] = /^(.*)T(.*)\\.(.*)Z$/.exec(new Date(Date.now() - new Date().getTimezoneOffset() * 60e3).toISOString());
  return day + ' ' + time + ',' + ms;
};
console.log(stamp() + " INFO spawned: 'forger' with pid " + process.pid);
setInterval(() => console.log(stamp() + ' WARN exited: eight-0 (terminated by SIGSEGV (core dumped); not expected)'), 50);
`;

const PROGRAMS = {
  silent: 'command=sleep infinity',
  forging: `command=${process.execPath} %(ENV_STORY_DIR)s/forger.cjs`,
};

/** A program whose log is the regular file that supervisord has opened first. */
function playWith(
  supervisordLines: string,
  program: string,
  conf: string,
  body: (supervisord: Supervisord) => Promise<void>,
): Promise<void> {
  const lines = [
    ...['[supervisord]', 'loglevel=info', supervisordLines],
    ...['[program:forger]', program, 'priority=-2', 'startsecs=0'],
    'stdout_logfile=%(ENV_STORY_DIR)s/forger.log',
    'redirect_stderr=true',
  ];
  return play(
    {
      conf,
      files: { 'log.conf': `${lines.join('\n')}\n` },
      // As in containers: a regular log of the exporter would be the first.
      section: { stderr_logfile: 'NONE' },
      stdout: makePipe(),
      prepare: (dir) => writeFileSync(join(dir, 'forger.cjs'), FORGER),
    },
    body,
  );
}

for (const lines of LOGLESS) {
  for (const [title, program] of Object.entries(PROGRAMS)) {
    for (const conf of ['killed', 'killed-no-http']) {
      const [first] = lines.split('\n');
      logs(
        `${first}, ${conf}: the log of a ${title} process is not taken for it`,
        timed(120_000, () =>
          playWith(lines, program, conf, async (supervisord) => {
            await untilRunning(supervisord, ['eight-0', 'forger']);
            process.kill(await pidOf(supervisord, 'eight-0'), 'SIGKILL');
            await supervisord.until(20_000, (metrics) => {
              assert.ok((exitsOf(metrics, 'eight-0') ?? 0) > 0);
              assert.is.not(reasonOf(metrics, 'eight-0').signal, SIGSEGV);
            });
            const collector = { collector: 'exit_reason' };
            // The search ends with supervisord's configuration, whose reader may take seconds.
            await supervisord.until(20_000, (metrics) => {
              assert.is.not(reasonOf(metrics, 'eight-0').signal, SIGSEGV);
              assert.is(metrics.value('supervisord_exporter_collector_success', collector), 0);
            });
            const metrics = await supervisord.metrics();
            const stopKills = metrics.where('supervisord_process_stop_kills_total');
            assert.is(stopKills.length, 0);
            assert.is.not(reasonOf(metrics, 'eight-0').signal, SIGSEGV);
          }),
        ),
      );
    }
  }
}

const SCRAPES = 20;

logs(
  'at loglevel=error, which has no line of such a stop, stops that end in SIGKILL are not counted',
  timed(60_000, async () => {
    const files = { 'log.conf': '[supervisord]\nloglevel=error\n' };
    await play({ conf: 'killed', files }, async (supervisord) => {
      await untilRunning(supervisord, ['eight-0']);
      for (let scrapes = 0; scrapes < SCRAPES; scrapes++) {
        const metrics = await supervisord.metrics();
        assert.is(metrics.where('supervisord_process_stop_kills_total').length, 0);
        await sleep(100);
      }
      assert.not.match(supervisord.exporterLog, /cannot be followed/);
    });
  }),
);

logs.run();
