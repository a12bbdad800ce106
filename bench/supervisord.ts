/** A real supervisord with many programs, and the exporter as its event listener. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, kill, temporaryFolder } from './clean-up.ts';
import { childrenOf } from './proc.ts';
import { PROGRAM } from './program.ts';

export interface Supervisord {
  readonly pid: number;
  /** Why it can't go on; undefined while it can. */
  failure(): string | undefined;
}

export interface Setup {
  readonly programs: number;
  /** They share the programs evenly. */
  readonly groups: number;
  readonly ports: {
    /** supervisord's own HTTP server. */
    readonly rpc: number;
    readonly exporter: number;
  };
}

export function startSupervisord(setup: Setup): Supervisord {
  const dir = temporaryFolder();
  const conf = join(dir, 'supervisord.conf');
  writeFileSync(conf, configuration(dir, setup));
  const child = spawn('supervisord', ['-c', conf], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('supervisord can not be started');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-2_000);
    });
  }
  atEnd(() => {
    if (!hasEnded(child)) killWithPrograms(pid);
  });
  return { pid, failure: () => (hasEnded(child) ? `supervisord has ended: ${output}` : undefined) };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Stopped first, so that it starts nothing while its programs are looked for. */
function killWithPrograms(pid: number): void {
  kill(pid, 'SIGSTOP');
  const programs = childrenOf(pid);
  kill(pid);
  for (const program of programs) kill(program);
}

function configuration(dir: string, { programs, groups, ports }: Setup): string {
  const sizes = Array.from(
    { length: groups },
    (_, group) =>
      Math.floor((programs * (group + 1)) / groups) - Math.floor((programs * group) / groups),
  );
  return `
[supervisord]
nodaemon=true
logfile=${dir}/supervisord.log
pidfile=${dir}/supervisord.pid
childlogdir=${dir}
minfds=${1024 + 5 * programs}

[inet_http_server]
port=127.0.0.1:${ports.rpc}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

${exporterSection(dir, ports.exporter)}
${sizes.map(groupSection).join('\n')}`;
}

/** The shipped section with the program that was built. */
function exporterSection(dir: string, port: number): string {
  const shipped = new URL('../supervisor/exporter.conf', import.meta.url);
  const command = [process.execPath, PROGRAM, `--web.listen-address=127.0.0.1:${port}`].join(' ');
  return readFileSync(shipped, 'utf8')
    .replace(/^command=.*$/m, `command=${command}`)
    .replace(/^stderr_logfile=.*$/m, `stderr_logfile=${dir}/exporter.log`);
}

/** The programs end by themselves some time, should the bench be killed in a way that leaves them behind. */
function groupSection(size: number, group: number): string {
  return `[program:group-${group}]
command=sleep 1h
process_name=program-%(process_num)d
numprocs=${size}
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
`;
}
