import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Detail } from '../../src/web/page/detail.ts';
import { MAX_SUBSCRIBERS, SseHub } from '../../src/web/page/sse-hub.ts';
import { applyChanges, type Message, type View } from '../../src/web/page/view.ts';
import { eventually, timed } from '../support/deadline.ts';
import { ACKNOWLEDGED, type RunningExporter, withExporter } from '../support/exporter.ts';
import { openStream, type StreamReader } from '../support/stream.ts';
import { step } from '../support/wire.ts';

const page = suite('page');

page(
  'the security headers forbid other origins, inline code, frames and caching',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      const { headers } = await fetch(exporter.url('/'));
      const policy = new Map(
        (headers.get('content-security-policy') ?? '')
          .split('; ')
          .map((directive) => directive.split(/ (.*)/) as [string, string]),
      );
      for (const name of ['default-src', 'base-uri', 'frame-ancestors']) {
        assert.is(policy.get(name), "'none'", name);
      }
      for (const name of ['script-src', 'style-src', 'connect-src', 'img-src', 'form-action']) {
        assert.is(policy.get(name), "'self'", name);
      }
      assert.is(policy.get('require-trusted-types-for'), "'script'");
      assert.is(headers.get('cache-control'), 'no-store');
      assert.is(headers.get('referrer-policy'), 'no-referrer');
      assert.is(headers.get('x-content-type-options'), 'nosniff');
      for (const path of ['/-/page.js', '/-/page.css', '/-/page.svg', '/-/events']) {
        const response = await fetch(exporter.url(path), { method: 'HEAD' });
        assert.is(response.headers.get('x-content-type-options'), 'nosniff', path);
        assert.is(response.headers.get('access-control-allow-origin'), null, path);
      }
    }),
  ),
);

page(
  'a browser revalidates the assets of the page by their ETag',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      for (const path of ['/-/page.js', '/-/page.css', '/-/page.svg']) {
        const first = await fetch(exporter.url(path));
        assert.ok((await first.text()).length > 100, path);
        const etag = first.headers.get('etag') ?? '';
        assert.match(etag, /^W\/"[\w-]{16}"$/);
        assert.is(first.headers.get('cache-control'), 'no-cache');
        for (const known of [etag, `"other", ${etag}`, '*']) {
          const again = await fetch(exporter.url(path), { headers: { 'if-none-match': known } });
          assert.is(again.status, 304, known);
          assert.is(await again.text(), '');
        }
        const other = await fetch(exporter.url(path), { headers: { 'if-none-match': '"other"' } });
        assert.is(other.status, 200);
        await other.text();
      }
      const script = await fetch(exporter.url('/-/page.js'), { method: 'HEAD' });
      const size = Number(script.headers.get('content-length'));
      assert.ok(size < 14_000, `the script, gzipped, has ${size} bytes`);
    }),
  ),
);

page(
  'the page lists every process and escapes its name',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(
        step(0, '<script>alert(1)<\u2044script>:<img/src=x>', 'STOPPED>STARTING', 'tries:0'),
        step(1, 'wörker-é:🚀', 'RUNNING>EXITED', 'expected:0 pid:1'),
      );
      const html = await (await fetch(exporter.url('/?sort=-exits&q=%3Cimg'))).text();
      assert.match(
        html,
        /&#60;script&#62;alert\(1\)&#60;.script&#62;:<\/span>&#60;img\/src=x&#62;/,
      );
      assert.not.match(html, /<script>|<img/);
      assert.match(html, /1 of 2 processes match/);
      const all = await (await fetch(exporter.url('/'))).text();
      assert.match(all, /wörker-é:<\/span>🚀<.*<span class="reason recent">unexpected</);
    }),
  ),
);

page(
  'while supervisord does not answer, page and programs state what they wait for',
  timed(20_000, async () => {
    // Accepts connections and never answers.
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    try {
      await eventually(5_000, () => assert.ok(silent.listening));
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      await withExporter({ args: [`--supervisor.url=${url}/RPC2`] }, async (exporter) => {
        const html = await (await fetch(exporter.url('/'))).text();
        assert.match(html, /Waiting for supervisord<span aria-hidden="true">, \d+s</);
        assert.not.match(html, /has no processes|No process/);
        const programs = await fetch(exporter.url('/-/programs'));
        assert.is(programs.status, 503);
        assert.match(await programs.text(), /^not synced\nwaiting for the first snapshot/);
      });
    } finally {
      silent.close();
      silent.closeAllConnections();
    }
  }),
);

