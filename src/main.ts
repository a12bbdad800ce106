/** The program: the only file that touches `process`. */

import fs from 'node:fs';
import { hostname } from 'node:os';
import {
  type Config,
  type DoctorRequest,
  type PrintRequest,
  parseCommandLine,
  type RulesRequest,
} from './cli/flags.ts';
import { BY_HAND, helpText } from './cli/help.ts';
import { REVISION, VERSION } from './cli/version.ts';
import type { Remains } from './exits/detector.ts';
import type { Outcome } from './exporter.ts';
import { READY } from './listener/dialogue.ts';
import { reserveStdout } from './listener/stdout.ts';
import { OutputError, UnprintableCommandError, UsageError } from './util/errors.ts';
import { createLogger, type Logger } from './util/log.ts';
import { WebConfigError } from './web-config/error.ts';
import type { Security } from './web-config/security.ts';

const EXIT_STATUS = { over: 0, failed: 1, refused: 2 } as const satisfies Record<Outcome, number>;

const STDIN = 0;

const BUILD = { version: VERSION, revision: REVISION, nodeVersion: process.version };

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
      case 'completion':
        void printCompletion();
        break;
      case 'print-config':
        void printSection(invocation.request);
        break;
      case 'rules':
        void writeRules(invocation.request);
        break;
      case 'doctor':
        void checkSupervisord(invocation.request);
        break;
      case 'run':
        if (isByHand()) fail(EXIT_STATUS.refused, BY_HAND);
        void run(invocation.config);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(EXIT_STATUS.refused, `supervisor-exporter: ${error.message} (try --help)\n`);
  }
}

/** Loaded only when asked for, as the other commands are: the exporter starts without them. */
async function printSection({ flags, search }: PrintRequest): Promise<void> {
  const { printConfig } = await import('./cli/print-config.ts');
  const { chooseSectionName } = await import('./doctor/section-name.ts');
  const section = await chooseSectionName(search, host());
  try {
    const program = [process.execPath, ownFile()];
    process.stdout.write(printConfig({ program, flags, cwd: process.cwd(), section }));
  } catch (error) {
    if (!(error instanceof UnprintableCommandError)) throw error;
    fail(EXIT_STATUS.refused, `supervisor-exporter: ${error.message}\n`);
  }
}

async function printCompletion(): Promise<void> {
  const { completionScript } = await import('./cli/completion.ts');
  process.stdout.write(completionScript());
}

async function writeRules(request: RulesRequest): Promise<void> {
  const { writeRuleFiles } = await import('./cli/rules.ts');
  try {
    process.stdout.write(writeRuleFiles(request));
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    fail(EXIT_STATUS.failed, `supervisor-exporter: ${error.message}\n`);
  }
}

async function checkSupervisord(request: DoctorRequest): Promise<void> {
  const { diagnose } = await import('./doctor/doctor.ts');
  const { text, exitStatus } = await diagnose(request, host(), process.stdout.isTTY);
  process.stdout.write(text);
  process.exitCode = exitStatus;
}

function host() {
  return {
    nodeVersion: process.version,
    program: ownFile(),
    cwd: process.cwd(),
    uid: process.geteuid?.(),
    environment: process.env,
  };
}

/** npm calls it by a link. */
function ownFile(): string {
  return fs.realpathSync(process.argv[1] ?? '');
}

/**
 * READY comes as soon as it is known what is wanted: the first event may come while the rest
 * is loaded, and waits in the pipe.
 */
async function run(config: Config): Promise<void> {
  const send = reserveStdout(process, () => end('over'));
  const log = createLogger(config.logLevel, config.logFormat, (line) => process.stderr.write(line));
  process.on('uncaughtException', (error) => {
    log.error('internal error', { reason: error.stack ?? error.message });
    process.exit(EXIT_STATUS.failed);
  });
  // A closed stderr is only the end of the log.
  process.stderr.on('error', () => {});
  let stop = () => {};
  process.on('SIGTERM', () => end('over'));
  process.on('SIGINT', () => end('over'));
  const security = await openSecurity(config.webConfigFile, log).catch((error: unknown) => {
    if (!(error instanceof WebConfigError)) throw error;
    return end('refused', error.message);
  });
  send(READY);

  const { keepHeapSmall } = await import('./util/heap.ts');
  keepHeapSmall();
  const { Exporter } = await import('./exporter.ts');
  const { openInput } = await import('./listener/input.ts');
  const exporter = new Exporter(config, {
    input: openInput(STDIN),
    send,
    log,
    lookAt,
    build: BUILD,
    hostname: hostname(),
    security,
    onEnd: end,
  });
  stop = () => exporter.stop();
  await exporter.start();

  function end(how: Outcome, reason?: string): never {
    stop();
    if (reason !== undefined) log.error(reason);
    process.exit(EXIT_STATUS[how]);
  }
}

/** What is no device can't be a terminal, and `process.stdin` takes milliseconds to load. */
function isByHand(): boolean {
  return fs.fstatSync(STDIN).isCharacterDevice() && process.stdin.isTTY;
}

/** Loaded only where it is asked for: most do without TLS and passwords. Rejects with WebConfigError. */
async function openSecurity(file: string | undefined, log: Logger): Promise<Security | undefined> {
  if (file === undefined) return undefined;
  const { Security } = await import('./web-config/security.ts');
  return Security.open(file, log);
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

/** More than the beginning of /proc/PID/stat, `PID (NAME) STATE …`: a name has up to 64 bytes. */
const STAT_HEAD = Buffer.alloc(128);

/** Where there is such a file. A name may hold parentheses. */
function isZombie(pid: number): boolean {
  try {
    const file = fs.openSync(`/proc/${pid}/stat`, 'r');
    const length = fs.readSync(file, STAT_HEAD, 0, STAT_HEAD.length, 0);
    fs.closeSync(file);
    const stat = STAT_HEAD.toString('latin1', 0, length);
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'Z';
  } catch {
    return false;
  }
}

function fail(status: number, message: string): never {
  process.stderr.write(message);
  process.exit(status);
}
