/** However much one client asks for, the clients of other addresses get their turn. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SharedWork } from '../../src/util/shared-work.ts';
import { AnswerQueue } from '../../src/web/answer-queue.ts';
import { RequestScheduler } from '../../src/web/scheduler.ts';
import { serve, type WebOptions } from '../../src/web/server.ts';
import { eventually, timed } from '../support/deadline.ts';

const fairness = suite('fairness');

const MANY = '127.0.0.1';
const OTHER = '127.0.0.2';

fairness(
  'those who ask while work runs share the next run, which begins after they have asked',
  async () => {
    const ends: (() => void)[] = [];
    const work = new SharedWork(async () => {
      const run = ends.length;
      await new Promise<void>((resolve) => ends.push(resolve));
      return run;
    });
    const first = work.next();
    await eventually(1_000, () => assert.is(ends.length, 1));
    const waiting = Array.from({ length: 100 }, () => work.next());
    ends[0]?.();
    assert.is(await first, 0);
    await eventually(1_000, () => assert.is(ends.length, 2));
    ends[1]?.();
    assert.equal(new Set(await Promise.all(waiting)), new Set([1]));
  },
);

fairness('work that has failed runs again', async () => {
  let runs = 0;
  const work = new SharedWork(async () => {
    runs += 1;
    if (runs === 1) throw new Error('no');
    return runs;
  });
  const both = await Promise.allSettled([work.next(), work.next()]);
  assert.equal(new Set(both.map(({ status }) => status)), new Set(['rejected']));
  assert.is(await work.next(), 2);
});

const ADDRESSES = [MANY, MANY, MANY, OTHER, OTHER, MANY];
const IN_TURNS = [MANY, OTHER, MANY, OTHER, MANY, MANY];

fairness(
  'addresses take turns in a queue of answers; clients that have left have none',
  async () => {
    const queue = new AnswerQueue();
    const order: string[] = [];
    const ask = (remoteAddress: string, destroyed: boolean) =>
      queue.run(
        { socket: { remoteAddress } } as IncomingMessage,
        { destroyed } as ServerResponse,
        async () => {
          order.push(remoteAddress);
          if (order.length === 2) throw new Error('this one fails');
        },
      );
    const answers = ADDRESSES.flatMap((address) => [ask(address, false), ask(address, true)]);
    const settled = await Promise.allSettled(answers);
    assert.equal(order, IN_TURNS);
    assert.is(settled.filter(({ status }) => status === 'rejected').length, 1);
  },
);

fairness('addresses take turns where requests are parsed', async () => {
  const scheduler = new RequestScheduler();
  const order: string[] = [];
  for (const remoteAddress of [MANY, ...ADDRESSES]) {
    scheduler.add({
      remoteAddress,
      parseNext() {
        // The first parses at once, before the others are added.
        order.push(remoteAddress);
        const end = performance.now() + 1;
        while (performance.now() < end);
      },
    });
  }
  await eventually(1_000, () => assert.equal(order, [MANY, ...IN_TURNS]));
});

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

fairness(
  'with too many connections, the newest of the address that has the most is closed',
  timed(20_000, () =>
    withServer({ limits: { maxConnections: 4 } }, async (open) => {
      const other = await open(OTHER);
      const many: Socket[] = [];
      for (let number = 0; number < 9; number++) many.push(await open(MANY));
      await eventually(5_000, () =>
        assert.equal(
          many.map(({ closed }) => closed),
          [...Array(3).fill(false), ...Array(6).fill(true)],
        ),
      );
      await assertAnswered(other);
      await assertAnswered(await open(OTHER));
      assert.equal(many[0]?.closed, false);
    }),
  ),
);

fairness(
  'with too many clients that do not read, one of the address that has the most is cut off',
  timed(20_000, () => {
    let cut = 0;
    const answer: WebOptions['answer'] = async ({ socket: { remoteAddress } }, response) => {
      if (remoteAddress === MANY) response.once('close', () => (cut += 1));
      response.end(Buffer.alloc(50_000_000));
    };
    return withServer({ answer, limits: { maxUnsent: 3 } }, async (open) => {
      const other = (await open(OTHER)).pause();
      other.write(GET);
      for (let number = 1; number <= 6; number++) {
        const client = await open(MANY);
        client.pause().write(GET);
        await eventually(5_000, () => assert.is(cut, Math.max(0, number - 2)));
      }
      let length = 0;
      other.on('data', (more) => {
        length += more.length;
      });
      other.resume();
      await eventually(10_000, () => assert.ok(length > 50_000_000));
    });
  }),
);

async function assertAnswered(client: Socket): Promise<void> {
  let said = '';
  client.on('data', (more) => {
    said += more;
  });
  client.write(GET);
  await eventually(5_000, () => assert.match(said, 'HTTP/1.1 200 OK'));
}

async function withServer(
  options: Partial<WebOptions>,
  body: (open: (localAddress: string) => Promise<Socket>) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const [bound] = await serve({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    answer: async (_, response) => void response.end(),
    onError: () => {},
    signal: stopping.signal,
    ...options,
  });
  const clients: Socket[] = [];
  const open = async (localAddress: string) => {
    const client = connect({ port: bound?.port ?? 0, host: '127.0.0.1', localAddress });
    clients.push(client.on('error', () => {}).resume());
    await new Promise((resolve) => client.once('connect', resolve));
    return client;
  };
  try {
    await body(open);
  } finally {
    stopping.abort();
    for (const client of clients) client.destroy();
  }
}

fairness.run();
