/** A real Alertmanager that passes each alert on at once. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/support/ports.ts';
import { temporaryFolder } from './clean-up.ts';
import { startServer } from './server.ts';

/** Resolves to its `HOST:PORT`. */
export async function startAlertmanager(webhookPort: number): Promise<string> {
  const dir = temporaryFolder();
  const file = join(dir, 'alertmanager.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration(webhookPort)));
  const address = `127.0.0.1:${await freePort()}`;
  const command = [
    'prometheus-alertmanager',
    `--config.file=${file}`,
    `--storage.path=${join(dir, 'data')}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ];
  await startServer(command, `http://${address}/-/ready`);
  return address;
}

/** Each alert is a group of its own and waits for no other, and is told of once. */
function configuration(webhookPort: number): object {
  const url = `http://127.0.0.1:${webhookPort}/`;
  return {
    route: { receiver: 'bench', group_by: ['...'], group_wait: '0s', repeat_interval: '4h' },
    receivers: [{ name: 'bench', webhook_configs: [{ url, send_resolved: false }] }],
  };
}
