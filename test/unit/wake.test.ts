import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Waker } from '../../src/exits/wake.ts';
import type { SupervisorEndpoint } from '../../src/rpc/endpoint.ts';
import { eventually } from '../support/deadline.ts';

const wake = suite('waking supervisord');

interface Scene {
  readonly waker: Waker;
  readonly lines: readonly string[];
  /** Connections that were accepted. */
  readonly connections: () => number;
}

/** `socket`: whether something listens there; undefined: supervisord has no HTTP server. */
async function inScene(
  socket: 'listens' | 'missing' | undefined,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  const socketPath = join(folder, 'supervisor.sock');
  let connections = 0;
  const server = createServer(() => {
    connections += 1;
  });
  const lines: string[] = [];
  const add = (text: string) => void lines.push(text);
  const endpoint = { kind: 'unix', socketPath } as SupervisorEndpoint;
  const waker = new Waker({
    endpoint: socket === undefined ? undefined : endpoint,
    log: { debug: undefined, info: add, warn: add, error: add },
    logsInfo: true,
  });
  try {
    if (socket === 'listens') {
      await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    }
    await body({ waker, lines, connections: () => connections });
  } finally {
    waker.stop();
    server.close();
    rmSync(folder, { recursive: true });
  }
}

wake('a connection leaves no line', () =>
  inScene('listens', async ({ waker, lines, connections }) => {
    waker.wake();
    await eventually(5_000, () => assert.is(connections(), 1));
    await eventually(5_000, () => assert.is(waker.count, 1));
    assert.equal(lines, []);
  }),
);

wake('a line follows where the connection fails, and another one later', () =>
  inScene('missing', async ({ waker, lines }) => {
    waker.wake();
    await eventually(5_000, () => assert.is(lines.length, 1));
    waker.wake();
    await eventually(5_000, () => assert.is(lines.length, 2));
    assert.is(waker.count, 2);
  }),
);

wake('lines of many exits in a row are written as one', () =>
  inScene(undefined, async ({ waker, lines }) => {
    for (let exits = 0; exits < 20; exits++) waker.wakeForExit({ process: `web-${exits}` });
    await eventually(5_000, () =>
      assert.equal(lines, ['process exited', 'supervisord is about to send events']),
    );
  }),
);

wake.run();
