/** Both ways to Alertmanager at once. It takes three minutes, hence a file of its own. */

import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Alertmanager, type Webhook, withAlertmanager } from '../support/alertmanager.ts';
import { eventually, timed } from '../support/deadline.ts';
import { type Prometheus, withShippedPrometheus } from '../support/prometheus.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const both = suite('alerting, both ways');

const DEATH = { alertname: 'SupervisorProcessUnexpectedExit', name: 'killed' };
const FATAL = { alertname: 'SupervisorProcessFatal', name: 'failing' };

/** The push resolves 150 s after the exit, the rule after 120 to 122. */
const PUSH_RESOLVES_MS = 150_000;
/** Scrape, evaluation, `group_interval`, and a second exit that would be notified. */
const MARGIN_MS = 15_000;

both(
  'one alert and one notification for each, and none for a stop',
  timed(270_000, () =>
    withAlertmanager((alertmanager, webhook) => {
      const flags = [`--alertmanager.url=${alertmanager.url}`];
      return play({ conf: 'alerting', flags }, async (supervisord) => {
        const target = `127.0.0.1:${supervisord.port}`;
        const alertmanagers = [alertmanager.address];
        await withShippedPrometheus({ target, alertmanagers }, (prometheus) =>
          playBoth(supervisord, prometheus, alertmanager, webhook),
        );
      });
    }),
  ),
);

async function playBoth(
  supervisord: Supervisord,
  prometheus: Prometheus,
  alertmanager: Alertmanager,
  webhook: Webhook,
): Promise<void> {
  await running(prometheus, 'killed', 'stopped');
  await supervisord.ctl('stop', 'stopped');
  await supervisord.ctl('start', 'failing');
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', 'killed');
  const diedAt = performance.now();
  process.kill(pid, 'SIGKILL');

  await eventually(15_000, () => carriedByBoth(supervisord, alertmanager));
  for (const labels of [DEATH, FATAL]) {
    assert.is((await alertmanager.alerts(labels)).length, 1, labels.alertname);
    assert.equal(historyOf(webhook, labels), ['firing']);
  }

  await eventually(150_000, async () => assert.equal(await alertmanager.alerts(DEATH), []));
  const lasted = performance.now() - diedAt;
  assert.ok(lasted > 119_000, `it was over after ${lasted} ms`);

  await sleep(diedAt + PUSH_RESOLVES_MS + MARGIN_MS - performance.now());
  assert.equal(historyOf(webhook, DEATH), ['firing'], 'its end is not notified');
  assert.equal(historyOf(webhook, FATAL), ['firing']);
  assert.equal(await alertmanager.alerts(DEATH), []);
  assert.is((await alertmanager.alerts(FATAL)).length, 1);

  // SupervisorProcessDown would have come after a minute.
  assert.equal(historyOf(webhook, { name: 'stopped' }), []);
  const allOfFailing = new Set(
    webhook.notified({ name: 'failing' }).map(({ labels }) => labels['alertname']),
  );
  assert.equal([...allOfFailing], [FATAL.alertname]);
}

async function running(prometheus: Prometheus, ...names: readonly string[]): Promise<void> {
  await eventually(60_000, async () => {
    const series = await prometheus.query('supervisord_state == 20');
    const found = series.map(({ metric }) => metric['name'] ?? '');
    assert.ok(
      names.every((name) => found.includes(name)),
      found.join(),
    );
  });
}

/** Throws unless both have sent both alerts: the push, and then Prometheus, which adds a link to itself. */
async function carriedByBoth(supervisord: Supervisord, alertmanager: Alertmanager): Promise<void> {
  const metrics = await supervisord.metrics();
  assert.ok(metrics.sum('supervisord_exporter_alerts_sent_total') >= 2);
  for (const labels of [DEATH, FATAL]) {
    const [alert] = await alertmanager.alerts(labels);
    assert.match(alert?.generatorURL ?? '', '/graph?', `${labels.alertname} by the rule`);
  }
}

function historyOf(webhook: Webhook, labels: Readonly<Record<string, string>>): readonly string[] {
  return webhook.notified(labels).map(({ status }) => status);
}

both.run();
