import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';
import { Supervisord } from '../support/supervisord.ts';

const programs = suite('programs');

let supervisord: Supervisord;

programs.before(async () => {
  supervisord = new Supervisord({ conf: 'life' }, await freePort());
  await supervisord.until(20_000, (metrics) => {
    assert.is(metrics.value('supervisord_state', { name: 'steady' }), 20);
    assert.is(metrics.value('supervisord_state', { name: 'missing' }), 200);
    assert.is(metrics.value('supervisord_state', { name: 'batch' }), 100);
  });
});

programs.after(() => supervisord?.stop());

const ANSWERS: readonly (readonly [query: string, status: number, text: RegExp])[] = [
  ['?name=steady', 200, /^ok: 1 process, none in trouble\n$/],
  // It has ended as expected, and another was never started.
  ['?group=batch&group=waiting', 200, /^ok: 2 processes/],
  ['?name=steady&name=missing', 503, /^trouble\nmissing is FATAL.*can't find command/],
  ['?group=stead', 503, /^no match\nthere is no group "stead"\n$/],
];

for (const [query, status, text] of ANSWERS) {
  programs(
    `${query} is answered ${status}`,
    timed(20_000, async () => {
      const answer = await fetch(supervisord.url(`/-/programs${query}`));
      assert.match(await answer.text(), text);
      assert.is(answer.status, status);
    }),
  );
}

programs(
  'a stop on purpose is no trouble',
  timed(30_000, async () => {
    const url = supervisord.url('/-/programs?name=steady');
    await supervisord.call('supervisor.stopProcess', 'steady');
    await eventually(10_000, async () => {
      const answer = await fetch(`${url}&format=json`);
      const [steady] = ((await answer.json()) as { processes: { state: string }[] }).processes;
      assert.is(steady?.state, 'STOPPED');
      assert.is(answer.status, 200);
    });
    await supervisord.call('supervisor.startProcess', 'steady');
    await eventually(10_000, async () => assert.is((await fetch(url)).status, 200));
  }),
);

/** As documented, with the address of this test. */
function documentedChecks(query: string): (readonly [what: string, command: string])[] {
  const file = new URL('../../docs/health-checks.md', import.meta.url);
  const text = readFileSync(file, 'utf8');
  const [, docker = ''] = /^HEALTHCHECK .*?CMD (.*)$/m.exec(text) ?? [];
  const [, wget = ''] = /^(wget .*)$/m.exec(text) ?? [];
  const [, node = ''] = /^(node -e .*)$/m.exec(text) ?? [];
  return [
    ['curl', docker],
    ['wget', wget],
    ['Node', node],
  ].map(([what = '', command = '']) => {
    assert.match(command, /\/-\/programs/, what);
    const url = supervisord.url(`/-/programs${query}`);
    return [what, command.replace(/http:\/\/127\.0\.0\.1:9876\/-\/programs[^"' ]*/, () => url)];
  });
}

for (const [query, status] of [
  ['?name=steady', 0],
  ['?name=missing', 1],
] as const) {
  programs(
    `the documented health checks exit with ${status} for ${query}`,
    timed(30_000, async () => {
      for (const [what, command] of documentedChecks(query)) {
        const { status: code, stderr } = spawnSync('sh', ['-c', command], {
          encoding: 'utf8',
          timeout: 20_000,
        });
        assert.is(code, status, `${what}: ${stderr}`);
      }
    }),
  );
}

/** Two runs that end at once; the exit codes of the second do not include 0. */
const ENDED = `
[program:job]
command=sh -c 'exit 2'
startsecs=0
exitcodes=0,2
autorestart=false

[program:surprise]
command=sh -c 'exit 0'
startsecs=0
exitcodes=2
autorestart=false
`;

programs(
  'an exporter that was started later knows by the exit codes whether an exit was expected',
  timed(60_000, async () => {
    const story = new Supervisord(
      { conf: 'quiet', files: { 'ended.conf': ENDED } },
      await freePort(),
    );
    try {
      const assertAnswers = async () => {
        const job = await fetch(story.url('/-/programs?name=job'));
        assert.is(job.status, 200, await job.text());
        const surprise = await fetch(story.url('/-/programs?name=surprise'));
        assert.match(
          await surprise.text(),
          /surprise is EXITED, exited unexpectedly, exit status 0/,
        );
      };
      await eventually(20_000, assertAnswers);
      // An exporter that is started later receives no event that this one has acknowledged.
      await story.until(20_000, (metrics) => {
        assert.is(metrics.value('supervisord_process_exits_total', { name: 'job' }), 1);
        assert.is(metrics.value('supervisord_process_exits_total', { name: 'surprise' }), 1);
      });
      const { pid } = await story.call<{ pid: number }>('supervisor.getProcessInfo', 'exporter');
      process.kill(pid, 'SIGKILL');
      await story.until(20_000, (metrics) => {
        assert.is(metrics.value('supervisord_process_exits_total', { name: 'job' }), 0);
        assert.is(metrics.value('supervisord_exit_expected', { name: 'job' }), 1);
        assert.is(metrics.value('supervisord_exit_expected', { name: 'surprise' }), 0);
      });
      await assertAnswers();
    } finally {
      await story.stop();
    }
  }),
);

programs.run();
