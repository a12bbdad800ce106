/** The program: the only file that touches `process`. */

import fs from 'node:fs';
import { hostname } from 'node:os';
import type { ReadHttpClientConfig } from './alertmanager/http-client-config.ts';
import {
  type Config,
  type DoctorRequest,
  type PrintRequest,
  parseCommandLine,
} from './cli/flags.ts';
import { BY_HAND, helpText } from './cli/help.ts';
import { REVISION, VERSION } from './cli/version.ts';
import type { Exporter, Outcome } from './exporter.ts';
import { READY } from './listener/dialogue.ts';
import { reserveStdout } from './listener/stdout.ts';
import {
  AlertmanagerConfigError,
  OutputError,
  UnprintableCommandError,
  UsageError,
  WebConfigError,
} from './util/errors.ts';
import { createLogger, type Logger } from './util/log.ts';
import { LogOutput } from './util/log-output.ts';
import type { WebConfigServer } from './web-config/server.ts';

const EXIT_STATUS = { over: 0, failed: 1, refused: 2 } as const satisfies Record<Outcome, number>;

const STDIN = 0;

const BUILD = { version: VERSION, revision: REVISION, nodeVersion: process.version };

main().catch((error: unknown) => {
  if (error instanceof UsageError) fail(EXIT_STATUS.refused, `${error.message} (try --help)`);
  if (error instanceof UnprintableCommandError) fail(EXIT_STATUS.refused, error.message);
  if (error instanceof OutputError) fail(EXIT_STATUS.failed, error.message);
  throw error;
});

/** What is not needed to run is loaded only when asked for: the exporter starts without it. */
async function main(): Promise<void> {
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
    case 'completion': {
      const { completionScript } = await import('./cli/completion.ts');
      process.stdout.write(completionScript());
      break;
    }
    case 'print-config':
      await printSection(invocation.request);
      break;
    case 'rules': {
      const { writeRuleFiles } = await import('./cli/rules.ts');
      process.stdout.write(writeRuleFiles(invocation.request));
      break;
    }
    case 'doctor':
      await checkSupervisord(invocation.request);
      break;
    case 'run':
      if (isByHand()) {
        process.stderr.write(BY_HAND);
        process.exit(EXIT_STATUS.refused);
      }
      await run(invocation.config);
  }
}

async function printSection({ flags, search }: PrintRequest): Promise<void> {
  const { printConfig } = await import('./cli/print-config.ts');
  const { chooseSectionName } = await import('./doctor/section-name.ts');
  const section = await chooseSectionName(search, host());
  process.stdout.write(printConfig({ program: ownCommand(), flags, cwd: process.cwd(), section }));
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
    hostname: hostname(),
    uid: process.geteuid?.(),
    environment: process.env,
  };
}

function ownCommand(): readonly string[] {
  return isSingleExecutable() ? [ownFile()] : [process.execPath, ownFile()];
}

/** npm calls it by a link. */
function ownFile(): string {
  return isSingleExecutable() ? process.execPath : fs.realpathSync(process.argv[1] ?? '');
}

/** Whether Node and this program are one file. Node 18 has neither the module nor the method. */
function isSingleExecutable(): boolean {
  return process.getBuiltinModule?.('node:sea')?.isSea() ?? false;
}

/**
 * READY comes as soon as it is known what is wanted: the first event may come while the rest
 * is loaded, and waits in the pipe.
 */
async function run(config: Config): Promise<void> {
  const lifetime = new AbortController();
  const send = reserveStdout(process, () => end('over'));
  // The stream takes milliseconds to load.
  const output = new LogOutput(
    () => process.stderr,
    (lines) => log.error('log lines were dropped, because stderr was not read', { lines }),
  );
  const log = createLogger(config.logLevel, config.logFormat, (line) => output.write(line));
  process.on('uncaughtException', (error) => {
    log.error('internal error', { reason: error.stack ?? error.message });
    process.exit(EXIT_STATUS.failed);
  });
  let exporter: Exporter | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      exporter?.logTermination(signal);
      end('over');
    });
  }
  const webConfig = await openWebConfig(config.webConfigFile, log, lifetime.signal).catch(
    (error: unknown) => {
      if (!(error instanceof WebConfigError)) throw error;
      return end('refused', error.message);
    },
  );
  const readAlertmanagerConfig = await openAlertmanagerConfig(config.alertmanagerConfigFile).catch(
    (error: unknown) => {
      if (!(error instanceof AlertmanagerConfigError)) throw error;
      return end('refused', `--alertmanager.config.file: ${error.message}`);
    },
  );
  send(READY);

  const { keepHeapSmall } = await import('./util/heap.ts');
  keepHeapSmall();
  const { Exporter } = await import('./exporter.ts');
  const { openInput } = await import('./listener/input.ts');
  exporter = new Exporter(config, {
    input: openInput(STDIN),
    send,
    log,
    pid: process.pid,
    supervisorPid: process.ppid,
    own: { cwd: process.cwd(), uid: process.geteuid?.(), environment: process.env },
    build: BUILD,
    hostname: hostname(),
    webConfig,
    readAlertmanagerConfig,
    onEnd: end,
    signal: lifetime.signal,
  });
  await exporter.start();

  function end(how: Outcome, reason?: string): never {
    lifetime.abort();
    if (reason !== undefined) log.error(reason);
    process.exit(EXIT_STATUS[how]);
  }
}

/** What is no device can't be a terminal, and `process.stdin` takes milliseconds to load. */
function isByHand(): boolean {
  return fs.fstatSync(STDIN).isCharacterDevice() && process.stdin.isTTY;
}

/** Loads the room only if there is a file. Rejects with WebConfigError. */
async function openWebConfig(
  file: string | undefined,
  log: Logger,
  signal: AbortSignal,
): Promise<WebConfigServer | undefined> {
  if (file === undefined) return undefined;
  const { WebConfigServer } = await import('./web-config/server.ts');
  return WebConfigServer.open(file, { log, signal });
}

/** Rejects with AlertmanagerConfigError. */
async function openAlertmanagerConfig(
  file: string | undefined,
): Promise<ReadHttpClientConfig | undefined> {
  if (file === undefined) return undefined;
  const { openHttpClientConfig } = await import('./alertmanager/http-client-config.ts');
  return openHttpClientConfig(file);
}

function fail(status: number, message: string): never {
  process.stderr.write(`supervisor-exporter: ${message}\n`);
  process.exit(status);
}
