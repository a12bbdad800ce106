/** The peer: process-exporter, as frugal as it can be told to be. */

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, kill, temporaryFolder } from './clean-up.ts';

/** Each process whose command line matches is a group of its own, with its descendants. Returns its pid. */
export function startProcessExporter(port: number, commandLine: string): number {
  const config = join(temporaryFolder(), 'process-exporter.yml');
  writeFileSync(config, `process_names: [{ name: "{{.PID}}", cmdline: ['${commandLine}'] }]\n`);
  const child = spawn(
    'prometheus-process-exporter',
    [
      `-config.path=${config}`,
      '-threads=false',
      '-gather-smaps=false',
      `-web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error('prometheus-process-exporter can not be started');
  atEnd(() => {
    if (child.exitCode === null && child.signalCode === null) kill(pid);
  });
  return pid;
}
