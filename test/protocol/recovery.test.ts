import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createConnection, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { ACKNOWLEDGED, type RunningExporter, withExporter } from '../support/exporter.ts';
import { remote, step } from '../support/wire.ts';

const recovery = suite('recovery');

/** So many processes that /metrics does not fit into the kernel's buffer of a connection. */
const PROGRAMS = 2_000;

const FAULT = `<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>6</int></value></member><member><name>faultString</name><value><string>SHUTDOWN_STATE</string></value></member></struct></value></fault></methodResponse>`;

const BREAKDOWNS: ReadonlyArray<readonly [title: string, answer: RequestListener, reason: RegExp]> =
  [
    ['HTTP status 500', (_, response) => response.writeHead(500).end('oops'), /HTTP status 500/],
    ['a fault, SHUTDOWN_STATE', (_, response) => response.end(FAULT), /SHUTDOWN_STATE \(fault 6\)/],
    [
      'a reply cut short',
      (_, response) => response.end('<?xml version="1.0"?><methodResponse><params>'),
      /did not answer with XML-RPC/,
    ],
    ['no XML at all', (_, response) => response.end('hello'), /did not answer with XML-RPC/],
    ['silence', () => {}, /did not answer within 0.3 s/],
    ['closed connections', (request) => request.socket.destroy(), /connection closed/],
  ];

for (const [title, breakdown, reason] of BREAKDOWNS) {
  recovery(
    `${title} is logged once, and its end once; events are counted in between`,
    timed(30_000, async () => {
      const supervisor = await FakeSupervisor.start();
      supervisor.answer = breakdown;
      try {
        const args = [
          `--supervisor.url=http://127.0.0.1:${supervisor.port}`,
          '--supervisor.timeout=300ms',
        ];
        await withExporter({ args }, async (exporter) => {
          await eventually(5_000, async () => {
            assert.ok(supervisor.requests >= 2, 'the call is retried');
            assert.is((await exporter.metrics()).value('supervisord_exporter_rpc_up'), 0);
          });
          await exporter.tell(step(0, 'cat:cat', 'RUNNING>EXITED', 'expected:0 pid:7'));
          const broken = await exporter.metrics();
          assert.is(broken.value('supervisord_exporter_rpc_up'), 0);
          assert.is(broken.value('supervisord_process_unexpected_exits_total', { name: 'cat' }), 1);

          supervisor.answer = supervisor.asSupervisor;
          await eventually(10_000, async () =>
            assert.is((await exporter.metrics()).value('supervisord_exporter_rpc_up'), 1),
          );
          const logged = exporter.stderr
            .split('\n')
            .filter((line) => /msg="XML-RPC (?:fails|works)/.test(line));
          assert.is(logged.length, 2, exporter.stderr);
          assert.match(logged[0] ?? '', reason);
          assert.match(logged[1] ?? '', 'XML-RPC works again');
          const { value } =
            (await exporter.metrics()).where('supervisord_state', { name: 'dog' })[0] ?? {};
          assert.is(value, 20);
          await eventually(10_000, async () => {
            const metrics = await exporter.metrics();
            assert.is(metrics.value('supervisord_process_stop_wait_seconds', { name: 'dog' }), 7);
          });
        });
      } finally {
        supervisor.stop();
      }
    }),
  );
}

recovery(
  'an endless reply is abandoned at the size limit',
  timed(60_000, async () => {
    const supervisor = await FakeSupervisor.start();
    const chunk = Buffer.alloc(1 << 20, ' ');
    supervisor.answer = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    try {
      const args = [
        `--supervisor.url=http://127.0.0.1:${supervisor.port}`,
        '--supervisor.timeout=30s',
      ];
      await withExporter({ args }, async (exporter) => {
        await eventually(20_000, () =>
          assert.match(exporter.stderr, /sent a reply of over 67108864 bytes/),
        );
        await exporter.tell(step(0, 'cat:cat', 'RUNNING>EXITED', 'expected:0 pid:7'));
      });
    } finally {
      supervisor.stop();
    }
  }),
);

recovery(
  'SIGTERM during a scrape and a resync ends the exporter within a second with exit status 0',
  timed(30_000, async () => {
    const supervisor = await FakeSupervisor.start();
    supervisor.answer = () => {};
    try {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        await withExporter(
          { args: [`--supervisor.url=http://127.0.0.1:${supervisor.port}`] },
          async (exporter) => {
            await eventually(5_000, () => assert.ok(supervisor.requests > 0));
            const slow = await slowReader(exporter);
            exporter.child.kill(signal);
            assert.equal(await exporter.exit(1_000), { code: 0, signal: null });
            slow.destroy();
          },
        );
      }
    } finally {
      supervisor.stop();
    }
  }),
);

