/** What a person is notified of, by a real Prometheus and Alertmanager with the shipped files. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Webhook, withAlertmanager } from '../support/alertmanager.ts';
import { eventually, timed } from '../support/deadline.ts';
import { withShippedPrometheus } from '../support/prometheus.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const notifications = suite('notifications');

const WORKERS = ['0', '1', '2', '3', '4', '5', '6', '7'];

for (const route of ['rules', 'rules and push'] as const) {
  notifications(
    `each alert is notified once with its reason and resolved once, by ${route}`,
    timed(360_000, () =>
      withAlertmanager((alertmanager, webhook) => {
        const flags = route === 'rules' ? [] : [`--alertmanager.url=${alertmanager.url}`];
        return play({ conf: 'notifications', flags }, async (supervisord) => {
          await supervisord.until(20_000, (metrics) => {
            assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 9);
          });
          const shipped = {
            target: `127.0.0.1:${supervisord.port}`,
            alertmanagers: [alertmanager.address],
            // The push has the intervals of the shipped rules.
            adaptRules: route === 'rules' ? shorten : (text: string) => text,
          };
          await withShippedPrometheus(shipped, async () => {
            await massExit(supervisord, webhook);
            await failAndRepair(supervisord, webhook);
          });
        });
      }),
    ),
  );
}

/** keep_firing_for in seconds instead of minutes, with the same order: an evaluation takes five. */
function shorten(rules: string): string {
  return rules
    .replaceAll('keep_firing_for: 2m', 'keep_firing_for: 5s')
    .replaceAll('keep_firing_for: 3m', 'keep_firing_for: 15s')
    .replaceAll('[3m]', '[30s]');
}

async function massExit(supervisord: Supervisord, webhook: Webhook): Promise<void> {
  const pids = await Promise.all(
    WORKERS.map(async (name) => {
      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        `worker:${name}`,
      );
      return pid;
    }),
  );
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await eventually(20_000, () =>
    assert.is(webhook.notified({ alertname: 'SupervisorManyExits' }).length, 1),
  );
  // One scrape and evaluation later the rules have seen all of it as well.
  await supervisord.until(20_000, (metrics) => {
    for (const name of WORKERS) {
      assert.is(metrics.value('supervisord_process_unexpected_exits_total', { name }), 1);
    }
  });
  await eventually(10_000, async () => {
    const [many] = webhook.notified({ alertname: 'SupervisorManyExits' });
    assert.match(many?.annotations['description'] ?? '', /worker:\d, killed by SIGKILL; /);
  });
}

async function failAndRepair(supervisord: Supervisord, webhook: Webhook): Promise<void> {
  await supervisord.ctl('start', 'failing');
  const fatal = { alertname: 'SupervisorProcessFatal', name: 'failing' };
  const backoff = { alertname: 'SupervisorProcessBackoff', name: 'failing' };
  await eventually(60_000, () => assert.is(webhook.notified(fatal).length, 1));
  assert.is(webhook.notified(backoff).length, 1, 'it failed to start for some seconds');
  writeFileSync(join(supervisord.dir, 'repaired'), '');
  await supervisord.ctl('start', 'failing');
  const statuses = (labels: Readonly<Record<string, string>>) =>
    webhook.notified(labels).map(({ status }) => status);
  await eventually(240_000, () => {
    assert.equal(statuses(fatal), ['firing', 'resolved']);
    assert.equal(statuses(backoff), ['firing', 'resolved']);
  });
  const singles = webhook.notified({ alertname: 'SupervisorProcessUnexpectedExit' });
  assert.ok(singles.length <= 3, `${singles.length} notifications of single exits`);
  for (const { annotations } of singles) {
    assert.match(annotations['description'] ?? '', ', killed by SIGKILL.');
  }
  for (const { annotations } of webhook.notified(fatal)) {
    assert.match(annotations['description'] ?? '', /Exited too quickly.*, exit code 78\./);
  }
  const names = new Set(webhook.notified().map(({ labels }) => labels['alertname']));
  names.delete('SupervisorProcessUnexpectedExit');
  assert.equal([...names].sort(), [
    'SupervisorManyExits',
    'SupervisorProcessBackoff',
    'SupervisorProcessFatal',
  ]);
}

notifications.run();
