import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AlertmanagerClient } from '../../src/alertmanager/alertmanager-client.ts';
import { httpRequest } from '../../src/alertmanager/http-request.ts';
import { type PostableAlert, serialize } from '../../src/alertmanager/payload.ts';
import { createLogger } from '../../src/util/log.ts';
import { parseHttpUrl } from '../../src/util/url.ts';
import { eventually, timed } from '../support/deadline.ts';

const client = suite('Alertmanager client');

const ALERT: PostableAlert = { labels: {}, annotations: {}, startsAt: '', endsAt: '' };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const AUTHORIZATION = 'Authorization: Basic';

/** A server of bytes: `replies[n]` answers request n, and the last one all that follow. */
class RawServer {
  readonly requests: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(replies: readonly ((socket: Socket) => void)[]) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      let received = '';
      socket.setEncoding('utf8').on('data', (text: string) => {
        received += text;
        if (!received.endsWith('}]')) return;
        const reply = replies[Math.min(this.requests.length, replies.length - 1)];
        this.requests.push(received);
        received = '';
        reply?.(socket);
      });
    });
  }

  static async start(...replies: readonly ((socket: Socket) => void)[]): Promise<RawServer> {
    const server = new RawServer(replies);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface Run {
  readonly alertmanager: AlertmanagerClient;
  readonly log: readonly string[];
}

async function withClient(url: string, body: (run: Run) => Promise<void>): Promise<void> {
  const parsed = parseHttpUrl(url);
  if (parsed === undefined) throw new Error(url);
  const stopping = new AbortController();
  const lines: string[] = [];
  const log = createLogger('info', 'logfmt', (line) => lines.push(line));
  const alertmanager = new AlertmanagerClient({
    url: parsed,
    log,
    signal: stopping.signal,
    timing: { timeoutMs: 500, firstRetryMs: 10, longestRetryMs: 100 },
  });
  try {
    alertmanager.enqueue([serialize({ ...ALERT, labels: { alertname: 'one' } })]);
    await body({ alertmanager, log: lines });
  } finally {
    stopping.abort();
  }
}

const endless = (head: string) => (socket: Socket) => {
  socket.write(head);
  const timer = setInterval(() => socket.write('x'.repeat(10_000)), 10);
  socket.on('close', () => clearInterval(timer));
};

/** After each of these the alert is sent again and arrives. */
const FAILURES: Readonly<Record<string, (socket: Socket) => void>> = {
  'HTTP 101': (socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'),
  'HTTP 101 without Upgrade': (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  'HTTP 100 and nothing after it': (socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'),
  'HTTP 103 and the end': (socket) => socket.end('HTTP/1.1 103 Early Hints\r\n\r\n'),
  'an end without an answer': (socket) => socket.end(),
  'a reset': (socket) => socket.resetAndDestroy(),
  'no HTTP': (socket) => socket.end('SSH-2.0-x\r\n'),
  'a head without an end': (socket) => socket.write('HTTP/1.1 200 OK\r\nA: '),
  'a body that is cut off': (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxxx'),
  'a body that is reset': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxxx');
    setTimeout(() => socket.resetAndDestroy(), 50);
  },
  'a body that never comes': (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'),
  'HTTP 503': (socket) => socket.end('HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n'),
  'HTTP 503 without an end': endless('HTTP/1.1 503 x\r\n\r\n'),
};

for (const [title, fail] of Object.entries(FAILURES)) {
  client(
    `after ${title} the alert is sent again`,
    timed(20_000, async () => {
      const server = await RawServer.start(fail, (socket) => socket.write(OK));
      try {
        await withClient(`http://${server.address}`, async ({ alertmanager }) => {
          await eventually(15_000, () => assert.is(alertmanager.stats.sent, 1));
          assert.ok(alertmanager.stats.failed >= 1);
        });
      } finally {
        server.stop();
      }
    }),
  );
}

client(
  'an endless body of an accepted request does not hold up the next one',
  timed(20_000, async () => {
    const server = await RawServer.start(endless('HTTP/1.1 200 OK\r\n\r\n'));
    try {
      await withClient(`http://${server.address}`, async ({ alertmanager }) => {
        await eventually(15_000, () => assert.is(alertmanager.stats.sent, 1));
        alertmanager.enqueue([serialize({ ...ALERT, labels: { alertname: 'two' } })]);
        await eventually(15_000, () => assert.is(alertmanager.stats.sent, 2));
      });
    } finally {
      server.stop();
    }
  }),
);

const redirect = (status: number, location: string) => (socket: Socket) =>
  socket.write(`HTTP/1.1 ${status} x\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);

for (const status of [307, 308]) {
  client(
    `a ${status} is followed once, with credentials to the same origin`,
    timed(10_000, async () => {
      const server = await RawServer.start(redirect(status, '/other?a=1'), (socket) =>
        socket.write(OK),
      );
      try {
        await withClient(`http://u:p@${server.address}`, async ({ alertmanager }) => {
          await eventually(5_000, () => assert.is(alertmanager.stats.sent, 1));
          assert.match(server.requests[1] ?? '', /^POST \/other\?a=1 HTTP/);
          for (const request of server.requests) assert.match(request, AUTHORIZATION);
        });
      } finally {
        server.stop();
      }
    }),
  );

  client(
    `a ${status} to another port gets the alert and no credentials`,
    timed(10_000, async () => {
      const other = await RawServer.start((socket) => socket.write(OK));
      const server = await RawServer.start(redirect(status, `http://u:p@${other.address}/x`));
      try {
        await withClient(`http://u:p@${server.address}`, async ({ alertmanager }) => {
          await eventually(5_000, () => assert.is(alertmanager.stats.sent, 1));
          assert.match(other.requests[0] ?? '', /^POST \/x HTTP[\s\S]*\[\{/);
          assert.not.match(other.requests[0] ?? '', /authorization/i);
        });
      } finally {
        server.stop();
        other.stop();
      }
    }),
  );
}

for (const [status, location, shown] of [
  [307, '/loop', 'to /loop'],
  [302, 'https://u:secret@other.example/login', 'to https://\\*\\*\\*@other.example/login'],
  [308, 'ftp://x/', 'to ftp://x/'],
  [307, 'http://[bad', 'to http://\\[bad'],
] as const) {
  client(
    `a ${status} to ${location} is logged with its Location, and the alert is kept`,
    timed(15_000, async () => {
      const server = await RawServer.start(
        redirect(status, location),
        redirect(status, location),
        (socket) => socket.write(OK),
      );
      try {
        await withClient(`http://${server.address}`, async ({ alertmanager, log }) => {
          await eventually(10_000, () => assert.is(alertmanager.stats.sent, 1));
          assert.match(log.join(''), new RegExp(`HTTP status ${status} ${shown}`));
          assert.not.match(log.join(''), 'secret');
        });
      } finally {
        server.stop();
      }
    }),
  );
}

client(
  'status 100 without an end is cut off before the request times out',
  timed(15_000, async () => {
    const server = await RawServer.start((socket) =>
      socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(20)),
    );
    try {
      await withClient(`http://${server.address}`, async ({ log }) => {
        await eventually(5_000, () => assert.match(log.join(''), 'too many HTTP status 1xx'));
      });
    } finally {
      server.stop();
    }
  }),
);

client(
  'a refusal is not sent again',
  timed(15_000, async () => {
    const server = await RawServer.start((socket) =>
      socket.write('HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n'),
    );
    try {
      await withClient(`http://${server.address}`, async ({ alertmanager }) => {
        await eventually(5_000, () => assert.is(alertmanager.stats.failed, 1));
        alertmanager.enqueue([serialize({ ...ALERT, startsAt: '2' })]);
        await eventually(5_000, () => assert.is(alertmanager.stats.failed, 2));
        assert.match(server.requests[1] ?? '', '"startsAt":"2"');
      });
    } finally {
      server.stop();
    }
  }),
);

client(
  'a request is not sent once its signal is aborted',
  timed(10_000, async () => {
    const server = await RawServer.start((socket) => socket.write(OK));
    try {
      const url = parseHttpUrl(`http://${server.address}`);
      if (url === undefined) throw new Error(server.address);
      const options = { json: '[{}]', agent: false, timeoutMs: 5_000 } as const;
      const result = await httpRequest(url, '/', { ...options, signal: AbortSignal.abort() });
      assert.equal(result, { kind: 'failed', reason: 'the exporter is stopping' });
      assert.equal(server.requests, []);
    } finally {
      server.stop();
    }
  }),
);

client.run();
