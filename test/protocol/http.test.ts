import { execFileSync } from 'node:child_process';
import { request } from 'node:http';
import { createConnection } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed, within } from '../support/deadline.ts';
import { type RunningExporter, withExporter } from '../support/exporter.ts';
import { step } from '../support/wire.ts';

const http = suite('http');

const ANSWERS: ReadonlyArray<
  readonly [method: string, path: string, status: number, type: RegExp, body: RegExp]
> = [
  [
    'GET',
    '/metrics',
    200,
    /^text\/plain; version=0\.0\.4; charset=utf-8$/,
    /^# HELP supervisord_up /,
  ],
  ['GET', '/metrics?name[]=x', 200, /^text\/plain; version=0\.0\.4/, /^# HELP/],
  ['HEAD', '/metrics', 200, /^text\/plain; version=0\.0\.4/, /^$/],
  ['GET', '/', 200, /^text\/html/, /<a href="\.\/metrics">/],
  ['HEAD', '/', 200, /^text\/html/, /^$/],
  ['GET', '/-/page.js', 200, /^text\/javascript/, /EventSource/],
  ['GET', '/-/page.css', 200, /^text\/css/, /prefers-color-scheme/],
  ['GET', '/-/page.svg', 200, /^image\/svg\+xml/, /^<svg/],
  ['HEAD', '/-/events', 200, /^text\/event-stream/, /^$/],
  ['GET', '/-/healthy', 200, /^text\/plain/, /^healthy$/m],
  ['GET', '/-/ready', 200, /^text\/plain/, /^ready$/m],
  ['GET', '/nonsense', 404, /^text\/plain/, /not found/],
  ['GET', '/metrics/', 404, /^text\/plain/, /not found/],
  ['POST', '/metrics', 405, /^text\/plain/, /method not allowed/],
  ['DELETE', '/', 405, /^text\/plain/, /method not allowed/],
  ['OPTIONS', '/', 200, /^text\/plain/, /^$/],
];

for (const [method, path, status, type, body] of ANSWERS) {
  http(
    `${method} ${path} is answered ${status}`,
    timed(10_000, () =>
      withExporter({}, async (exporter) => {
        const response = await fetch(exporter.url(path), { method });
        assert.is(response.status, status);
        assert.match(response.headers.get('content-type') ?? '', type);
        assert.match(await response.text(), body);
        if (status === 405) assert.is(response.headers.get('allow'), 'GET, HEAD, OPTIONS');
      }),
    ),
  );
}

for (const [accepted, encoding] of [
  ['gzip', 'gzip'],
  ['deflate, gzip;q=0.5', 'gzip'],
  ['gzip;q=0', undefined],
  ['identity', undefined],
  ['', undefined],
] as const) {
  http(
    `Accept-Encoding ${JSON.stringify(accepted)} gets ${encoding ?? 'plain text'}`,
    timed(10_000, () =>
      withExporter({}, async (exporter) => {
        assert.is(await contentEncoding(exporter, accepted), encoding);
        // curl unpacks it again, as a scraper does.
        const text = execFileSync('curl', ['-s', '--compressed', exporter.url('/metrics')], {
          encoding: 'utf8',
        });
        assert.match(text, /^# HELP supervisord_up/);
      }),
    ),
  );
}

http(
  'another path for the metrics, and it may be the root',
  timed(10_000, async () => {
    await withExporter({ args: ['--web.telemetry-path=/prom'] }, async (exporter) => {
      assert.is((await fetch(exporter.url('/metrics'))).status, 404);
      assert.match(await (await fetch(exporter.url('/prom'))).text(), /^# HELP/);
      assert.match(await (await fetch(exporter.url('/'))).text(), /<a href="\.\/prom">/);
    });
    await withExporter({ args: ['--web.telemetry-path=/'] }, async (exporter) => {
      assert.match(await (await fetch(exporter.url('/'))).text(), /^# HELP/);
    });
  }),
);

http(
  'several addresses serve the same',
  timed(10_000, () =>
    withExporter({ args: ['--web.listen-address=[::1]:0'] }, async (exporter) => {
      const ports = [...exporter.stderr.matchAll(/address=\S*:(\d+)/g)].map(([, port]) => port);
      assert.is(ports.length, 2);
      assert.is((await fetch(`http://[::1]:${ports[1]}/-/healthy`)).status, 200);
      assert.is((await fetch(`http://127.0.0.1:${ports[0]}/-/healthy`)).status, 200);
    }),
  ),
);

http(
  'a name listens on its IPv4 address first, and each bound address is logged',
  timed(10_000, () =>
    withExporter({ args: ['--web.listen-address=localhost:0'] }, async (exporter) => {
      const [, second = ''] = [...exporter.stderr.matchAll(/msg=listening address=(\S+)/g)].map(
        ([, address]) => address,
      );
      assert.match(second, /^127\.0\.0\.1:\d+$/);
      assert.is((await fetch(`http://${second}/-/healthy`)).status, 200);
    }),
  ),
);

http(
  'events are acknowledged between the answers to 2,000 requests on one connection',
  timed(30_000, () =>
    withExporter({}, async (exporter) => {
      const client = createConnection(exporter.port, '127.0.0.1');
      client.on('error', () => {});
      let answers = 0;
      client.setEncoding('utf8').on('data', (text: string) => {
        answers += text.split('HTTP/1.1 200').length - 1;
      });
      client.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2_000));
      let meanwhile = 0;
      for (let serial = 0; answers < 1_000; serial++) {
        await exporter.tell(step(serial, 'g:p', 'RUNNING>STOPPING', 'pid:1'));
        meanwhile += 1;
      }
      client.destroy();
      assert.ok(meanwhile >= 10, `${meanwhile} events`);
    }),
  ),
);

http(
  "without the exporter's own footprint",
  timed(10_000, () =>
    withExporter({ args: ['--web.disable-exporter-metrics'] }, async (exporter) => {
      const names = new Set((await exporter.metrics()).samples.map(({ name }) => name));
      assert.equal(
        [...names].filter((name) => /^(?:process|nodejs)_/.test(name)),
        [],
      );
      assert.ok(names.has('supervisord_exporter_build_info'));
    }),
  ),
);

http(
  'rubbish in place of a request is refused, and the next request is answered',
  timed(10_000, () =>
    withExporter({}, async (exporter) => {
      for (const rubbish of [
        '\u0000\u0001\u0002\r\n\r\n',
        'GET / SMTP/9\r\n\r\n',
        `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
      ]) {
        assert.match(await say(exporter, rubbish), /^HTTP\/1\.1 4\d\d /);
      }
      assert.is((await fetch(exporter.url('/-/healthy'))).status, 200);
    }),
  ),
);

http(
  'promtool finds nothing in the metrics',
  timed(20_000, () =>
    withExporter({}, async (exporter) => {
      await exporter.tell(
        step(0, 'wörker-é:🚀', 'STOPPED>STARTING', 'tries:0'),
        step(1, 'wörker-é:🚀', 'STARTING>RUNNING', 'pid:1'),
        step(2, 'wörker-é:🚀', 'RUNNING>EXITED', 'expected:0 pid:1'),
        step(3, '"quoted\\:back\\slash"', 'RUNNING>UNKNOWN'),
      );
      const text = await (await fetch(exporter.url('/metrics'))).text();
      const output = execFileSync('promtool', ['check', 'metrics'], {
        input: text,
        encoding: 'utf8',
        stdio: 'pipe',
      });
      assert.is(output, '');
    }),
  ),
);

function contentEncoding(exporter: RunningExporter, accepted: string): Promise<string | undefined> {
  const answered = new Promise<string | undefined>((resolve, reject) => {
    request(exporter.url('/metrics'), { headers: { 'accept-encoding': accepted } }, (response) => {
      response.resume();
      resolve(response.headers['content-encoding']);
    })
      .on('error', reject)
      .end();
  });
  return within(5_000, 'answer', answered);
}

/** Sends bytes on a connection of their own; resolves to all that comes back. */
function say(exporter: RunningExporter, text: string): Promise<string> {
  const answered = new Promise<string>((resolve) => {
    let answer = '';
    const socket = createConnection(exporter.port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (more: string) => {
      answer += more;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
  return within(5_000, 'answer', answered);
}

http.run();
