import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_PAYLOAD_LENGTH } from '../../src/listener/frames.ts';
import { listen } from '../../src/listener/listener.ts';
import { eventually, timed, within } from '../support/deadline.ts';
import { ACKNOWLEDGED, type RunningExporter, withExporter } from '../support/exporter.ts';
import { chop, framed, random, unframeable } from '../support/fuzz.ts';
import { tick, wire } from '../support/wire.ts';

const hostile = suite('hostile stdin');

const FIXED_SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const RANDOM_SEEDS = Array.from({ length: 8 }, () => Math.floor(Math.random() * 2 ** 32));

for (const seed of [...FIXED_SEEDS, ...RANDOM_SEEDS]) {
  hostile(
    `seed ${seed}: whatever can be framed is answered, once each, in any chunks`,
    timed(20_000, async () => {
      const pick = random(seed);
      const events = Array.from({ length: 400 }, (_, serial) => framed(pick, serial));
      const {
        answers,
        taken,
        unframeable: reasons,
      } = await hear(chop(pick, Buffer.from(events.join(''))));
      assert.is(answers, ACKNOWLEDGED.repeat(events.length));
      assert.is(taken, events.length);
      assert.equal(reasons, []);
    }),
  );

  hostile(
    `seed ${seed}: what can not be framed ends the stream, after all before it was answered`,
    timed(20_000, async () => {
      const pick = random(seed);
      const events = Array.from({ length: pick(20) }, (_, serial) => framed(pick, serial));
      const bytes = Buffer.concat([
        Buffer.from(events.join('')),
        unframeable(pick),
        Buffer.from(tick(0, 5, 5)),
      ]);
      const { answers, unframeable: reasons } = await hear(chop(pick, bytes));
      assert.is(answers, ACKNOWLEDGED.repeat(events.length));
      assert.is(reasons.length, 1);
    }),
  );
}

for (const seed of [11, 12, 13, ...RANDOM_SEEDS.slice(0, 3)]) {
  hostile(
    `seed ${seed}: the program answers rubbish that can be framed, and leaves at rubbish that can not`,
    timed(30_000, () =>
      withExporter({}, async (exporter) => {
        const pick = random(seed);
        for (let serial = 0; serial < 60; serial++) await exporter.tell(framed(pick, serial));
        const before = exporter.stdout;
        for (const chunk of chop(pick, unframeable(pick))) exporter.child.stdin.write(chunk);
        await assertLeaves(exporter);
        assert.is(exporter.stdout, before);
      }),
    ),
  );
}

hostile(
  'an endless header: it leaves within seconds, and its memory has a bound',
  timed(60_000, () =>
    withExporter({}, async (exporter) => {
      let highest = 0;
      const watch = setInterval(() => {
        highest = Math.max(highest, residentBytes(exporter));
      }, 10);
      try {
        void flood(exporter, Buffer.alloc(1 << 20, 'x'), 1_000);
        await assertLeaves(exporter);
      } finally {
        clearInterval(watch);
      }
      assert.ok(highest < 250e6, `${highest} bytes`);
    }),
  ),
);

hostile(
  'the longest payload is taken, and one longer is skipped: counted, logged and acknowledged',
  timed(60_000, () =>
    withExporter({}, async (exporter) => {
      const payload = 'é'.repeat(MAX_PAYLOAD_LENGTH);
      exporter.child.stdin.write(
        wire({ name: 'PROCESS_LOG_STDOUT', payload, serial: 0 }) +
          wire({ name: 'PROCESS_LOG_STDOUT', payload: `${payload}é`, serial: 1 }) +
          tick(2, 5, 5),
      );
      await eventually(45_000, () =>
        assert.is(exporter.stdout, `READY\n${ACKNOWLEDGED.repeat(3)}`),
      );
      assert.match(exporter.stderr, `text="too long: ver:3.0 `);
      const metrics = await exporter.metrics();
      const reason = { reason: 'payload' };
      assert.is(metrics.value('supervisord_exporter_events_malformed_total', reason), 1);
      assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
    }),
  ),
);

hostile(
  'nothing in the process can write to stdout but the protocol',
  timed(30_000, () => {
    const preload = fileURLToPath(new URL('../support/noisy.cjs', import.meta.url));
    return withExporter(
      { environment: { NODE_OPTIONS: `--require=${preload}` } },
      async (exporter) => {
        for (let serial = 0; serial < 20; serial++) {
          await exporter.tell(tick(serial, 5, 5));
          await sleep(10);
        }
        assert.is(exporter.stdout, `READY\n${ACKNOWLEDGED.repeat(20)}`);
        for (const way of [
          'console.log',
          'the stream',
          'the descriptor',
          'the descriptor, later',
        ]) {
          assert.match(exporter.stderr, `noise by ${way}\n`);
        }
      },
    );
  }),
);

/** Runs the listener over chunks, and waits until it has heard them all. */
async function hear(
  chunks: readonly Buffer[],
): Promise<{ answers: string; taken: number; unframeable: string[] }> {
  const input = new PassThrough();
  const heard = { answers: '', taken: 0, unframeable: [] as string[] };
  const over = new Promise<void>((resolve) => {
    listen(
      (sink) => void input.pipe(sink),
      (text) => {
        heard.answers += text;
      },
      {
        onEvent: () => {
          heard.taken += 1;
          return () => {};
        },
        onUnframeable: (reason) => {
          heard.unframeable.push(reason);
          resolve();
        },
        onEnd: resolve,
      },
    );
  });
  for (const chunk of chunks) input.write(chunk);
  input.end();
  await within(10_000, 'end of the stream', over);
  return heard;
}

/** It ends by itself, with exit status 1, one line, and no stack trace. */
async function assertLeaves(exporter: RunningExporter): Promise<void> {
  assert.equal(await exporter.exit(10_000), { code: 1, signal: null });
  const errors = exporter.stderr
    .split('\n')
    .filter((line) => !/level=(?:INFO|WARN)/.test(line) && line !== '');
  assert.is(errors.length, 1, exporter.stderr);
  assert.match(errors[0] ?? '', /level=ERROR msg="cannot follow what supervisord sends/);
  assert.not.match(exporter.stderr, /\bat .*:\d+:\d+/);
}

async function flood(exporter: RunningExporter, chunk: Buffer, times: number): Promise<void> {
  const { stdin } = exporter.child;
  for (let sent = 0; sent < times && !stdin.destroyed; sent++) {
    if (!stdin.write(chunk))
      await Promise.race([new Promise((resolve) => stdin.once('drain', resolve)), exporter.exited]);
  }
}

function residentBytes(exporter: RunningExporter): number {
  try {
    const status = readFileSync(`/proc/${exporter.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

hostile.run();
