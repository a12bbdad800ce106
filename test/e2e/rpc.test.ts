import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const rpc = suite('xml-rpc');

/** Without XML-RPC, events are still counted and states are right; `reason` is logged once, in one line. */
async function assertEventsAlone(supervisord: Supervisord, reason: RegExp): Promise<void> {
  await supervisord.until(20_000, (metrics) => {
    assert.ok(
      (metrics.value('supervisord_process_unexpected_exits_total', { name: 'crashing' }) ?? 0) >= 2,
    );
  });
  const metrics = await supervisord.metrics();
  assert.is(metrics.value('supervisord_exporter_rpc_up'), 0);
  assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
  assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20);
  const {
    'STOPPED>STARTING': first,
    'EXITED>STARTING': restarts = 0,
    'RUNNING>EXITED': exits = 0,
  } = metrics.transitions('crashing:crashing');
  assert.is(first, 1);
  assert.ok(
    exits - restarts === 0 || exits - restarts === 1,
    `${exits} exits, ${restarts} restarts`,
  );

  await sleep(3_000);
  const lines = supervisord.exporterLog
    .split('\n')
    .filter((line) => /level=(?:WARN|ERROR)/.test(line));
  assert.is(lines.length, 1, supervisord.exporterLog);
  assert.match(lines[0] ?? '', reason);
}

rpc(
  'no HTTP server is configured',
  timed(60_000, () =>
    play({ conf: 'no-http' }, async (supervisord) => {
      await assertEventsAlone(supervisord, /no HTTP server/);
      assert.is((await fetch(supervisord.url('/-/ready'))).status, 200);
    }),
  ),
);

rpc(
  'a wrong password is reported without revealing it',
  timed(60_000, async () => {
    const environment = { RPC_PORT: String(await freePort()) };
    const section = { environment: 'SUPERVISOR_USERNAME="me",SUPERVISOR_PASSWORD="wrong-secret"' };
    await play({ conf: 'password', section, environment }, async (supervisord) => {
      await assertEventsAlone(supervisord, /rejects this username and password/);
      const ready = await fetch(supervisord.url('/-/ready'));
      assert.is(ready.status, 503);
      assert.match(await ready.text(), /rejects this username and password/);
      const shown = await (await fetch(supervisord.url('/metrics'))).text();
      assert.not.match(supervisord.exporterLog + shown, 'secret');
    });
  }),
);

rpc(
  'the password is taken from the environment or from the URL',
  timed(60_000, async () => {
    const port = await freePort();
    const environment = { RPC_PORT: String(port) };
    const ways = [
      { section: { environment: 'SUPERVISOR_USERNAME="me",SUPERVISOR_PASSWORD="right"' } },
      { flags: [`--supervisor.url=http://me:right@127.0.0.1:${port}`] },
    ];
    for (const way of ways) {
      await play({ conf: 'password', environment, ...way }, async (supervisord) => {
        await supervisord.until(10_000, (metrics) => {
          assert.is(metrics.value('supervisord_exporter_rpc_up'), 1);
          assert.is(metrics.value('supervisord_state', { name: 'waiting' }), 0);
        });
        assert.is((await fetch(supervisord.url('/-/ready'))).status, 200);
      });
    }
  }),
);

rpc(
  'an endpoint that accepts the call and never answers',
  timed(60_000, async () => {
    const server: Server = createServer((socket) => socket.on('error', () => {}));
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    try {
      const flags = [`--supervisor.url=http://127.0.0.1:${port}`, '--supervisor.timeout=1s'];
      await play({ conf: 'no-http', flags }, (supervisord) =>
        assertEventsAlone(supervisord, /did not answer within 1 s/),
      );
    } finally {
      server.close();
    }
  }),
);

rpc.run();
