import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdaptiveTimeout } from '../../src/rpc/adaptive-timeout.ts';
import { RpcClient } from '../../src/rpc/client.ts';
import { RpcError } from '../../src/util/errors.ts';
import { timed } from '../support/deadline.ts';

const adaptive = suite('adaptive timeout');

const NO_PROCESSES = () => 0;

adaptive('doubles with each timeout, up to two minutes', () => {
  const timeout = new AdaptiveTimeout(5_000, NO_PROCESSES);
  const seen = [timeout.ms];
  for (let time = 0; time < 6; time++) {
    timeout.timedOut();
    seen.push(timeout.ms);
  }
  assert.equal(seen, [5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000]);
});

adaptive(
  'follows the silence before and within a reply, and is never shorter than the flag',
  () => {
    const timeout = new AdaptiveTimeout(5_000, NO_PROCESSES);
    timeout.answered(14_000);
    assert.is(timeout.ms, 56_000);
    timeout.answered(100);
    assert.is(timeout.ms, 5_000);
  },
);

adaptive('follows the number of known processes before the first reply', () => {
  let processes = 100;
  const timeout = new AdaptiveTimeout(5_000, () => processes);
  assert.is(timeout.ms, 5_000);
  processes = 20_000;
  assert.is(timeout.ms, 56_000);
  timeout.timedOut();
  assert.is(timeout.ms, 112_000);
});

adaptive('a flag of more than two minutes stands', () => {
  const timeout = new AdaptiveTimeout(600_000, NO_PROCESSES);
  timeout.timedOut();
  assert.is(timeout.ms, 600_000);
});

const REPLY =
  '<?xml version="1.0"?><methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>';
const REPLY_MS = 300;

adaptive(
  'a server that is slower than the timeout is answered by a later try',
  timed(20_000, async () => {
    const slow: http.RequestListener = (_, response) => {
      setTimeout(() => response.end(REPLY), REPLY_MS);
    };
    await withServer(slow, async (client) => {
      const timeout = new AdaptiveTimeout(20, NO_PROCESSES);
      let timeouts = 0;
      for (;;) {
        try {
          assert.is(await client.call('supervisor.getState', [], timeout), 1);
          break;
        } catch (error) {
          if (!(error instanceof RpcError) || error.code !== 'ERR_RPC_TIMEOUT') throw error;
          timeouts += 1;
        }
      }
      assert.ok(timeouts > 0 && timeouts < 10, `${timeouts} timeouts`);
      assert.ok(timeout.ms > REPLY_MS);
    });
  }),
);

const PART_MS = 100;
const SILENCE_MS = 600;

for (const isAdaptive of [true, false]) {
  const outcome = isAdaptive ? 'is read to its end' : 'times out in any other call';
  adaptive(
    `a reply that arrives in parts, and takes longer than the timeout, ${outcome}`,
    timed(20_000, async () => {
      const inParts: http.RequestListener = (_, response) => {
        const parts = REPLY.match(/.{1,7}/g) ?? [];
        assert.ok(parts.length * PART_MS > 2 * SILENCE_MS);
        const sending = setInterval(() => {
          const part = parts.shift();
          if (part !== undefined) return void response.write(part);
          clearInterval(sending);
          response.end();
        }, PART_MS);
        response.on('close', () => clearInterval(sending));
      };
      await withServer(inParts, async (client) => {
        const timeout = isAdaptive ? new AdaptiveTimeout(SILENCE_MS, NO_PROCESSES) : undefined;
        const reply = client.call('supervisor.getState', [], timeout).catch((error) => error.code);
        assert.is(await reply, isAdaptive ? 1 : 'ERR_RPC_TIMEOUT');
      });
    }),
  );
}

async function withServer(
  listener: http.RequestListener,
  use: (client: RpcClient) => Promise<void>,
): Promise<void> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const endpoint = {
      kind: 'tcp',
      secure: false,
      host: '127.0.0.1',
      port,
      path: '/RPC2',
      credentials: undefined,
    } as const;
    await use(new RpcClient(endpoint, { timeoutMs: SILENCE_MS, keepOpen: false }));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

adaptive.run();
