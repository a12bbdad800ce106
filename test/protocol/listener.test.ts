import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatCommand } from '../../src/cli/print-config.ts';
import { everyChunking } from '../support/chunks.ts';
import { eventually, timed } from '../support/deadline.ts';
import { ACKNOWLEDGED, PROGRAM, runToEnd, withExporter } from '../support/exporter.ts';
import { group, remote, step, tick, wire } from '../support/wire.ts';

const NO_EXITS = ['--no-collector.exit-reason', '--no-supervisor.nudge'];

const listener = suite('listener protocol');

listener(
  'stdout holds READY, one answer per event and nothing else',
  timed(20_000, () =>
    withExporter({ args: ['--log.level=debug'] }, async (exporter) => {
      await exporter.tell(
        step(0, 'cat:cat', 'STOPPED>STARTING', 'tries:0'),
        step(1, 'cat:cat', 'STARTING>RUNNING', 'pid:7'),
        wire({ name: 'SUPERVISOR_STATE_CHANGE_RUNNING', serial: 2 }),
        group(3, 'ADDED', 'cat'),
        tick(4, 60, 60),
        remote(5, 'anything', 'at\nall'),
      );
      assert.is(exporter.stdout, `READY\n${ACKNOWLEDGED.repeat(6)}`);
    }),
  ),
);

listener(
  'an event is visible on /metrics before it is acknowledged',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      const story = [
        ['STOPPED>STARTING', 'tries:0', 10, 1],
        ['STARTING>RUNNING', 'pid:7', 20, 1],
        ['RUNNING>EXITED', 'expected:0 pid:7', 100, 0],
        ['EXITED>STARTING', 'tries:0', 10, 1],
        ['STARTING>BACKOFF', 'tries:1', 30, 0],
        ['BACKOFF>FATAL', '', 200, 0],
      ] as const;
      for (const [serial, [transition, extra, state, up]] of story.entries()) {
        await exporter.tell(step(serial, 'pets:cat', transition, extra));
        const metrics = await exporter.metrics();
        const cat = { name: 'cat', group: 'pets' };
        assert.is(metrics.value('supervisord_state', cat), state, transition);
        assert.is(metrics.value('supervisord_up', cat), up, transition);
        assert.is(metrics.transitions('pets:cat')[transition], 1, transition);
      }
      const metrics = await exporter.metrics();
      assert.is(metrics.value('supervisord_process_exits_total'), 1);
      assert.is(metrics.value('supervisord_process_unexpected_exits_total'), 1);
      assert.is(metrics.value('supervisord_process_backoff_tries'), 1);
    }),
  ),
);

listener(
  'an event is parsed whatever the chunks: byte by byte and cut at each offset',
  timed(60_000, () =>
    withExporter({}, async (exporter) => {
      const text = step(0, 'wörker-é:🚀', 'STARTING>RUNNING', 'pid:7');
      let answers = 0;
      for (const [how, chunks] of everyChunking(Buffer.from(text))) {
        for (const chunk of chunks) {
          exporter.child.stdin.write(chunk);
          // Wait until it has been read, since two writes at once would form one chunk.
          await sleep(chunks.length === 2 ? 2 : 0);
        }
        answers += 1;
        await eventually(
          5_000,
          () => assert.is(exporter.stdout, `READY\n${ACKNOWLEDGED.repeat(answers)}`, how),
          1,
        );
      }
      const metrics = await exporter.metrics();
      assert.is(metrics.value('supervisord_up', { name: '🚀', group: 'wörker-é' }), 1);
      assert.is(metrics.value('supervisord_exporter_events_redelivered_total'), answers - 1);
      assert.equal(metrics.transitions('wörker-é:🚀'), { 'STARTING>RUNNING': 1 });
    }),
  ),
);

listener(
  'malformed events are counted by reason and acknowledged, and later events are processed',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(
        'nothing but a length len:3\nabc',
        wire({ name: 'PROCESS_STATE_SLEEPING', serial: 0 }),
        wire({ name: 'TICK_60', payload: 'when:never', serial: 1 }),
        step(2, 'cat:cat', 'STOPPED>STARTING', 'tries:0'),
      );
      const metrics = await exporter.metrics();
      for (const reason of ['header', 'unknown_event', 'payload']) {
        assert.is(
          metrics.value('supervisord_exporter_events_malformed_total', { reason }),
          1,
          reason,
        );
      }
      assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
      assert.is(metrics.value('supervisord_up', { name: 'cat' }), 1);
    }),
  ),
);

listener(
  'input that cannot be framed ends the exporter with one line, exit status 1 and no answer',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(tick(0, 5, 5));
      const logged = exporter.stderr.length;
      exporter.child.stdin.write('Traceback (most recent call last):\n');
      assert.equal(await exporter.exit(), { code: 1, signal: null });
      assert.is(exporter.stdout, `READY\n${ACKNOWLEDGED}`);
      const lines = exporter.stderr.slice(logged).trimEnd().split('\n');
      assert.is(lines.length, 1, exporter.stderr);
      assert.match(
        lines[0] ?? '',
        /level=ERROR msg="cannot follow what supervisord sends.*Traceback/,
      );
    }),
  ),
);