recovery(
  'hundreds of idle, half-open and slow connections do not block events or scrapes',
  timed(90_000, () =>
    withExporter({}, async (exporter) => {
      for (let serial = 0; serial < PROGRAMS; serial++) {
        await exporter.tell(
          step(serial, `g:program-with-a-long-name-${serial}`, 'STOPPED>STARTING', 'tries:0'),
        );
      }
      const sockets: Socket[] = [];
      try {
        for (let number = 0; number < 200; number++) {
          sockets.push(await connect(exporter));
          sockets.push(await connect(exporter, 'GET /metrics HTTP/1.1\r\nHost: x\r\nx-half: '));
        }
        const slow: Socket[] = [];
        for (let number = 0; number < 60; number++) slow.push(await slowReader(exporter));
        sockets.push(...slow);
        for (const socket of sockets.slice(0, 20))
          socket.write(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);

        for (let serial = PROGRAMS; serial < PROGRAMS + 100; serial++)
          await exporter.tell(remote(serial, 'any', 'thing'));
        const metrics = await exporter.metrics();
        assert.is(metrics.where('supervisord_up').length, PROGRAMS);
        assert.is(
          metrics.value('supervisord_exporter_events_total', { event: 'REMOTE_COMMUNICATION' }),
          100,
        );
        // Clients that were cut off notice it at their next read.
        for (const socket of slow) socket.resume();
        await eventually(20_000, () => {
          const cut = slow.filter((socket) => socket.closed).length;
          assert.ok(cut >= 10, `${cut} were cut off`);
        });
      } finally {
        for (const socket of sockets) socket.destroy();
      }
    }),
  ),
);

recovery(
  'while stderr is not read, debug lines are held up to a bound, and those above it are counted',
  timed(60_000, () =>
    withExporter({ args: ['--log.level=debug', '--log.format=json'] }, async (exporter) => {
      const { stderr, stdin } = exporter.child;
      stderr.pause();
      const events = 30_000;
      for (let serial = 0; serial < events; serial++) stdin.write(remote(serial, 'any', 'thing'));
      await eventually(30_000, () =>
        assert.is(exporter.stdout.length, 'READY\n'.length + events * ACKNOWLEDGED.length),
      );
      assert.not.match(exporter.stderr, 'log lines were dropped');
      stderr.resume();
      await eventually(10_000, () => assert.match(exporter.stderr, 'log lines were dropped'));
      const lines = exporter.stderr.split('\n').filter((line) => line !== '');
      const logged = lines.filter((line) => line.includes('REMOTE_COMMUNICATION')).length;
      const dropped = Number(/stderr was not read","lines":(\d+)/.exec(exporter.stderr)?.[1]);
      assert.is(logged + dropped, events);
      assert.ok(logged < events / 2, `${logged} lines were held`);
    }),
  ),
);

/** A supervisord that can fail in ways that a real one cannot. */
class FakeSupervisor {
  readonly #server: Server;
  requests = 0;
  answer: RequestListener = () => {};

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests += 1;
      this.answer(request, response);
    });
  }

  static async start(): Promise<FakeSupervisor> {
    const supervisor = new FakeSupervisor();
    await new Promise<void>((resolve) => supervisor.#server.listen(0, '127.0.0.1', resolve));
    return supervisor;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Answers like supervisord, with one process: `dog`, RUNNING. */
  readonly asSupervisor: RequestListener = async (request, response) => {
    const call = await text(request);
    const string = (value: string) => `<value><string>${value}</string></value>`;
    const int = (number: number) => `<value><int>${number}</int></value>`;
    const struct = (members: Record<string, string>) =>
      `<value><struct>${Object.entries(members)
        .map(([name, value]) => `<member><name>${name}</name>${value}</member>`)
        .join('')}</struct></value>`;
    const array = (...values: readonly string[]) =>
      `<value><array><data>${values.join('')}</data></array></value>`;
    const dog = struct({
      name: string('dog'),
      group: string('dog'),
      state: int(20),
      start: int(1),
      stop: int(0),
      now: int(2),
      exitstatus: int(0),
      pid: int(7),
      spawnerr: string(''),
    });
    const settings = array(
      struct({ name: string('dog'), group: string('dog'), stopwaitsecs: int(7) }),
    );
    const results = array(
      '<value><boolean>1</boolean></value>',
      array(dog),
      struct({ statecode: int(1) }),
      string('4.2.5'),
      string('supervisor'),
    );
    const result = call.includes('getAllConfigInfo') ? settings : results;
    response.end(
      `<?xml version='1.0'?><methodResponse><params><param>${result}</param></params></methodResponse>`,
    );
  };

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function connect(exporter: RunningExporter, text = ''): Promise<Socket> {
  const socket = createConnection(exporter.port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  if (text !== '') socket.write(text);
  return socket;
}

/** Requests /metrics and does not read the answer. */
async function slowReader(exporter: RunningExporter): Promise<Socket> {
  const socket = await connect(exporter, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  socket.pause();
  await sleep(1);
  return socket;
}

recovery.run();
