/** The program: the only file that touches `process`. */

import fs from 'node:fs';
import { hostname } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { type Config, type DoctorRequest, parseCommandLine, UsageError } from './config.ts';
import { type End, Exporter } from './exporter.ts';
import { BY_HAND, helpText } from './help.ts';
import { createLogger } from './log.ts';
import type { Remains } from './nudge.ts';
import { REVISION, VERSION } from './version.ts';
import { WebConfigError } from './web/security/error.ts';
import { ListenError } from './web/server.ts';

const EXIT_STATUS = { over: 0, failed: 1, refused: 2 } as const satisfies Record<End, number>;

const STDOUT = 1;
const STDERR = 2;

const BUILD = { version: VERSION, revision: REVISION, nodeVersion: process.version };

/**
 * Of V8, for a program that is small, steady and always there: garbage is collected while
 * there is little of it, and the space for what is young stays at its first 1 MB. Left to
 * itself V8 lets a few MB of live data grow to 40, in the hope to save time.
 */
const SMALL_HEAP = ['--optimize-for-size', '--semi-space-growth-factor=1'];

main();

function main(): void {
  try {
    const invocation = parseCommandLine(process.argv.slice(2), process.env);
    switch (invocation.kind) {
      case 'help':
        process.stdout.write(helpText());
        break;
      case 'version':
        process.stdout.write(
          `supervisor-exporter, version ${BUILD.version} (revision: ${BUILD.revision}, node: ${BUILD.nodeVersion})\n`,
        );
        break;
      case 'print-config':
        void printSection(invocation.flags);
        break;
      case 'doctor':
        void examineSupervisord(invocation.request);
        break;
      case 'run':
        if (process.stdin.isTTY) fail(EXIT_STATUS.refused, BY_HAND);
        void run(invocation.config);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(EXIT_STATUS.refused, `supervisor-exporter: ${error.message} (try --help)\n`);
  }
}

/** Loaded only when asked for, as doctor is: the exporter starts without either. */
async function printSection(flags: readonly string[]): Promise<void> {
  const { CommandError, printConfig } = await import('./print-config.ts');
  try {
    process.stdout.write(printConfig([process.execPath, ownFile(), ...flags]));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    fail(EXIT_STATUS.refused, `supervisor-exporter: ${error.message}\n`);
  }
}

async function examineSupervisord(request: DoctorRequest): Promise<void> {
  const { diagnose } = await import('./doctor/doctor.ts');
  const host = {
    nodeVersion: process.version,
    program: ownFile(),
    cwd: process.cwd(),
    hostname: hostname(),
    environment: process.env,
  };
  const { text, exitStatus } = await diagnose(request, host, process.stdout.isTTY);
  process.stdout.write(text);
  process.exitCode = exitStatus;
}

/** npm calls it by a link. */
function ownFile(): string {
  return fs.realpathSync(process.argv[1] ?? '');
}

async function run(config: Config): Promise<void> {
  for (const flag of SMALL_HEAP) setFlagsFromString(flag);
  const send = reserveStdout();
  const log = createLogger(config.logLevel, config.logFormat, (line) => process.stderr.write(line));
  process.on('uncaughtException', (error) => {
    log.error('internal error', { reason: error.stack ?? error.message });
    process.exit(EXIT_STATUS.failed);
  });

  const exporter = new Exporter(config, {
    input: process.stdin,
    send,
    log,
    lookAt,
    build: BUILD,
    hostname: hostname(),
    onEnd: end,
  });
  // A closed stdout is supervisord gone; a closed stderr is only the end of the log.
  process.stdout.on('error', () => end('over'));
  process.stderr.on('error', () => {});
  process.on('SIGTERM', () => end('over'));
  process.on('SIGINT', () => end('over'));
  try {
    await exporter.start();
  } catch (error) {
    if (error instanceof WebConfigError) end('refused', error.message);
    if (error instanceof ListenError) end('failed', error.message);
    throw error;
  }

  function end(how: End, reason?: string): void {
    exporter.stop();
    if (reason !== undefined) log.error(reason);
    process.exit(EXIT_STATUS[how]);
  }
}

/**
 * Keeps stdout for the protocol: one foreign byte there and supervisord never sends
 * another event. Whatever else writes to it, by `console`, the stream or the file
 * descriptor, ends up on stderr.
 */
function reserveStdout(): (text: string) => void {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  for (const name of ['write', 'writeSync', 'writev', 'writevSync'] as const) {
    const original = fs[name];
    Object.assign(fs, {
      [name]: (fd: number, ...rest: unknown[]): unknown =>
        Reflect.apply(original, fs, [fd === STDOUT ? STDERR : fd, ...rest]),
    });
  }
  return (text) => void write(text);
}

/** A process of another user can't be signalled, and is there. */
function lookAt(pid: number, closely: boolean): Remains {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'gone';
  }
  return closely && isZombie(pid) ? 'zombie' : 'alive';
}

/** By /proc/PID/stat, `PID (NAME) STATE …`, where there is one; a name may hold parentheses. */
function isZombie(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'Z';
  } catch {
    return false;
  }
}

function fail(status: number, message: string): never {
  process.stderr.write(message);
  process.exit(status);
}