page(
  'one process is answered as JSON where a script asks for it',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(
        step(0, 'shop:web', 'STOPPED>STARTING', 'tries:0'),
        step(1, 'shop:web', 'STARTING>RUNNING', 'pid:7'),
        step(2, 'shop:web', 'RUNNING>EXITED', 'expected:0 pid:7'),
      );
      const headers = { accept: 'application/json' };
      const detail = await fetch(exporter.url('/?process=shop:web'), { headers });
      const { terminations, transitions } = (await detail.json()) as Detail;
      assert.is(terminations[0]?.pid, 7);
      assert.equal(
        transitions.map(({ to }) => to),
        ['EXITED', 'RUNNING', 'STARTING'],
      );
      assert.is((await fetch(exporter.url('/?process=shop:x'), { headers })).status, 404);
      const page = await fetch(exporter.url('/?process=shop:web'));
      assert.match(await page.text(), /supervisorctl restart shop:web/);
      const missing = await fetch(exporter.url('/?process=%3Cb%3E'));
      assert.is(missing.status, 404);
      assert.match(await missing.text(), /There is no process &#60;b&#62;\./);
    }),
  ),
);

page(
  'a stream starts with a snapshot, followed by the changes',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(step(0, 'web:web', 'STOPPED>STARTING', 'tries:0'));
      const stream = await openStream(exporter.url('/-/events'));
      assert.is(stream.response.headers['content-type'], 'text/event-stream');
      assert.is(stream.response.headers['cache-control'], 'no-store');
      await stream.until(([first]) => {
        assert.is(first?.kind, 'snapshot');
        const [web] = (first as Message & { kind: 'snapshot' }).view.rows;
        assert.is(web?.state, 'STARTING');
      });
      assert.match(stream.text, /^data: \{[^\n]*\}\n\n$/);

      await exporter.tell(
        step(1, 'web:web', 'STARTING>RUNNING', 'pid:7'),
        step(2, 'web:web', 'RUNNING>EXITED', 'expected:0 pid:7'),
        step(1, 'web:web', 'STARTING>RUNNING', 'pid:7'),
      );
      const { rows, transitions } = await viewOf(stream, ({ rows }) => rows[0]?.state === 'EXITED');
      assert.is(rows.length, 1);
      assert.is(rows[0]?.unexpected, 1);
      assert.equal(
        transitions.map(({ from, to, expected }) => [from, to, expected]),
        [
          ['RUNNING', 'EXITED', false],
          ['STARTING', 'RUNNING', undefined],
          ['STOPPED', 'STARTING', undefined],
        ],
        'each transition once, the latest first',
      );
      stream.close();
    }),
  ),
);

page(
  'a stream outlasts the time limit of other answers and sends heartbeats',
  timed(30_000, () =>
    withExporter({}, async (exporter) => {
      const began = performance.now();
      const stream = await openStream(exporter.url('/-/events'));
      // The time limit of other answers is 15 s.
      await stream.until((messages) => {
        assert.ok(performance.now() - began > 15_500);
        assert.ok(messages.length >= 4, `${messages.length}`);
      }, 25_000);
      assert.is(stream.isOver, false);
      assert.equal(Object.keys(stream.messages.at(-1) ?? {}), ['kind', 'now']);
      stream.close();
    }),
  ),
);

page(
  'the processes of a removed group disappear from the page',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(step(0, 'web:web', 'STOPPED>STARTING', 'tries:0'));
      const stream = await openStream(exporter.url('/-/events'));
      await viewOf(stream, ({ rows }) => rows.length === 1);
      await exporter.tell(
        'ver:3.0 server:s serial:9 pool:p poolserial:1 eventname:PROCESS_GROUP_REMOVED len:14\ngroupname:web\n',
      );
      await viewOf(stream, ({ rows }) => rows.length === 0);
      stream.close();
    }),
  ),
);

page(
  'events are acknowledged at once during a storm with the maximum number of streams',
  timed(60_000, () =>
    withExporter({}, async (exporter) => {
      const streams = await Promise.all(
        Array.from({ length: MAX_SUBSCRIBERS }, () => openStream(exporter.url('/-/events'))),
      );
      const refused = await openStream(exporter.url('/-/events'));
      assert.is(refused.response.statusCode, 503);
      assert.match(refused.response.headers['retry-after'] ?? '', /^\d+$/);
      refused.close();

      const latencies = await storm(exporter, 3_000, (serial) => `p:p-${serial % 100}`);
      const median = latencies.sort((one, other) => one - other)[latencies.length >> 1] ?? 0;
      assert.ok(median < 10, `median of ${median} ms`);
      for (const stream of streams) {
        const { transitions } = await viewOf(
          stream,
          ({ transitions }) => transitions[0]?.number === 2_999,
        );
        assert.is(transitions.length, 200);
        assert.ok(stream.messages.length < 3_000, 'simultaneous changes are sent together');
      }

      // A client that leaves makes room for another.
      streams[0]?.close();
      await eventually(5_000, async () => {
        const next = await openStream(exporter.url('/-/events'));
        next.close();
        assert.is(next.response.statusCode, 200);
      });
      for (const stream of streams) stream.close();
      assert.is((await fetch(exporter.url('/-/healthy'))).status, 200);
    }),
  ),
);

