/** The peer: node_exporter with only its supervisord collector. */

import { spawn } from 'node:child_process';
import { atEnd, kill } from './clean-up.ts';

/** Returns its pid. */
export function startNodeExporter(port: number, rpcPort: number): number {
  const child = spawn(
    'prometheus-node-exporter',
    [
      '--collector.disable-defaults',
      '--collector.supervisord',
      `--collector.supervisord.url=http://127.0.0.1:${rpcPort}/RPC2`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('prometheus-node-exporter cannot be started');
  atEnd(() => {
    if (child.exitCode === null && child.signalCode === null) kill(pid);
  });
  return pid;
}
