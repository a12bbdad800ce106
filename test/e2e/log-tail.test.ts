/** The end of the logs of processes that fail, with a real supervisord. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { makePipe } from '../support/pipe.ts';
import { freePort } from '../support/ports.ts';
import { htpasswd } from '../support/secure.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const tails = suite('log tails of real processes');

const FLAG = '--collector.log-tail=1KiB';
const INFO = { 'log.conf': '[supervisord]\nloglevel=info\n' };
const CRASHES = 50;

interface Report {
  readonly name: string;
  readonly state: string;
  readonly unexpectedExits: number;
  readonly lastTermination?: { readonly pid?: number };
  readonly logTail?: string;
}

async function reports(supervisord: Supervisord): Promise<ReadonlyMap<string, Report>> {
  const response = await fetch(supervisord.url('/-/programs?format=json'));
  const { processes } = (await response.json()) as { processes: Report[] };
  return new Map(processes.map((process) => [process.name, process]));
}

/** Waits until the tails are those. undefined: it has none, although it has ended. */
async function expectTails(
  supervisord: Supervisord,
  expected: Readonly<Record<string, RegExp | undefined>>,
): Promise<void> {
  await eventually(40_000, async () => {
    const byName = await reports(supervisord);
    for (const [name, tail] of Object.entries(expected)) {
      const report = byName.get(name);
      assert.ok(['EXITED', 'FATAL', 'STOPPED'].includes(report?.state ?? ''), name);
      if (tail === undefined) assert.is(report?.logTail, undefined, name);
      else assert.match(report?.logTail ?? '', tail, name);
    }
  });
}

const EXPECTED: Readonly<Record<string, RegExp | undefined>> = {
  merged: /^on stdout\non stderr\n$/,
  plain: /^on stdout\n$/,
  files: /^on stderr\n$/,
  container: undefined,
  silent: undefined,
  rotated: /^a line that is long enough .* last words\nlast words\n$/,
  binary: /^red \ufffd \ufffd\n$/,
  hasty: /^attempt of \d+\nattempt of \d+\n$/,
  missing: undefined,
  done: undefined,
};

tails(
  'each kind of log, of exits and failed starts',
  timed(120_000, () =>
    play(
      { conf: 'log-tail', flags: [FLAG], files: INFO, stdout: makePipe() },
      async (supervisord) => {
        await supervisord.until(20_000, (metrics) =>
          assert.is(metrics.value('supervisord_state', { name: 'stopped' }), 20),
        );
        await supervisord.ctl('stop', 'stopped');
        await expectTails(supervisord, { ...EXPECTED, stopped: undefined });
        const text = await (await fetch(supervisord.url('/-/programs?name=files'))).text();
        assert.match(
          text,
          /\n\nend of the log of files, whose run ended at [^\n]*Z:\n {4}on stderr\n$/,
        );
        const page = await (await fetch(supervisord.url('/?process=files'))).text();
        assert.match(page, /End of its stderr log/);
        assert.match(page, /<pre[^>]*>on stderr\n<\/pre>/);
        assert.not.match(supervisord.exporterLog, /level=(?:WARN|ERROR)/);
      },
    ),
  ),
);

for (const autorestart of [false, true]) {
  tails(
    `of ${CRASHES} crashes none has the log of another run; autorestart=${autorestart}`,
    timed(180_000, () => crash(autorestart)),
  );
}

/** Where supervisord starts the next run before the exporter has read the log, there is no tail. */
async function crash(autorestart: boolean): Promise<void> {
  const crashes = `[program:crash]\nnumprocs=${CRASHES}\nautorestart=${autorestart}\n`;
  const files = { ...INFO, 'crashes.conf': crashes };
  await play({ conf: 'log-tail', flags: [FLAG], files }, async (supervisord) => {
    const crashed = await eventually(
      120_000,
      async () => {
        const all = [...(await reports(supervisord)).values()];
        const ended = all.filter(({ name }) => name.startsWith('crash-'));
        assert.is(ended.length, CRASHES);
        for (const { name, unexpectedExits, state } of ended) {
          assert.is(unexpectedExits, 1, name);
          assert.is(state, autorestart ? 'RUNNING' : 'EXITED', name);
        }
        return ended;
      },
      200,
    );
    const kept = crashed.filter(({ logTail }) => logTail !== undefined);
    for (const { name, lastTermination, logTail } of kept) {
      assert.is(logTail, `last words of ${lastTermination?.pid}\n`, name);
    }
    const count = `${kept.length} of ${CRASHES} crashes carry their last words`;
    console.log(`${count}; autorestart=${autorestart}`);
    // On a busy machine supervisord may be faster than the exporter, which is then right to keep nothing.
    assert.ok(kept.length >= (autorestart ? CRASHES / 2 : CRASHES), count);
  });
}