page(
  'a client that pauses receives a snapshot when it resumes',
  timed(60_000, () =>
    withExporter({}, async (exporter) => {
      const slow = await openStream(exporter.url('/-/events'));
      await slow.until(([first]) => assert.is(first?.kind, 'snapshot'));
      slow.response.pause();
      const quick = await openStream(exporter.url('/-/events'));
      // Each message is about 3 MB long.
      const name = 'x'.repeat(20_000);
      for (let round = 0; round < 8; round++) {
        await storm(exporter, 50, (serial) => `p:${name}-${serial % 50}`, round * 50);
        await sleep(120);
      }
      await viewOf(quick, ({ transitions }) => transitions[0]?.number === 399);

      const heard = slow.messages.length;
      slow.response.resume();
      await viewOf(slow, ({ transitions }) => transitions[0]?.number === 399);
      assert.ok(
        slow.messages.slice(heard).some(({ kind }) => kind === 'snapshot'),
        'a snapshot replaces the missed messages',
      );
      slow.close();
      quick.close();
    }),
  ),
);

page(
  'messages for a client that does not read are not queued',
  timed(20_000, () =>
    withSlowClient(
      { snapshot: () => 'snapshot', onEmpty() {} },
      async ({ hub, response, socket }) => {
        const size = 1_000_000;
        for (let message = 0; message < 50; message++) {
          hub.send('x'.repeat(size));
          await sleep(5);
        }
        const queued = response.writableLength;
        assert.ok(queued > 0 && queued < 2 * size, `${queued}`);
        let text = '';
        socket.resume();
        socket.setEncoding('utf8').on('data', (more: string) => {
          text = `${text}${more}`.slice(-100);
        });
        await eventually(5_000, () => assert.match(text, /data: snapshot\n\n\r\n$/));
      },
    ),
  ),
);

page(
  'there is no page when the telemetry path is the root',
  timed(10_000, () =>
    withExporter({ args: ['--web.telemetry-path=/'] }, async (exporter) => {
      for (const path of ['/-/events', '/-/page.js']) {
        assert.is((await fetch(exporter.url(path))).status, 404);
      }
    }),
  ),
);

page(
  'SIGTERM ends the exporter at once although a stream is open',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      const stream = await openStream(exporter.url('/-/events'));
      exporter.child.kill('SIGTERM');
      assert.is((await exporter.exit(1_000)).code, 0);
      await eventually(1_000, () => assert.ok(stream.isOver));
    }),
  ),
);

interface SlowClient {
  readonly hub: SseHub;
  readonly response: ServerResponse;
  /** Paused until the test resumes it. */
  readonly socket: Socket;
}

/** Runs `body` with a hub whose only subscriber is a client that does not read. */
async function withSlowClient(
  options: ConstructorParameters<typeof SseHub>[0],
  body: (client: SlowClient) => Promise<void>,
): Promise<void> {
  let held: ServerResponse | undefined;
  const hub = new SseHub(options);
  const server = createServer((_, response) => {
    response.writeHead(200);
    hub.subscribe(response);
    held = response;
  }).listen(0, '127.0.0.1');
  try {
    await eventually(5_000, () => assert.ok(server.listening));
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
    );
    socket.pause().on('error', () => {});
    const response = await eventually(5_000, () => {
      if (held === undefined) throw new Error('no request');
      return held;
    });
    await body({ hub, response, socket });
    socket.destroy();
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Waits until the view of a client that applies all messages passes `check`. */
function viewOf(stream: StreamReader, check: (view: View) => boolean): Promise<View> {
  return stream.until((messages) => {
    let view: View | undefined;
    for (const message of messages) {
      if (message.kind === 'snapshot') view = message.view;
      else if (view !== undefined) view = applyChanges(view, [message]);
    }
    if (view === undefined || !check(view)) throw new Error('the view does not pass the check');
    return view;
  }, 15_000);
}

/** Sends events as fast as they are acknowledged. Resolves to the milliseconds that each took. */
async function storm(
  exporter: RunningExporter,
  count: number,
  process: (serial: number) => string,
  from = 0,
): Promise<number[]> {
  const latencies: number[] = [];
  for (let serial = from; serial < from + count; serial++) {
    const wanted = exporter.stdout.length + ACKNOWLEDGED.length;
    const began = performance.now();
    exporter.child.stdin.write(step(serial, process(serial), 'RUNNING>STOPPING', 'pid:1'));
    while (exporter.stdout.length < wanted) await new Promise((resolve) => setImmediate(resolve));
    latencies.push(performance.now() - began);
  }
  return latencies;
}

page.run();
