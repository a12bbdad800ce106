/** One history for a real Prometheus and Alertmanager, and what a person is notified of then. */

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Webhook, withAlertmanager } from './alertmanager.ts';
import { eventually } from './deadline.ts';
import { freePort } from './ports.ts';
import { type Prometheus, withShippedPrometheus } from './prometheus.ts';
import { play, type Supervisord } from './supervisord.ts';

const WORKERS = ['0', '1', '2', '3', '4', '5', '6'];
/** Exits within two minutes that raise SupervisorManyExits. */
const FEWEST_OF_MANY = 4;
const FATAL = { alertname: 'SupervisorProcessFatal', name: 'failing' };
const BACKOFF = { alertname: 'SupervisorProcessBackoff', name: 'failing' };
const MANY_EXITS = { alertname: 'SupervisorManyExits' };
const RPC_DOWN = { alertname: 'SupervisorRpcDown', severity: 'critical' };
const HUNG = { alertname: 'SupervisorHung' };
const EXPORTER_DOWN = { alertname: 'SupervisorExporterDown' };

export interface NotificationsOptions {
  /** Whether the exporter pushes as well. */
  readonly pushes: boolean;
  readonly adaptRules: (text: string) => string;
  /** Whether the monitoring itself is disturbed as well: its password, supervisord, `stop all`. */
  readonly isDisturbed: boolean;
  /** How long all alerts may take to be resolved. */
  readonly resolvedWithinMs: number;
}

/**
 * A process fails to start, is FATAL and is repaired; the log is rotated; four are killed together,
 * and three more once SupervisorManyExits is notified. Then the exporter is restarted with a wrong
 * password, supervisord is frozen and everything is stopped. Each alert must be notified once with
 * its reason, and resolved once.
 */
export function playNotifications({
  pushes,
  adaptRules,
  isDisturbed,
  resolvedWithinMs,
}: NotificationsOptions): Promise<void> {
  return withAlertmanager(async (alertmanager, webhook) => {
    const rpcPort = await freePort();
    const story = {
      conf: 'notifications',
      flags: [
        `--supervisor.url=http://127.0.0.1:${rpcPort}`,
        ...(pushes ? [`--alertmanager.url=${alertmanager.url}`] : []),
      ],
      section: { environment: credentials('right') },
      files: { 'http.conf': httpServer(rpcPort) },
    };
    return play(story, async (supervisord) => {
      await supervisord.until(20_000, (metrics) => {
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 8);
      });
      const target = `127.0.0.1:${supervisord.port}`;
      const shipped = { target, alertmanagers: [alertmanager.address], adaptRules };
      await withShippedPrometheus(shipped, async (prometheus) => {
        await supervisord.ctl('start', 'failing');
        await eventually(60_000, () => assert.is(webhook.notified(FATAL).length, 1));
        assert.is(webhook.notified(BACKOFF).length, 1, 'it failed to start for some seconds');
        writeFileSync(join(supervisord.dir, 'repaired'), '');
        await supervisord.ctl('start', 'failing');
        rotateLog(supervisord);
        await killWorkers(supervisord, webhook, prometheus);
        const further = isDisturbed ? [RPC_DOWN, HUNG, EXPORTER_DOWN, MANY_EXITS] : [];
        if (isDisturbed) {
          await restartWithWrongPassword(supervisord, webhook);
          await freeze(supervisord, webhook);
          await stopAll(supervisord, webhook);
        }
        await eventually(resolvedWithinMs, () => {
          for (const labels of [FATAL, BACKOFF, ...further]) {
            assert.equal(statuses(webhook, labels), ['firing', 'resolved'], labels.alertname);
          }
        });
        assertNotified(webhook, isDisturbed);
      });
    });
  });
}

function credentials(password: string): string {
  return `SUPERVISOR_USERNAME="exporter",SUPERVISOR_PASSWORD="${password}"`;
}

/** The test itself uses the socket, which demands no password. */
function httpServer(port: number): string {
  return `[inet_http_server]\nport=127.0.0.1:${port}\nusername=exporter\npassword=right\n`;
}

/** Rotates the log as logrotate does. */
function rotateLog({ dir, pid }: Supervisord): void {
  renameSync(join(dir, 'supervisord.log'), join(dir, 'supervisord.log.1'));
  process.kill(pid, 'SIGUSR2');
}

async function restartWithWrongPassword(supervisord: Supervisord, webhook: Webhook): Promise<void> {
  const restartWith = async (password: string) => {
    supervisord.changeSection({ environment: credentials(password) });
    await supervisord.ctl('update');
  };
  await restartWith('wrong');
  await eventually(60_000, () => assert.equal(statuses(webhook, RPC_DOWN), ['firing']));
  await restartWith('right');
  await eventually(60_000, () => assert.equal(statuses(webhook, RPC_DOWN), ['firing', 'resolved']));
}

async function freeze({ pid }: Supervisord, webhook: Webhook): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await eventually(60_000, () => assert.equal(statuses(webhook, HUNG), ['firing']));
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await eventually(30_000, () => assert.equal(statuses(webhook, HUNG), ['firing', 'resolved']));
}

async function stopAll(supervisord: Supervisord, webhook: Webhook): Promise<void> {
  await supervisord.ctl('stop', 'all');
  await eventually(60_000, () => assert.equal(statuses(webhook, EXPORTER_DOWN), ['firing']));
  await supervisord.ctl('start', 'all');
}

async function killWorkers(
  supervisord: Supervisord,
  webhook: Webhook,
  prometheus: Prometheus,
): Promise<void> {
  const pids = await Promise.all(
    WORKERS.map(async (name) => {
      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        `worker:${name}`,
      );
      return pid;
    }),
  );
  for (const pid of pids.slice(0, FEWEST_OF_MANY)) process.kill(pid, 'SIGKILL');
  await eventually(20_000, () => assert.is(webhook.notified(MANY_EXITS).length, 1));
  // The next are killed an evaluation later: when SupervisorManyExits ends, they still count as recent.
  await eventually(20_000, async () => {
    const [evaluations] = await prometheus.query(
      'count_over_time(ALERTS{alertname="SupervisorManyExits", alertstate="firing"}[1m])',
    );
    assert.ok(Number(evaluations?.value[1]) >= 2);
  });
  for (const pid of pids.slice(FEWEST_OF_MANY)) process.kill(pid, 'SIGKILL');
  await supervisord.until(20_000, (metrics) => {
    for (const name of WORKERS) {
      assert.is(metrics.value('supervisord_process_unexpected_exits_total', { name }), 1);
    }
  });
  await eventually(10_000, async () => {
    const [many] = webhook.notified(MANY_EXITS);
    assert.match(many?.annotations['description'] ?? '', /worker:\d, killed by SIGKILL; /);
  });
}

function assertNotified(webhook: Webhook, isDisturbed: boolean): void {
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
    ...(isDisturbed ? ['SupervisorExporterDown', 'SupervisorHung'] : []),
    'SupervisorManyExits',
    'SupervisorProcessBackoff',
    'SupervisorProcessFatal',
    ...(isDisturbed ? ['SupervisorRpcDown'] : []),
  ]);
}

function statuses(webhook: Webhook, labels: Readonly<Record<string, string>>): readonly string[] {
  return webhook.notified(labels).map(({ status }) => status);
}