listener(
  'a skipped serial is counted as lost after a while unless it arrives late',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(
        step(0, 'cat:cat', 'STOPPED>STARTING', 'tries:0'),
        step(4, 'cat:cat', 'EXITED>STARTING', 'tries:0'),
        step(2, 'cat:cat', 'RUNNING>EXITED', 'expected:0 pid:7'),
      );
      assert.is((await exporter.metrics()).value('supervisord_exporter_events_lost_total'), 0);
      await eventually(5_000, async () => {
        assert.is((await exporter.metrics()).value('supervisord_exporter_events_lost_total'), 2);
      });
      const metrics = await exporter.metrics();
      assert.is(metrics.value('supervisord_process_exits_total', { name: 'cat' }), 1);
      assert.is(metrics.value('supervisord_state', { name: 'cat' }), 10);
    }),
  ),
);

listener(
  'events are also read from a file up to its end',
  timed(20_000, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      const file = join(dir, 'events');
      const events = Array.from({ length: 2_000 }, (_, serial) => tick(serial, 5, serial));
      writeFileSync(file, events.join(''));
      const exit = spawnSync(process.execPath, [PROGRAM, '--web.listen-address=127.0.0.1:0'], {
        stdio: [openSync(file, 'r'), 'pipe', 'pipe'],
        encoding: 'utf8',
        timeout: 10_000,
      });
      assert.is(exit.status, 0, exit.stderr);
      assert.is(exit.stdout, `READY\n${ACKNOWLEDGED.repeat(events.length)}`);
    } finally {
      rmSync(dir, { recursive: true });
    }
  }),
);

for (const [title, end] of [
  ['the end of stdin', (exporter) => exporter.child.stdin.end()],
  [
    'the end of stdin in the middle of an event',
    (exporter) => exporter.child.stdin.end('ver:3.0 len:9\nab'),
  ],
  ['SIGTERM', (exporter) => exporter.child.kill('SIGTERM')],
  ['SIGINT', (exporter) => exporter.child.kill('SIGINT')],
  [
    'a closed stdout',
    (exporter) => {
      exporter.child.stdout.destroy();
      exporter.child.stdin.write(tick(0, 5, 5));
    },
  ],
] as const satisfies ReadonlyArray<
  readonly [string, (exporter: import('../support/exporter.ts').RunningExporter) => unknown]
>) {
  listener(
    `${title} ends it within a second, with exit status 0 and nothing logged`,
    timed(20_000, () =>
      // supervisord's log, which does not exist here, is not searched for.
      withExporter({ args: NO_EXITS }, async (exporter) => {
        const logged = exporter.stderr;
        end(exporter);
        assert.equal(await exporter.exit(1_000), { code: 0, signal: null });
        assert.is(exporter.stderr, logged);
      }),
    ),
  );
}

for (const arg of [
  '--nonsense',
  '--web.listen-address=:99999',
  '--supervisor.url=ftp://x',
  '--log.level=loud',
  'docto',
]) {
  listener(
    `${arg}: one line on stderr, nothing on stdout, exit status 2`,
    timed(20_000, async () => {
      const { code, stdout, stderr } = await runToEnd([arg]);
      assert.is(code, 2);
      assert.is(stdout, '');
      assert.match(stderr, /^supervisor-exporter: [^\n]+\n$/);
    }),
  );
}

listener(
  'a port in use ends the exporter with one line and exit status 1, and no event is acknowledged',
  timed(20_000, () =>
    withExporter({}, async (first) => {
      const { code, stdout, stderr } = await runToEnd([
        `--web.listen-address=127.0.0.1:${first.port}`,
      ]);
      assert.is(code, 1);
      assert.is(stdout, 'READY\n');
      assert.match(
        stderr,
        new RegExp(
          `^[^\n]*cannot listen on 127.0.0.1:${first.port}: the address is in use[^\n]*\n$`,
        ),
      );
    }),
  ),
);

listener(
  'print-config prints the shipped section with the current command',
  timed(20_000, async () => {
    const { code, stdout, stderr } = await runToEnd(['print-config', '--log.level=debug']);
    assert.is(code, 0);
    assert.is(stderr, '');
    const shipped = readFileSync(
      new URL('../../supervisor/exporter.conf', import.meta.url),
      'utf8',
    );
    const command = formatCommand([process.execPath, PROGRAM, '--log.level=debug']);
    assert.is(
      stdout,
      shipped.replace(/^command=.*$/m, () => `command=${command}`),
    );
  }),
);

listener(
  '--help and --version print to stdout and exit with status 0',
  timed(20_000, async () => {
    const help = await runToEnd(['--help']);
    assert.is(help.code, 0);
    assert.match(help.stdout, /^usage: supervisor-exporter \[flags\]/);
    const version = await runToEnd(['--version']);
    assert.is(version.code, 0);
    assert.match(
      version.stdout,
      /^supervisor-exporter, version \d+\.\d+\.\d+ \(revision: \w+, node: v\d+/,
    );
  }),
);

listener.run();
