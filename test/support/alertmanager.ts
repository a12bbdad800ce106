/** Real Alertmanagers on ports and in folders of their own, and the webhook that they notify. */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually, timeoutSignal } from './deadline.ts';
import type { Labels } from './exposition.ts';
import { freePort } from './ports.ts';
import { shippedWith, withFolder, withServer } from './prometheus.ts';

export type Status = 'firing' | 'resolved';

/** An alert as it is in a notification. */
export interface NotifiedAlert {
  readonly status: Status;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: string;
  readonly endsAt: string;
}

export interface Notification {
  /** When it came, in epoch milliseconds. */
  readonly at: number;
  readonly alerts: readonly NotifiedAlert[];
}

/** A webhook receiver that keeps what it receives. */
export class Webhook {
  readonly notifications: Notification[] = [];
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The alerts received whose labels include these, in the order they came. */
  notified(labels: Labels = {}): readonly (NotifiedAlert & { readonly at: number })[] {
    return this.notifications.flatMap(({ at, alerts }) =>
      alerts.filter((alert) => includes(alert.labels, labels)).map((alert) => ({ ...alert, at })),
    );
  }
}

/** An alert as Alertmanager holds it. */
export interface HeldAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: string;
  readonly endsAt: string;
  /** Where the rule can be seen; only Prometheus gives one, and the last to send decides. */
  readonly generatorURL?: string;
}

export class Alertmanager {
  readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  /** `HOST:PORT` */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** What is firing now, with labels that include these. */
  async alerts(labels: Labels = {}): Promise<readonly HeldAlert[]> {
    const alerts = await this.#get<HeldAlert[]>('alerts');
    return alerts.filter((alert) => includes(alert.labels, labels));
  }

  /** Raises alerts with these labels, with `generatorURL` as Prometheus does. */
  async post(labels: readonly Labels[], generatorURL?: string): Promise<void> {
    const response = await fetch(`${this.url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(labels.map((of) => ({ labels: of, generatorURL }))),
      signal: timeoutSignal(5_000),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
  }

  /** Resolves once it is in a cluster of so many and ready to notify. */
  async joins(members: number): Promise<void> {
    type ClusterStatus = { cluster: { status: string; peers?: unknown[] } };
    await eventually(30_000, async () => {
      const { cluster } = await this.#get<ClusterStatus>('status');
      const found = cluster.peers?.length ?? 0;
      if (cluster.status !== 'ready' || found !== members) {
        throw new Error(`${this.url}: ${cluster.status}, with ${found} members of ${members}`);
      }
    });
  }

  async #get<Data>(path: string): Promise<Data> {
    const response = await fetch(`${this.url}/api/v2/${path}`, {
      signal: timeoutSignal(5_000),
    });
    if (!response.ok) throw new Error(`${path}: status ${response.status}`);
    return (await response.json()) as Data;
  }
}

/** The configuration that is shipped, with this webhook for its receiver. */
export function shippedConfig(webhook: string): string {
  return shippedWith('alertmanager.yml', { 'http://127.0.0.1:9095/': webhook });
}

/** Runs `body` beside one Alertmanager and the webhook that it notifies. */
export function withAlertmanager(
  body: (alertmanager: Alertmanager, webhook: Webhook) => Promise<void>,
  config: (webhook: string) => string = shippedConfig,
): Promise<void> {
  return withWebhook((webhook) =>
    runAlertmanager(config(webhook.url), ['--cluster.listen-address='], (alertmanager) =>
      body(alertmanager, webhook),
    ),
  );
}

/** How long the second of a cluster waits for word from the first, before it notifies itself. */
export const PEER_TIMEOUT_MS = 3_000;

/** Runs `body` beside two Alertmanagers in a cluster, and the webhook that both notify. */
export function withAlertmanagerCluster(
  body: (alertmanagers: readonly Alertmanager[], webhook: Webhook) => Promise<void>,
  config: (webhook: string) => string = shippedConfig,
): Promise<void> {
  return withWebhook(async (webhook) => {
    const [first, second] = [await freePort(), await freePort()];
    const text = config(webhook.url);
    await runAlertmanager(text, clusterFlags(first, second), (one) =>
      runAlertmanager(text, clusterFlags(second, first), async (other) => {
        await Promise.all([one.joins(2), other.joins(2)]);
        await body([one, other], webhook);
      }),
    );
  });
}

function clusterFlags(own: number, peer: number): readonly string[] {
  return [
    `--cluster.listen-address=127.0.0.1:${own}`,
    `--cluster.peer=127.0.0.1:${peer}`,
    `--cluster.peer-timeout=${PEER_TIMEOUT_MS}ms`,
    // Ten of these make one look at whether the cluster has settled.
    '--cluster.gossip-interval=50ms',
  ];
}

function runAlertmanager(
  config: string,
  flags: readonly string[],
  body: (alertmanager: Alertmanager) => Promise<void>,
): Promise<void> {
  return withFolder('alertmanager', async (dir) => {
    const file = join(dir, 'alertmanager.yml');
    writeFileSync(file, config);
    const alertmanager = new Alertmanager(await freePort());
    const command = [
      'prometheus-alertmanager',
      `--config.file=${file}`,
      `--storage.path=${dir}/data`,
      `--web.listen-address=${alertmanager.address}`,
      ...flags,
    ];
    await withServer(command, `${alertmanager.url}/-/ready`, () => body(alertmanager));
  });
}

async function withWebhook(body: (webhook: Webhook) => Promise<void>): Promise<void> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const webhook = new Webhook(`http://127.0.0.1:${portOf(server)}/`);
  server.on('request', async (request, response) => {
    webhook.notifications.push(await readNotification(request));
    response.end();
  });
  try {
    await body(webhook);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function readNotification(request: IncomingMessage): Promise<Notification> {
  const at = Date.now();
  const { alerts } = JSON.parse(await text(request)) as Pick<Notification, 'alerts'>;
  return { at, alerts };
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

function includes(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
