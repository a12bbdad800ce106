import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CachedText } from '../../src/exposition/cached-text.ts';
import { ListenError } from '../../src/util/errors.ts';
import { isClientConnected } from '../../src/web/connection.ts';
import type { BoundAddress } from '../../src/web/listen.ts';
import { hasForeignHost } from '../../src/web/request.ts';
import { sendCompressible, sendKept } from '../../src/web/respond.ts';
import { createAnswer, type Routes } from '../../src/web/routes.ts';
import { type Answer, serve, type WebOptions } from '../../src/web/server.ts';
import { eventually, timed, within } from '../support/deadline.ts';
import { chop, random } from '../support/fuzz.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const web = suite('web server');

const METRICS = 'up 1\n'.repeat(1_000);
const METRIC_TEXTS = [METRICS.slice(0, 2_000), '', METRICS.slice(2_000)].map(
  (text) => new CachedText(text),
);

const ROUTING: Routes = {
  programs: async () => {},
  telemetryPath: '/metrics',
  contentType: 'text/plain; version=0.0.4',
  render: async () => METRIC_TEXTS,
  notReady: () => 'no snapshot',
  page: undefined,
};
const ROUTES = createAnswer(ROUTING);

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const LAST = 'GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

const ANSWERS: ReadonlyArray<readonly [title: string, request: string, answer: RegExp]> = [
  ['origin-form', GET('/-/healthy'), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhealthy\n$/s],
  ['absolute-form', GET('http://b/-/healthy'), /^HTTP\/1\.1 200 .*healthy\n$/s],
  ['absolute-form of another case', GET('HTTPS://B:1/-/healthy?x'), /^HTTP\/1\.1 200 /],
  ['absolute-form with a user', GET('http://u:p@b/metrics'), /^HTTP\/1\.1 200 .*\r\n\r\nup 1\n/s],
  ['absolute-form of the root', GET('http://b'), /^HTTP\/1\.1 404 /],
  ['absolute-form of the root with a query', GET('http://b?/metrics'), /^HTTP\/1\.1 404 /],
  ['absolute-form of an unknown path', GET('http://b/nonsense'), /^HTTP\/1\.1 404 /],
  ['a path that begins with two slashes', GET('//b/metrics'), /^HTTP\/1\.1 404 /],
  ['a query', GET('/metrics?a=http://b/'), /^HTTP\/1\.1 200 /],
  ['no Host', 'GET /metrics HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 .*Connection: close\r\n/s],
  ['no Host, HTTP/1.0', 'GET /metrics HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 /],
  ['two Host', 'GET /metrics HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 400 .*Host/s],
  ['two Host, HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['OPTIONS', 'OPTIONS / HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 .*Allow: GET, HEAD, OPTIONS\r\n/s],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 200 .*Allow: GET/s],
  ['OPTIONS of no path', 'OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 200 .*Allow: GET/s],
  ['POST', 'POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab', /^HTTP\/1\.1 405 /],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', /^HTTP\/1\.1 405 .*Allow: GET/s],
  ['HEAD', 'HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 200 .*: 5000\r\n.*\r\n\r\n$/s],
  [
    'an expectation',
    'GET /-/healthy HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n',
    /^HTTP\/1\.1 200 /,
  ],
  [
    'another expectation',
    'GET /-/healthy HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n',
    /^HTTP\/1\.1 200 /,
  ],
  [
    'a body in chunks',
    'GET /-/ready HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    /^HTTP\/1\.1 503 .*Connection: close\r\n/s,
  ],
  [
    'an upgrade',
    'GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    /^HTTP\/1\.1 200 /,
  ],
  ['lines before the request', `\r\n\r\n${GET('/-/healthy')}`, /^HTTP\/1\.1 200 /],
  ['no HTTP', '\0\r\n\r\n', /^HTTP\/1\.1 400 Bad Request\r\n/],
  ['another protocol', 'GET / SMTP/9\r\n\r\n', /^HTTP\/1\.1 400 Bad Request\r\n/],
  ['a long head', `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 /],
];

for (const [title, text, expected] of ANSWERS) {
  web(
    `${title}: ${JSON.stringify(text.split('\r\n')[0]?.slice(0, 40))}`,
    timed(5_000, () =>
      withServer({ answer: ROUTES }, async ({ port }) => {
        // Ended by the client: what it has sent is answered all the same.
        assert.match(await say(port, text), expected);
        for (const seed of [1, 2]) {
          assert.match(await say(port, ...chop(random(seed), Buffer.from(text))), expected);
        }
      }),
    ),
  );
}

web(
  'requests of a connection are answered one after the other, in their order',
  timed(10_000, () => {
    let inWork = 0;
    let most = 0;
    const answer: Answer = async ({ url }, response) => {
      inWork += 1;
      most = Math.max(most, inWork);
      response.once('close', () => {
        inWork -= 1;
      });
      await sleep(1);
      response.end(`${url};`);
    };
    return withServer({ answer }, async ({ port }) => {
      const paths = Array.from({ length: 100 }, (_, number) => `/${number}`);
      for (const seed of [1, 2, 3]) {
        const text = Buffer.from(paths.map(GET).join('') + LAST);
        const said = await say(port, ...chop(random(seed), text));
        const bodies = said.replaceAll(/HTTP.*?\r\n\r\n/gs, '');
        assert.match(bodies.replaceAll(/[0-9a-f]+\r\n|\r\n/g, ''), paths.join(';'));
      }
      assert.is(most, 1);
    });
  }),
);

for (const [title, answer] of [
  ['metrics', ROUTES],
  [
    '401',
    async (_: IncomingMessage, response: ServerResponse) => void response.writeHead(401).end(),
  ],
] as const) {
  web(
    `events have a turn between the ${title} of 5,000 requests on one connection`,
    timed(60_000, async () => {
      let answered = 0;
      let answeredLastTurn = 0;
      let mostInATurn = 0;
      let isOver = false;
      const watch = () => {
        mostInATurn = Math.max(mostInATurn, answered - answeredLastTurn);
        answeredLastTurn = answered;
        if (!isOver) setImmediate(watch);
      };
      const counted: Answer = (request, response) => {
        answered += 1;
        return answer(request, response);
      };
      await withServer({ answer: counted }, async ({ port }) => {
        setImmediate(watch);
        const client = connect(port, '127.0.0.1').on('error', () => {});
        client.resume();
        client.write(GET('/x').repeat(5_000) + LAST);
        await eventually(50_000, () => assert.is(answered, 5_001));
        client.destroy();
      });
      isOver = true;
      assert.ok(mostInATurn < 500, `${mostInATurn} answers in one turn`);
    }),
  );
}

web(
  'a client that resets after many requests leaves nothing in work, and is known to be gone',
  timed(20_000, () => {
    const requests: IncomingMessage[] = [];
    let closed = 0;
    const answer: Answer = async (message, response) => {
      requests.push(message);
      response.once('close', () => {
        closed += 1;
      });
      // It is answered when the client has gone.
      while (isClientConnected(message)) await sleep(5);
      response.end('x'.repeat(1_000_000));
    };
    return withServer({ answer }, async ({ port }) => {
      for (let round = 0; round < 20; round++) {
        const client = await connected(port);
        client.write(GET('/').repeat(30));
        await eventually(5_000, () => assert.is(requests.length, round + 1));
        client.resetAndDestroy();
      }
      await eventually(5_000, () => assert.is(closed, 20));
      assert.is(requests.length, 20, 'requests that waited are dropped');
    });
  }),
);

web(
  'a client that does not read is cut off after a time',
  timed(20_000, () => {
    let closed = 0;
    const answer: Answer = async (_, response) => {
      response.once('close', () => {
        closed += 1;
      });
      response.end(Buffer.alloc(50_000_000));
    };
    return withServer({ answer, limits: { sendTimeoutMs: 200 } }, async ({ port }) => {
      const client = await connected(port, GET('/'));
      client.pause();
      await eventually(5_000, () => assert.is(closed, 1));
      client.destroy();
    });
  }),
);

web(
  'with too many clients that do not read, the one that has waited the longest is cut off',
  timed(20_000, () => {
    const closed: (string | undefined)[] = [];
    const answer: Answer = async ({ url }, response) => {
      response.once('close', () => closed.push(url));
      response.end(Buffer.alloc(50_000_000));
    };
    return withServer({ answer, limits: { maxUnsent: 2 } }, async ({ port }) => {
      const clients: Socket[] = [];
      for (const path of ['/1', '/2', '/3', '/4']) {
        const client = await connected(port, GET(path));
        client.once('readable', () => {});
        await new Promise((resolve) => client.once('readable', resolve));
        clients.push(client);
      }
      await eventually(5_000, () => assert.equal(closed, ['/1', '/2']));
      for (const client of clients.slice(2)) client.resume();
      await eventually(5_000, () => assert.equal(new Set(closed).size, 4));
      for (const client of clients) client.destroy();
    });
  }),
);

for (const isCompressed of [false, true]) {
  web(
    `clients that do not read kept texts share the memory of what waits for them, ${isCompressed ? 'after' : 'before'} compression`,
    timed(20_000, async () => {
      const text = new CachedText('x'.repeat(20_000_000));
      if (isCompressed) await text.compressed();
      const answer: Answer = (incoming, response) =>
        sendKept(incoming, response, 'text/plain', [text, text]);
      await withServer({ answer }, async ({ port }) => {
        const before = process.memoryUsage().arrayBuffers;
        const clients = await tenWithoutReading(port);
        const grown = process.memoryUsage().arrayBuffers - before;
        for (const client of clients) client.destroy();
        assert.ok(grown < 60_000_000, `${grown} bytes`);
      });
    }),
  );
}

web(
  'clients that request /metrics while it is rendered share the next rendering',
  timed(20_000, () => {
    let asked = 0;
    let renderings = 0;
    const render = async () => {
      renderings += 1;
      await eventually(10_000, () => assert.is(asked, 30));
      return METRIC_TEXTS;
    };
    const answer = createAnswer({ ...ROUTING, render });
    const counted: Answer = (incoming, response) => {
      asked += 1;
      return answer(incoming, response);
    };
    return withServer({ answer: counted }, async ({ port }) => {
      const said = Array.from({ length: 30 }, () => say(port, GET('/metrics')));
      for (const text of await Promise.all(said)) assert.match(text, METRICS);
      assert.is(renderings, 2);
    });
  }),
);

web(
  'clients that do not read a long text take the memory of its compressed form',
  timed(20_000, async () => {
    const answer: Answer = (incoming, response) =>
      sendCompressible(incoming, response, 200, 'text/html', Buffer.alloc(20_000_000, 'text '));
    await withServer({ answer }, async ({ port }) => {
      assert.ok((await say(port, GET('/'))).endsWith(`\r\n\r\n${'text '.repeat(4_000_000)}`));
      assert.match(await say(port, 'HEAD / HTTP/1.0\r\n\r\n'), /: 20000000\r\n.*\r\n\r\n$/s);
      const before = process.memoryUsage().arrayBuffers;
      const clients = await tenWithoutReading(port);
      await eventually(2_000, () => {
        collectGarbage();
        const grown = process.memoryUsage().arrayBuffers - before;
        assert.ok(grown < 30_000_000, `${grown} bytes`);
      });
      for (const client of clients) client.destroy();
    });
  }),
);

web(
  'an answer without an end goes on for longer than an answer may take to be read',
  timed(20_000, () => {
    let stream: ServerResponse | undefined;
    const answer: Answer = async (_, response) => {
      stream = response;
      response.write('begin;');
    };
    return withServer({ answer, limits: { sendTimeoutMs: 50 } }, async ({ port }) => {
      let said = '';
      const client = await connected(port, GET('/') + GET('/'));
      client.on('data', (more) => {
        said += more;
      });
      await eventually(5_000, () => assert.match(said, 'begin;'));
      await sleep(200);
      stream?.write('more;');
      await eventually(5_000, () => assert.match(said, 'more;'));
      assert.is(stream?.destroyed, false);
      client.end();
      await eventually(5_000, () => assert.is(stream?.destroyed, true));
    });
  }),
);

web(
  'an answer reaches a client that has sent a body which was not read',
  timed(20_000, () =>
    withServer({ answer: ROUTES }, async ({ port }) => {
      const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n';
      const client = await connected(port, head);
      client.write(Buffer.alloc(3_000_000));
      await sleep(50);
      let said = '';
      client.on('data', (more) => {
        said += more;
      });
      await eventually(5_000, () => assert.match(said, /^HTTP\/1\.1 405 .*Connection: close/s));
      client.destroy();
    }),
  ),
);

web(
  'a connection is kept, and closed when the server ends',
  timed(10_000, async () => {
    const stopping = new AbortController();
    const [address] = await serve({ ...OPTIONS, answer: ROUTES, signal: stopping.signal });
    const client = await connected(address?.port ?? 0);
    let said = '';
    client.on('data', (more) => {
      said += more;
    });
    for (let count = 1; count <= 5; count++) {
      client.write(GET('/-/healthy'));
      await eventually(2_000, () => assert.is(said.match(/healthy/g)?.length, count));
    }
    stopping.abort();
    client.end();
    await eventually(2_000, () => assert.ok(client.closed));
  }),
);

web(
  'an answer that fails is 500, or is cut off once it has begun',
  timed(10_000, () => {
    const errors: unknown[] = [];
    const answer: Answer = async ({ url }, response) => {
      if (url === '/late') response.write('x');
      throw new Error('no');
    };
    return withServer({ answer, onError: (error) => errors.push(error) }, async ({ port }) => {
      assert.match(await say(port, GET('/')), /^HTTP\/1\.1 500 /);
      await say(port, GET('/late'));
      assert.is(errors.length, 2);
    });
  }),
);

web(
  'a name listens on all of its addresses, IPv4 first, with one port',
  timed(10_000, () =>
    withServer({ addresses: [{ host: 'localhost', port: 0 }] }, async (first, ...rest) => {
      assert.is(first.host, '127.0.0.1');
      assert.is(first.requestedHost, 'localhost');
      for (const { host, port, requestedHost } of [first, ...rest]) {
        assert.is(port, first.port);
        assert.is(requestedHost, 'localhost');
        assert.match(await say(port, LAST, host), /healthy/);
      }
    }),
  ),
);

web(
  'without a host the server listens on all interfaces, and says so',
  timed(10_000, () =>
    withServer({ addresses: [{ host: '', port: 0 }] }, async ({ host, port, requestedHost }) => {
      assert.ok(['::', '0.0.0.0'].includes(host), host);
      assert.is(requestedHost, '');
      assert.match(await say(port, LAST), /healthy/);
    }),
  ),
);

web(
  'an address that cannot be had is an error that names it, and none is listened on',
  timed(10_000, () =>
    withServer({}, async ({ port }) => {
      for (const [host, reason] of [
        ['127.0.0.1', 'the address is in use'],
        ['192.0.2.1', 'this machine has no such address'],
        ['no-such-host.invalid', ''],
      ] as const) {
        const failed = serve({ ...OPTIONS, answer: ROUTES, addresses: [{ host, port }] });
        const error = await failed.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        assert.instance(error, ListenError);
        assert.match(String(error), `cannot listen on ${host}:${port}: ${reason}`);
      }
    }),
  ),
);

web(
  'random bytes, resets and half-closed connections leave a server that answers',
  timed(30_000, () =>
    withServer({ answer: ROUTES }, async ({ port }) => {
      const pick = random(Math.floor(Math.random() * 2 ** 32));
      const pieces = [GET('/'), GET('/metrics'), LAST, '\r\n', 'GET', ' ', 'Host: a', '\0', '\n'];
      for (let round = 0; round < 100; round++) {
        const client = await connected(port);
        for (let piece = pick(20); piece > 0; piece--)
          client.write(pieces[pick(pieces.length)] ?? '');
        const ways = [() => client.end(), () => client.resetAndDestroy(), () => client.destroy()];
        ways[pick(ways.length)]?.();
        client.resume();
      }
      assert.match(await say(port, GET('/-/healthy')), /healthy/);
    }),
  ),
);

web(
  'a keep-alive client of Node gets each of its answers',
  timed(10_000, () =>
    withServer({ answer: ROUTES }, async ({ port }) => {
      for (let count = 0; count < 20; count++) {
        const status = await new Promise<number | undefined>((resolve, reject) => {
          request({ port, host: '127.0.0.1', path: '/metrics' }, (response) => {
            response.resume().on('end', () => resolve(response.statusCode));
          })
            .on('error', reject)
            .end();
        });
        assert.is(status, 200);
      }
    }),
  ),
);

const OPTIONS: Omit<WebOptions, 'answer'> = {
  addresses: [{ host: '127.0.0.1', port: 0 }],
  onError: () => {},
  signal: new AbortController().signal,
};

async function withServer(
  options: Partial<WebOptions>,
  body: (first: BoundAddress, ...rest: readonly BoundAddress[]) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const defaults = { ...OPTIONS, answer: ROUTES, signal: stopping.signal };
  const [first, ...rest] = await serve({ ...defaults, ...options });
  try {
    assert.ok(first);
    await body(first as BoundAddress, ...rest);
  } finally {
    stopping.abort();
  }
}

/** Clients that have requested `/`, and have received the begin of the answer without reading it. */
async function tenWithoutReading(port: number): Promise<readonly Socket[]> {
  const clients: Socket[] = [];
  for (let number = 0; number < 10; number++) {
    const client = await connected(port, GET('/'));
    clients.push(client);
    await new Promise((resolve) => client.once('readable', resolve));
  }
  return clients;
}

async function connected(port: number, text = '', host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true }).on('error', () => {});
  await within(2_000, 'connection', new Promise((resolve) => socket.once('connect', resolve)));
  if (text !== '') socket.write(text);
  return socket;
}

/** Sends the chunks, ends its side, and resolves to all that comes back. */
async function say(port: number, ...chunks: readonly (string | Buffer)[]): Promise<string> {
  const last = chunks.at(-1);
  const host = chunks.length > 1 && typeof last === 'string' ? last : '127.0.0.1';
  const client = await connected(port, '', host);
  let said = '';
  client.setEncoding('utf8').on('data', (more: string) => {
    said += more;
  });
  const closed = new Promise((resolve) => client.once('close', resolve));
  client.once('end', () => client.end());
  for (const chunk of chunks) if (chunk !== host) client.write(chunk);
  client.end();
  await within(3_000, 'close', closed);
  return said;
}

for (const [host, isForeign] of [
  [undefined, false],
  ['localhost:9876', false],
  ['127.0.0.1:9876', false],
  ['[::1]:9876', false],
  ['[::ffff:127.0.0.1]', false],
  ['db1:9876', false],
  ['evil.example:9876', true],
  ['127.0.0.1.evil.example', true],
  ['evil.example.:9876', true],
] as const) {
  web(`a browser on this host may have been led here by a foreign site: ${host}`, () => {
    const request = { headers: { host } } as unknown as IncomingMessage;
    assert.is(hasForeignHost(request), isForeign);
  });
}

web.run();