tails(
  'supervisord is asked for logs that the exporter may not read',
  timed(120_000, () =>
    play(
      {
        conf: 'log-tail',
        flags: [FLAG],
        files: { 'log.conf': '[supervisord]\nloglevel=info\numask=077\n' },
        section: { user: 'nobody' },
        stdout: makePipe(),
        prepare: (dir) => execFileSync('chmod', ['755', dir]),
      },
      async (supervisord) => {
        const { files, plain, merged, hasty } = EXPECTED;
        await expectTails(supervisord, { files, plain, merged, hasty, container: undefined });
      },
    ),
  ),
);

for (const [title, conf] of [
  ['does not report starts', 'loglevel=warn'],
  ['cannot be read', 'logfile=/dev/null'],
]) {
  tails(
    `where supervisord's own log ${title} supervisord is asked for the logs`,
    timed(120_000, () =>
      play(
        { conf: 'log-tail', flags: [FLAG], files: { 'log.conf': `[supervisord]\n${conf}\n` } },
        async (supervisord) => {
          const { files, plain, merged } = EXPECTED;
          await expectTails(supervisord, { files, plain, merged });
        },
      ),
    ),
  );
}

/**
 * The other programs that exit, which do not start. If they all exited together, it would depend on
 * their order which of them are alerts of their own: SupervisorManyExits covers the others.
 */
const OTHERS = ['merged', 'plain', 'container', 'silent', 'rotated', 'binary', 'crash'];

tails(
  'pushed alerts have the tail as an annotation, even if HTTP does not show it',
  timed(120_000, async () => {
    const annotations = new Map<string, string | undefined>();
    const alertmanager = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        response.end('{}');
        for (const { labels, annotations: texts } of JSON.parse(body || '[]')) {
          assert.is(labels.log_tail, undefined);
          const key = `${labels.alertname} ${labels.name}`;
          // The first send is what reaches a pager.
          if (!annotations.has(key)) annotations.set(key, texts.log_tail);
        }
      });
    });
    await new Promise<void>((resolve) => alertmanager.listen(0, '127.0.0.1', resolve));
    const { port } = alertmanager.address() as AddressInfo;
    const open = await freePort();
    const flags = [
      FLAG,
      `--alertmanager.url=http://127.0.0.1:${port}`,
      `--web.listen-address=0.0.0.0:${open}`,
    ];
    try {
      const others = OTHERS.map((name) => `[program:${name}]\nautostart=false\n`).join('');
      const files = { ...INFO, 'others.conf': `${others}[program:files]\nautostart=false\n` };
      await play({ conf: 'log-tail', flags, files }, async (supervisord) => {
        // The exporter follows the events when the process starts.
        await eventually(60_000, () =>
          assert.ok(annotations.has('SupervisorProcessFatal missing')),
        );
        await supervisord.ctl('start', 'files');
        await eventually(60_000, () => {
          assert.match(annotations.get('SupervisorProcessUnexpectedExit files') ?? '', /on stderr/);
          assert.match(annotations.get('SupervisorProcessFatal hasty') ?? '', /attempt of/);
        });
        assert.is(annotations.get('SupervisorProcessFatal missing'), undefined);
        const report = (await reports(supervisord)).get('files');
        assert.is(report?.state, 'EXITED');
        assert.is(report?.logTail, undefined);
        const page = await (await fetch(supervisord.url('/?process=files'))).text();
        assert.not.match(page, /on stderr/);
        assert.match(supervisord.exporterLog, /level=WARN .*log tails are not shown over HTTP/);
      });
    } finally {
      alertmanager.close();
      alertmanager.closeAllConnections();
    }
  }),
);

tails(
  'tails are shown on an open address to clients with the password',
  timed(120_000, async () => {
    const open = await freePort();
    const prepare = (dir: string) =>
      writeFileSync(
        join(dir, 'web.yml'),
        `basic_auth_users: { alice: ${htpasswd('secret', 4)} }\n`,
      );
    const file = '--web.config.file=%(ENV_STORY_DIR)s/web.yml';
    const flags = [FLAG, `--web.listen-address=0.0.0.0:${open}`, file];
    await play({ conf: 'log-tail', flags, files: INFO, prepare }, async (supervisord) => {
      const authorization = `Basic ${Buffer.from('alice:secret').toString('base64')}`;
      const url = supervisord.url('/-/programs?name=files');
      await eventually(40_000, async () => {
        const answer = await fetch(url, { headers: { authorization } });
        assert.match(
          await answer.text(),
          /end of the log of files, whose run ended at [^\n]*Z:\n {4}on stderr\n/,
        );
      });
      assert.is((await fetch(url)).status, 401);
      assert.not.match(supervisord.exporterLog, /log tails are not shown/);
    });
  }),
);

tails.run();
