/** A real supervisord with the exporter as its event listener. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, kill } from './clean-up.ts';
import { childrenOf } from './proc.ts';

export interface Supervisord {
  readonly pid: number;
  /** Why it can't go on; undefined while it can. */
  failure(): string | undefined;
  /** At once, with its programs. What is not stopped is at the end. */
  stop(): void;
}

export interface Ports {
  /** supervisord's own HTTP server. */
  readonly rpc: number;
  readonly exporter: number;
}

export interface Setup {
  /** Where its configuration, its log and the exporter's are. */
  readonly dir: string;
  /** The exporter's file; undefined: supervisord runs none. */
  readonly exporter: string | undefined;
  /** Of the exporter, besides the address. */
  readonly flags?: readonly string[];
  readonly ports: Ports;
  /** How many programs the sections below have. */
  readonly programs: number;
  /** What else its configuration holds. */
  readonly sections: string;
}

export function logFileIn(dir: string): string {
  return join(dir, 'supervisord.log');
}

export function exporterLogIn(dir: string): string {
  return join(dir, 'exporter.log');
}

export function startSupervisord(setup: Setup): Supervisord {
  const conf = join(setup.dir, 'supervisord.conf');
  writeFileSync(conf, configuration(setup));
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
  const stop = () => {
    if (!hasEnded(child)) killWithPrograms(pid);
  };
  atEnd(stop);
  return {
    pid,
    failure: () => (hasEnded(child) ? `supervisord has ended: ${output}` : undefined),
    stop,
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Stopped first, so that it starts nothing while its programs are looked for. */
function killWithPrograms(pid: number): void {
  kill(pid, 'SIGSTOP');
  const programs = childrenOf(pid);
  kill(pid);
  // supervisord has made each the leader of a process group.
  for (const program of programs) kill(-program);
}

function configuration(setup: Setup): string {
  const { dir, ports, programs, sections } = setup;
  return `
[supervisord]
nodaemon=true
logfile=${logFileIn(dir)}
logfile_maxbytes=0
pidfile=${dir}/supervisord.pid
childlogdir=${dir}
minfds=${1024 + 5 * programs}

[inet_http_server]
port=127.0.0.1:${ports.rpc}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

${exporterSection(setup)}
${sections}`;
}

/** The shipped section with the program that was built. */
function exporterSection({ dir, exporter, flags = [], ports }: Setup): string {
  if (exporter === undefined) return '';
  const shipped = new URL('../supervisor/exporter.conf', import.meta.url);
  const address = `--web.listen-address=127.0.0.1:${ports.exporter}`;
  const command = [process.execPath, exporter, address, ...flags].join(' ');
  return readFileSync(shipped, 'utf8')
    .replace(/^command=.*$/m, `command=${command}`)
    .replace(/^stderr_logfile=.*$/m, `stderr_logfile=${exporterLogIn(dir)}`);
}
