import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdaptiveTimeout } from '../../src/rpc/adaptive-timeout.ts';
import { RpcClient } from '../../src/rpc/client.ts';
import { RpcError } from '../../src/util/errors.ts';
import { timed } from '../support/deadline.ts';

const adaptive = suite('adaptive timeout');

adaptive('doubles with each timeout, up to two minutes', () => {
  const timeout = new AdaptiveTimeout(5_000);
  const seen = [timeout.ms];
  for (let time = 0; time < 6; time++) {
    timeout.timedOut();
    seen.push(timeout.ms);
  }
  assert.equal(seen, [5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000]);
});

adaptive('follows the duration of a reply, and is never shorter than the flag says', () => {
  const timeout = new AdaptiveTimeout(5_000);
  timeout.answered(14_000);
  assert.is(timeout.ms, 56_000);
  timeout.answered(100);
  assert.is(timeout.ms, 5_000);
});

adaptive('a flag of more than two minutes stands', () => {
  const timeout = new AdaptiveTimeout(600_000);
  timeout.timedOut();
  assert.is(timeout.ms, 600_000);
});

const REPLY =
  '<?xml version="1.0"?><methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>';
const REPLY_MS = 300;

adaptive(
  'a server that is slower than the timeout is answered by a later try',
  timed(20_000, async () => {
    const server = http.createServer((_, response) => {
      setTimeout(() => response.end(REPLY), REPLY_MS);
    });
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
      const client = new RpcClient(endpoint, { timeoutMs: 20, keepOpen: false });
      const timeout = new AdaptiveTimeout(client.timeoutMs);
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
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }),
);

adaptive.run();
