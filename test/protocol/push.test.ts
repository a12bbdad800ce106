import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import { type RunningExporter, runToEnd, withExporter } from '../support/exporter.ts';
import { freePort } from '../support/ports.ts';
import { withFolder } from '../support/prometheus.ts';
import { step } from '../support/wire.ts';

const push = suite('push');

interface Received {
  readonly url: string;
  readonly authorization: string | undefined;
  readonly alerts: ReadonlyArray<{
    readonly labels: Readonly<Record<string, string>>;
    readonly startsAt: string;
    readonly endsAt: string;
  }>;
}

/** An Alertmanager that can fail in ways that a real one cannot. */
class FakeAlertmanager {
  readonly received: Received[] = [];
  answered = 0;
  status: number | 'never' = 200;
  delayMs = 0;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<FakeAlertmanager> {
    const fake = new FakeAlertmanager();
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    this.received.push({
      url: `${request.method} ${request.url} ${request.headers['content-type']}`,
      authorization: request.headers.authorization,
      alerts: JSON.parse(body),
    });
    await sleep(this.delayMs);
    if (this.status === 'never') return;
    response.writeHead(this.status).end();
    this.answered += 1;
  }
}

push(
  'an exit is pushed to every Alertmanager with its path prefix, credentials and extra labels',
  timed(20_000, async () => {
    const [one, two] = [await FakeAlertmanager.start(), await FakeAlertmanager.start()];
    const args = [
      `--alertmanager.url=http://127.0.0.1:${one.port}`,
      `--alertmanager.url=http://me:p%40ss@127.0.0.1:${two.port}/prefix/`,
      '--alertmanager.label=cluster=c1',
      '--alertmanager.label=job=other',
    ];
    try {
      await withExporter({ args }, async (exporter) => {
        await exporter.tell(step(0, 'pets:cat', 'RUNNING>EXITED', 'expected:0 pid:7'));
        await eventually(5_000, () =>
          assert.equal([one.received.length, two.received.length], [1, 1]),
        );
        const [{ url, authorization, alerts } = fail()] = two.received;
        assert.is(url, 'POST /prefix/api/v2/alerts application/json');
        assert.is(authorization, `Basic ${Buffer.from('me:p@ss').toString('base64')}`);
        assert.is(one.received[0]?.url, 'POST /api/v2/alerts application/json');
        assert.is(one.received[0]?.authorization, undefined);
        assert.equal(
          alerts.map(({ labels }) => labels),
          [
            {
              alertname: 'SupervisorProcessUnexpectedExit',
              severity: 'warning',
              job: 'other',
              cluster: 'c1',
              instance: `127.0.0.1:${exporter.port}`,
              name: 'cat',
              group: 'pets',
            },
          ],
        );
        const shown = await (await fetch(exporter.url('/metrics'))).text();
        assert.match(
          shown,
          `alerts_sent_total{alertmanager="http://127.0.0.1:${two.port}/prefix"} 1`,
        );
        assert.not.match(shown + exporter.stderr, 'p@ss');
        assert.not.match(shown + exporter.stderr, 'p%40ss');
      });
    } finally {
      one.stop();
      two.stop();
    }
  }),
);

push(
  'an Alertmanager that hangs and one that is gone: events are acknowledged, the failure is counted and logged once',
  timed(40_000, async () => {
    const hanging = await FakeAlertmanager.start();
    hanging.status = 'never';
    const gone = await freePort();
    const args = [
      `--alertmanager.url=http://127.0.0.1:${hanging.port}`,
      `--alertmanager.url=http://127.0.0.1:${gone}`,
    ];
    try {
      await withExporter({ args }, async (exporter) => {
        for (let serial = 0; serial < 200; serial++) {
          await exporter.tell(step(serial, `g:cat-${serial}`, 'BACKOFF>FATAL'));
        }
        await eventually(15_000, async () => {
          assert.ok((await failed(exporter, gone)) >= 200);
          assert.ok((await failed(exporter, hanging.port)) >= 1);
        });
        const logged = exporter.stderr
          .split('\n')
          .filter((line) => line.includes('did not accept alerts'));
        assert.is(logged.length, 2, exporter.stderr);
      });
    } finally {
      hanging.stop();
    }
  }),
);

