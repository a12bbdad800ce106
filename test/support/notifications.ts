/** One history for a real Prometheus and Alertmanager, and what a person is notified of then. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Webhook, withAlertmanager } from './alertmanager.ts';
import { eventually } from './deadline.ts';
import { withShippedPrometheus } from './prometheus.ts';
import { play, type Supervisord } from './supervisord.ts';

const WORKERS = ['0', '1', '2', '3', '4', '5', '6', '7'];
const FATAL = { alertname: 'SupervisorProcessFatal', name: 'failing' };
const BACKOFF = { alertname: 'SupervisorProcessBackoff', name: 'failing' };

export interface NotificationsOptions {
  /** Whether the exporter pushes as well. */
  readonly pushes: boolean;
  readonly adaptRules: (text: string) => string;
  /** How long all alerts may take to be resolved. */
  readonly resolvedWithinMs: number;
}

/**
 * A process fails to start, is FATAL and is repaired; eight are killed together. Each alert must
 * be notified once with its reason, and resolved once.
 */
export function playNotifications({
  pushes,
  adaptRules,
  resolvedWithinMs,
}: NotificationsOptions): Promise<void> {
  return withAlertmanager((alertmanager, webhook) => {
    const flags = pushes ? [`--alertmanager.url=${alertmanager.url}`] : [];
    return play({ conf: 'notifications', flags }, async (supervisord) => {
      await supervisord.until(20_000, (metrics) => {
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 9);
      });
      const target = `127.0.0.1:${supervisord.port}`;
      const shipped = { target, alertmanagers: [alertmanager.address], adaptRules };
      await withShippedPrometheus(shipped, async () => {
        await supervisord.ctl('start', 'failing');
        await eventually(60_000, () => assert.is(webhook.notified(FATAL).length, 1));
        assert.is(webhook.notified(BACKOFF).length, 1, 'it failed to start for some seconds');
        writeFileSync(join(supervisord.dir, 'repaired'), '');
        await supervisord.ctl('start', 'failing');
        await killWorkers(supervisord, webhook);
        await eventually(resolvedWithinMs, () => {
          assert.equal(statuses(webhook, FATAL), ['firing', 'resolved']);
          assert.equal(statuses(webhook, BACKOFF), ['firing', 'resolved']);
        });
        assertNotified(webhook);
      });
    });
  });
}

async function killWorkers(supervisord: Supervisord, webhook: Webhook): Promise<void> {
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

function assertNotified(webhook: Webhook): void {
  const singles = webhook.notified({ alertname: 'SupervisorProcessUnexpectedExit' });
  assert.ok(singles.length <= 3, `${singles.length} notifications of single exits`);
  for (const { annotations } of singles) {
    assert.match(annotations['description'] ?? '', ', killed by SIGKILL.');
  }
  for (const { annotations } of webhook.notified(FATAL)) {
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

function statuses(webhook: Webhook, labels: Readonly<Record<string, string>>): readonly string[] {
  return webhook.notified(labels).map(({ status }) => status);
}
