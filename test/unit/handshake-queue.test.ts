import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HandshakeQueue, MAX_HANDSHAKES } from '../../src/web-config/handshake-queue.ts';
import { eventually, timed } from '../support/deadline.ts';

const handshakes = suite('handshake queue');

handshakes(
  'so many handshakes are in progress at once; the next begins when one has ended or left',
  timed(20_000, () =>
    withQueue({ waitMs: 15_000 }, async ({ queue, begun, open }) => {
      const clients = await open(MAX_HANDSHAKES + 2);
      await eventually(5_000, () => assert.is(begun.length, MAX_HANDSHAKES));
      queue.end(begun[3] as Socket);
      assert.is(begun.length, MAX_HANDSHAKES + 1);
      clients[0]?.destroy();
      await eventually(5_000, () => assert.is(begun.length, MAX_HANDSHAKES + 2));
    }),
  ),
);

handshakes(
  'while others wait, the oldest handshake that does not end is cut off',
  timed(20_000, () =>
    withQueue({ waitMs: 15_000 }, async ({ begun, open }) => {
      await open(2 * MAX_HANDSHAKES);
      await eventually(15_000, () => assert.is(begun.length, 2 * MAX_HANDSHAKES));
      const cut = begun.map((socket) => socket.destroyed);
      assert.equal(cut, [
        ...Array(MAX_HANDSHAKES).fill(true),
        ...Array(MAX_HANDSHAKES).fill(false),
      ]);
    }),
  ),
);

handshakes(
  'a connection does not wait without end, and one that resets while it waits is forgotten',
  timed(20_000, () =>
    withQueue({ waitMs: 100 }, async ({ begun, open }) => {
      const clients = await open(MAX_HANDSHAKES + 2);
      clients.at(-1)?.resetAndDestroy();
      await eventually(5_000, () => assert.ok(clients.at(-2)?.closed));
      assert.is(begun.length, MAX_HANDSHAKES);
    }),
  ),
);

handshakes(
  'addresses take turns',
  timed(20_000, () =>
    withQueue({ waitMs: 15_000 }, async ({ queue, begun, open }) => {
      await open(MAX_HANDSHAKES + 5);
      await open(1, '127.0.0.2');
      await eventually(5_000, () => assert.is(begun.length, MAX_HANDSHAKES));
      for (const socket of begun.slice(0, 2)) queue.end(socket);
      const [one, other] = begun.slice(MAX_HANDSHAKES);
      assert.equal([one?.remoteAddress, other?.remoteAddress], ['127.0.0.1', '127.0.0.2']);
    }),
  ),
);

interface Fixture {
  readonly queue: HandshakeQueue;
  /** The server's side of those that have begun. */
  readonly begun: readonly Socket[];
  readonly open: (connections: number, localAddress?: string) => Promise<readonly Socket[]>;
}

async function withQueue(
  options: { readonly waitMs: number },
  body: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const queue = new HandshakeQueue(options);
  const begun: Socket[] = [];
  const clients: Socket[] = [];
  const server = createServer((socket) => queue.add(socket, () => begun.push(socket)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const open = async (connections: number, localAddress = '127.0.0.1') => {
    for (let number = 0; number < connections; number++) {
      const client = connect({ port, host: '127.0.0.1', localAddress })
        .on('error', () => {})
        .resume();
      clients.push(client);
      await once(client, 'connect');
    }
    return clients;
  };
  try {
    await body({ queue, begun, open });
  } finally {
    for (const client of clients) client.destroy();
    server.close();
  }
}

handshakes.run();