push(
  'a failed push is retried with the latest state; a rejected push is not',
  timed(40_000, async () => {
    const manager = await FakeAlertmanager.start();
    const args = [`--alertmanager.url=http://127.0.0.1:${manager.port}`];
    try {
      await withExporter({ args }, async (exporter) => {
        manager.status = 503;
        manager.delayMs = 300;
        await exporter.tell(step(0, 'g:cat', 'BACKOFF>FATAL'));
        await eventually(5_000, () => assert.is(manager.received.length, 1));
        // The next state arrives while the first one is still being sent.
        await exporter.tell(step(1, 'g:cat', 'FATAL>STARTING', 'tries:0'));
        await eventually(5_000, () => assert.is(manager.answered, 1));
        manager.status = 200;
        manager.delayMs = 0;
        await eventually(5_000, () => assert.is(manager.received.length, 2));
        const [alert, ...others] = manager.received[1]?.alerts ?? [];
        assert.equal(others, [], 'one alert, and not two states of it');
        assert.ok(lifetime(alert) > 140, 'the latest one, which says when it is over');
        await eventually(5_000, () => assert.match(exporter.stderr, 'accepts alerts again'));

        manager.status = 400;
        await exporter.tell(step(2, 'g:dog', 'BACKOFF>FATAL'));
        await eventually(5_000, () => assert.is(manager.received.length, 3));
        await sleep(4_000);
        assert.is(manager.received.length, 3, 'a 400 is not sent again');
        assert.is(await failed(exporter, manager.port), 2);
      });
    } finally {
      manager.stop();
    }
  }),
);

push(
  'nothing is pushed without the flag, or for an event that raises no alert',
  timed(20_000, async () => {
    const manager = await FakeAlertmanager.start();
    try {
      await withExporter(
        { args: [`--alertmanager.url=http://127.0.0.1:${manager.port}`] },
        async (exporter) => {
          await exporter.tell(
            step(0, 'g:cat', 'RUNNING>EXITED', 'expected:1 pid:7'),
            step(1, 'g:dog', 'RUNNING>STOPPING', 'pid:8'),
            step(2, 'g:dog', 'STOPPING>STOPPED', 'pid:8'),
            step(3, 'g:cow', 'STARTING>BACKOFF', 'tries:1'),
            step(4, 'g:pig', 'BACKOFF>FATAL'),
          );
          await eventually(5_000, () => assert.is(manager.received.length, 1));
          assert.equal(
            manager.received[0]?.alerts.map(({ labels }) => labels['name']),
            ['pig'],
          );
        },
      );
    } finally {
      manager.stop();
    }
  }),
);

async function failed(exporter: RunningExporter, port: number): Promise<number> {
  const alertmanager = `http://127.0.0.1:${port}`;
  return (
    (await exporter.metrics()).value('supervisord_exporter_alerts_failed_total', {
      alertmanager,
    }) ?? 0
  );
}

/** Seconds from the start of an alert to its end. */
function lifetime(alert: Received['alerts'][number] | undefined): number {
  return (Date.parse(alert?.endsAt ?? '') - Date.parse(alert?.startsAt ?? '')) / 1000;
}

function fail(): never {
  throw new Error('nothing was received');
}

push(
  'the exporter exits with 2 before READY if the file of --alertmanager.config.file cannot be used',
  timed(20_000, () =>
    withFolder('push', async (dir) => {
      for (const [text, reason] of [
        ['basic_auth: {username: me, passwort: secret}', /passwort/],
        ['tls_config: {ca_file: missing.pem}', /missing\.pem/],
        ['{', /alertmanager\.yml/],
      ] as const) {
        const file = join(dir, 'alertmanager.yml');
        writeFileSync(file, text);
        const args = [
          '--alertmanager.url=http://127.0.0.1:1',
          `--alertmanager.config.file=${file}`,
        ];
        const { code, stdout, stderr } = await runToEnd(args);
        assert.is(code, 2);
        assert.is(stdout, '');
        assert.is(stderr.trimEnd().split('\n').length, 1, stderr);
        assert.match(stderr, /level=ERROR msg="--alertmanager\.config\.file: /);
        assert.match(stderr, reason);
        assert.not.match(stderr, /secret/);
      }
    }),
  ),
);

push.run();
