/** A real supervisord with the exporter as its event listener. */

import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVENTS_A_PROCESS } from '../src/doctor/check-section.ts';
import { eventually } from '../test/support/deadline.ts';
import { PROGRAM } from '../test/support/exporter.ts';
import { atEnd, kill } from './clean-up.ts';
import { childrenOf } from './proc.ts';
import { progress } from './progress.ts';
import type { MetricsReader } from './scraper.ts';

export interface Supervisord {
  readonly pid: number;
  /** Why supervisord has ended; undefined while it runs. */
  failure(): string | undefined;
  /** Kills it with all processes. Called at the end of the bench otherwise. */
  stop(): void;
}

export interface Ports {
  /** supervisord's own HTTP server. */
  readonly rpc: number;
  readonly exporter: number;
}

export interface Setup {
  /** Folder of the configuration, supervisord's log and the exporter's log. */
  readonly dir: string;
  /** The exporter's file; undefined for no exporter. */
  readonly exporter: string | undefined;
  /** Flags of the exporter besides the listen address. */
  readonly flags?: readonly string[];
  readonly ports: Ports;
  /** How many processes `sections` defines. */
  readonly processes: number;
  /** The [program:x] sections. */
  readonly sections: string;
}

/** Copies the build, so that another build meanwhile does not change what is measured. */
export function copyOfExporter(dir: string): string {
  const copy = join(dir, 'supervisor-exporter.cjs');
  copyFileSync(PROGRAM, copy);
  return copy;
}

export function logFileIn(dir: string): string {
  return join(dir, 'supervisord.log');
}

export function exporterLogIn(dir: string): string {
  return join(dir, 'exporter.log');
}

/** For a bench that fails. */
export function printEndOfLog(file: string): void {
  if (!existsSync(file)) return;
  console.error(`the end of the exporter's log:\n${readFileSync(file, 'utf8').slice(-2_000)}`);
}

export function startSupervisord(setup: Setup): Supervisord {
  const conf = join(setup.dir, 'supervisord.conf');
  writeFileSync(conf, configuration(setup));
  const child = spawn('supervisord', ['-c', conf], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('supervisord cannot be started');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-2_000);
    });
  }
  const stop = () => {
    if (!hasEnded(child)) killWithChildren(pid);
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

/**
 * Kills a process whose children lead process groups, and those. It is stopped first, so that it
 * starts no process while its children are listed.
 */
export function killWithChildren(pid: number): void {
  kill(pid, 'SIGSTOP');
  const children = childrenOf(pid);
  kill(pid);
  for (const child of children) kill(-child);
}

/** supervisord holds one end of stdin, stdout and stderr. It does not start if it may have fewer. */
const PIPES_OF_A_PROCESS = 3;
const OTHER_DESCRIPTORS = 1024;

function configuration(setup: Setup): string {
  const { dir, ports, processes, sections } = setup;
  return `
[supervisord]
nodaemon=true
logfile=${logFileIn(dir)}
logfile_maxbytes=0
pidfile=${dir}/supervisord.pid
childlogdir=${dir}
minfds=${OTHER_DESCRIPTORS + PIPES_OF_A_PROCESS * processes}

[inet_http_server]
port=127.0.0.1:${ports.rpc}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

${exporterSection(setup)}
${sections}`;
}

/** The shipped section with the given build of the exporter. */
function exporterSection({ dir, exporter, flags = [], ports, processes }: Setup): string {
  if (exporter === undefined) return '';
  const shipped = new URL('../supervisor/exporter.conf', import.meta.url);
  const address = `--web.listen-address=127.0.0.1:${ports.exporter}`;
  const command = [process.execPath, exporter, address, ...flags].join(' ');
  return readFileSync(shipped, 'utf8')
    .replace(/^buffer_size=(\d+)$/m, (_, size) => {
      return `buffer_size=${Math.max(Number(size), EVENTS_A_PROCESS * processes)}`;
    })
    .replace(/^command=.*$/m, `command=${command}`)
    .replace(/^stderr_logfile=.*$/m, `stderr_logfile=${exporterLogIn(dir)}`);
}

/** The Python interpreter of the system, as supervisord uses it. */
export const PYTHON = ['/usr/bin/python3'].find(existsSync) ?? 'python3';

/** Ends by itself after an hour, in case a bench is killed and leaves it running. */
export const SLEEPER = 'sleep 1h';

/** Sections of sleeping processes, distributed evenly among the groups. */
export function sleeperSections(processes: number, groups: number, command = SLEEPER): string {
  const upTo = (group: number) => Math.floor((processes * group) / groups);
  return Array.from({ length: groups }, (_, group) =>
    groupSection(upTo(group + 1) - upTo(group), group, command),
  ).join('\n');
}

function groupSection(size: number, group: number, command: string): string {
  return `[program:group-${group}]
command=${command}
process_name=program-%(process_num)d
numprocs=${size}
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
`;
}

/** The pid of each process by supervisord's log. An XML-RPC call would wake supervisord. */
export function pidsIn(log: string): ReadonlyMap<string, number> {
  const spawned = readFileSync(log, 'utf8').matchAll(/ spawned: '(\S+)' with pid (\d+)$/gm);
  // The last line of a name wins.
  return new Map(Array.from(spawned, ([, name = '', pid]) => [name, Number(pid)]));
}

export function pidOf(name: string, log: string): number {
  const pid = pidsIn(log).get(name);
  if (pid === undefined) throw new Error(`${name} has never been started`);
  return pid;
}

const START_DEADLINE_MS = 600_000;
const START_CHECK_EVERY_MS = 500;
/** Matches one line per started process of sleeperSections. */
const STARTED_SERIES =
  /^supervisord_process_transitions_total\{name="program-.*from="STARTING",to="RUNNING"\} 1$/gm;

/** Waits until the exporter has received all start events; until then supervisord is busy. */
export async function allStarted(
  supervisord: Supervisord,
  metrics: MetricsReader,
  processes: number,
): Promise<void> {
  let failure: string | undefined;
  await eventually(
    START_DEADLINE_MS,
    async () => {
      failure = supervisord.failure();
      if (failure !== undefined) return;
      const started = (await metrics.read()).count(STARTED_SERIES);
      progress(`${started} of ${processes} processes have started`);
      if (started !== processes) {
        throw new Error(`${started} of ${processes} processes have started`);
      }
    },
    START_CHECK_EVERY_MS,
  );
  if (failure !== undefined) throw new Error(failure);
}
