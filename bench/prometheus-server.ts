/** Real Prometheis: with the shipped configuration and rules, and with what else is to be compared. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../test/support/deadline.ts';
import { freePort } from '../test/support/ports.ts';
import { Prometheus, shippedWith } from '../test/support/prometheus.ts';
import { temporaryFolder } from './clean-up.ts';
import { startServer } from './server.ts';

const SCRAPED_DEADLINE_MS = 30_000;

export interface Addresses {
  /** `HOST:PORT` of what it scrapes. */
  readonly target: string;
  /** `HOST:PORT`. */
  readonly alertmanager: string;
}

/** A configuration by the names of its files; prometheus.yml is the one that names the others. */
export type Configuration = Readonly<Record<string, string>>;

/**
 * The shipped configuration with these addresses, that many seconds in place of the 1 s between
 * scrapes and between evaluations, and a label `path` on all alerts, by which they can be told from
 * those of others. When within these seconds it scrapes and evaluates hangs on the label as well.
 */
export function shipped(addresses: Addresses, seconds: number, path: string): Configuration {
  return {
    'prometheus.yml': shippedWith('prometheus.yml', {
      'evaluation_interval: 15s': `evaluation_interval: 15s\n  external_labels: { path: ${path} }`,
      'scrape_interval: 1s': `scrape_interval: ${seconds}s`,
      'localhost:9876': addresses.target,
      'localhost:9093': addresses.alertmanager,
    }),
    'alerts.yml': shippedWith('alerts.yml', { 'interval: 1s': `interval: ${seconds}s` }),
    'recording.yml': shippedWith('recording.yml', {}),
  };
}

/** Resolves once its first scrape is in. */
export async function startPrometheus(configuration: Configuration): Promise<Prometheus> {
  const dir = temporaryFolder();
  for (const [name, text] of Object.entries(configuration)) writeFileSync(join(dir, name), text);
  const port = await freePort();
  const command = [
    'prometheus',
    `--config.file=${join(dir, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(dir, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  await startServer(command, `http://127.0.0.1:${port}/-/ready`);
  const prometheus = new Prometheus(port);
  await eventually(SCRAPED_DEADLINE_MS, async () => {
    const healths = (await prometheus.targets()).map(({ health }) => health).join();
    const sendsTo = (await prometheus.alertmanagers()).length;
    if (healths !== 'up' || sendsTo !== 1) throw new Error(`targets: ${healths}`);
  });
  return prometheus;
}
