/** From supervisord to the webhook: by the rules, by the push, and past what is broken on the way. */

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Alertmanager,
  PEER_TIMEOUT_MS,
  type Webhook,
  withAlertmanager,
  withAlertmanagerCluster,
} from '../support/alertmanager.ts';
import { eventually, timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';
import { withShippedPrometheus } from '../support/prometheus.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const alerting = suite('alerting');

/** An alert would have come several times over: a scrape and an evaluation take two seconds. */
const LONG_ENOUGH_MS = 8_000;

alerting(
  'the rules raise a crash that was repaired and a program that can not start, and no stop',
  timed(120_000, () =>
    withAlertmanager((alertmanager, webhook) =>
      play({ conf: 'alerting' }, async (supervisord) => {
        await started(supervisord);
        const target = `127.0.0.1:${supervisord.port}`;
        const alertmanagers = [alertmanager.address];
        await withShippedPrometheus({ target, alertmanagers }, async (prometheus) => {
          await raisesWhatItShould(supervisord, alertmanager, webhook, {
            job: 'supervisor',
            instance: target,
          });
          for (const name of ['stopped', 'batch']) {
            assert.equal(
              await prometheus.query(`ALERTS{name="${name}"}`),
              [],
              'not even pending, as SupervisorProcessDown would be',
            );
          }
        });
      }),
    ),
  ),
);

alerting(
  'the push raises the same with no Prometheus at all',
  timed(90_000, () =>
    withAlertmanager((alertmanager, webhook) => {
      const flags = [`--alertmanager.url=${alertmanager.url}`];
      return play({ conf: 'alerting', flags }, async (supervisord) => {
        await started(supervisord);
        await raisesWhatItShould(supervisord, alertmanager, webhook, {
          job: 'supervisor',
          instance: `127.0.0.1:${supervisord.port}`,
        });
      });
    }),
  ),
);

alerting(
  'the push carries the labels that it is given',
  timed(60_000, () =>
    withAlertmanager((alertmanager, webhook) => {
      const flags = [
        `--alertmanager.url=${alertmanager.url}/`,
        '--alertmanager.label=job=fleet',
        '--alertmanager.label=instance=db1.example:9876',
        '--alertmanager.label=cluster=a',
      ];
      return play({ conf: 'alerting', flags }, async (supervisord) => {
        await started(supervisord);
        await supervisord.ctl('start', 'failing');
        await eventually(10_000, () => assert.is(webhook.notified().length, 1));
        assert.equal(webhook.notified()[0]?.labels, {
          alertname: 'SupervisorProcessFatal',
          severity: 'critical',
          job: 'fleet',
          instance: 'db1.example:9876',
          cluster: 'a',
          name: 'failing',
          group: 'failing',
        });
      });
    }),
  ),
);

alerting(
  'a cluster that is pushed to as a whole notifies once',
  timed(90_000, () =>
    withAlertmanagerCluster((alertmanagers, webhook) => {
      const flags = alertmanagers.map(({ url }) => `--alertmanager.url=${url}`);
      return play({ conf: 'alerting', flags }, async (supervisord) => {
        await started(supervisord);
        await kill(supervisord, 'killed');
        await eventually(10_000, () => assert.is(webhook.notified().length, 1));
        for (const alertmanager of alertmanagers) {
          assert.is((await alertmanager.alerts({ name: 'killed' })).length, 1);
        }
        await sleep(PEER_TIMEOUT_MS + LONG_ENOUGH_MS);
        assert.is(webhook.notified().length, 1);
      });
    }),
  ),
);

alerting(
  'an Alertmanager that hangs and one that is gone hold up nothing else',
  timed(90_000, () =>
    withHangingServer((hanging) =>
      withAlertmanager(async (alertmanager, webhook) => {
        const gone = `http://127.0.0.1:${await freePort()}`;
        const flags = [hanging, gone, alertmanager.url].map((url) => `--alertmanager.url=${url}`);
        await play({ conf: 'alerting', flags }, async (supervisord) => {
          await started(supervisord);
          for (const deaths of [1, 2]) {
            await kill(supervisord, 'killed');
            await supervisord.until(4_000, (metrics) => {
              assert.is(exitsOf(metrics, 'killed'), deaths);
              assert.is(stateOf(metrics, 'killed'), 20);
            });
          }
          await eventually(4_000, () => assert.is(webhook.notified({ name: 'killed' }).length, 1));

          await supervisord.until(10_000, (metrics) => {
            assert.ok(failed(metrics, hanging) > 0, 'the one that hangs');
            assert.ok(failed(metrics, gone) > 0, 'the one that is gone');
          });
          const metrics = await supervisord.metrics();
          assert.is(failed(metrics, alertmanager.url), 0);
          assert.is(sent(metrics, hanging) + sent(metrics, gone), 0);
          assert.ok(sent(metrics, alertmanager.url) > 0);
          assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
        });
      }),
    ),
  ),
);

alerting(
  'target labels group and name rename nothing, and FATAL of one process does not inhibit another',
  timed(120_000, () =>
    withAlertmanager((alertmanager, webhook) =>
      play({ conf: 'alerting' }, async (supervisord) => {
        await started(supervisord);
        const target = `127.0.0.1:${supervisord.port}`;
        const shipped = {
          target,
          alertmanagers: [alertmanager.address],
          targetLabels: { group: 'production', name: 'web1' },
        };
        await withShippedPrometheus(shipped, async () => {
          await supervisord.ctl('start', 'failing');
          await eventually(15_000, () =>
            assert.is(webhook.notified({ name: 'failing' }).length, 1),
          );
          assert.is(webhook.notified({ name: 'failing' })[0]?.labels['group'], 'failing');
          // As SupervisorProcessDown of another process would be, which takes a minute.
          const down = { alertname: 'SupervisorProcessDown', job: 'supervisor', instance: target };
          await alertmanager.post([
            { ...down, group: 'killed', name: 'killed' },
            { ...down, group: 'failing', name: 'failing' },
          ]);
          await eventually(10_000, () =>
            assert.equal(
              webhook.notified({ alertname: down.alertname }).map(({ labels }) => labels['name']),
              ['killed'],
            ),
          );
          const alerts = await alertmanager.alerts({ alertname: down.alertname });
          assert.equal(alerts.length, 2);
        });
      }),
    ),
  ),
);

/** A death that is repaired, a program that can't start, a stop and an end as expected: two alerts. */
async function raisesWhatItShould(
  supervisord: Supervisord,
  alertmanager: Alertmanager,
  webhook: Webhook,
  exporter: { readonly job: string; readonly instance: string },
): Promise<void> {
  await supervisord.ctl('stop', 'stopped');
  await supervisord.ctl('start', 'batch');
  await kill(supervisord, 'killed');
  await supervisord.ctl('start', 'failing');
  const expected = [
    {
      alertname: 'SupervisorProcessFatal',
      severity: 'critical',
      name: 'failing',
      group: 'failing',
      ...exporter,
    },
    {
      alertname: 'SupervisorProcessUnexpectedExit',
      severity: 'warning',
      name: 'killed',
      group: 'killed',
      ...exporter,
    },
  ];
  await eventually(15_000, () => assert.ok(webhook.notified().length >= expected.length));
  await supervisord.until(15_000, (metrics) => {
    assert.is(stateOf(metrics, 'killed'), 20, 'it was started again');
    assert.is(stateOf(metrics, 'stopped'), 0);
    assert.is(stateOf(metrics, 'batch'), 100);
  });
  await sleep(LONG_ENOUGH_MS);

  const notified = webhook.notified();
  assert.equal(sortedLabels(notified), expected);
  assert.ok(
    notified.every(({ status }) => status === 'firing'),
    'and none is over yet',
  );
  assert.equal(sortedLabels(await alertmanager.alerts()), expected);
  assertSays(webhook, 'killed', /exited unexpectedly at .*, killed by SIGKILL\./);
  assertSays(
    webhook,
    'failing',
    /FATAL.*The last start failed: Exited too quickly.*, exit code 7\./,
  );
}

function assertSays(webhook: Webhook, name: string, reason: RegExp): void {
  const [alert] = webhook.notified({ name });
  assert.match(alert?.annotations['description'] ?? '', reason);
}

function sortedLabels(alerts: readonly { readonly labels: Readonly<Record<string, string>> }[]) {
  return alerts
    .map(({ labels }) => labels)
    .sort((a, b) => ((a['alertname'] ?? '') < (b['alertname'] ?? '') ? -1 : 1));
}

/** Resolves once what starts by itself is RUNNING. */
function started(supervisord: Supervisord): Promise<void> {
  return supervisord.until(15_000, (metrics) => {
    for (const name of ['killed', 'stopped']) assert.is(stateOf(metrics, name), 20);
  });
}

async function kill(supervisord: Supervisord, name: string): Promise<void> {
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', name);
  assert.ok(pid > 0, `${name} runs`);
  process.kill(pid, 'SIGKILL');
}

/** Runs `body` beside a server that takes connections and never says anything. */
async function withHangingServer(body: (url: string) => Promise<void>): Promise<void> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  try {
    await body(`http://127.0.0.1:${port}`);
    assert.ok(sockets.length > 0, 'it was connected to');
  } finally {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
}

function stateOf(metrics: Exposition, name: string): number | undefined {
  return metrics.value('supervisord_state', { name });
}

function exitsOf(metrics: Exposition, name: string): number | undefined {
  return metrics.value('supervisord_process_unexpected_exits_total', { name });
}

function sent(metrics: Exposition, alertmanager: string): number {
  return metrics.value('supervisord_exporter_alerts_sent_total', { alertmanager }) ?? Number.NaN;
}

function failed(metrics: Exposition, alertmanager: string): number {
  return metrics.value('supervisord_exporter_alerts_failed_total', { alertmanager }) ?? Number.NaN;
}

alerting.run();
