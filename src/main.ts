/** The program: the only file that touches `process`. */

import { type Config, helpText, parseCommandLine, UsageError } from './config.ts';
import { Exporter } from './exporter.ts';
import { ListenError } from './http.ts';
import { createLogger } from './log.ts';
import { REVISION, VERSION } from './version.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const BUILD = { version: VERSION, revision: REVISION, nodeVersion: process.version };

const BY_HAND = `supervisor-exporter is run by supervisord, as an event listener, and not by hand.

Put this into supervisord's configuration, then run "supervisorctl update":

  [eventlistener:exporter]
  command=supervisor-exporter
  events=PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_60
  buffer_size=8192
  priority=-9876
  autorestart=true

"supervisor-exporter --help" lists the flags.
`;

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
      case 'run':
        if (process.stdin.isTTY) fail(EXIT_USAGE, BY_HAND);
        void run(invocation.config);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(EXIT_USAGE, `supervisor-exporter: ${error.message} (try --help)\n`);
  }
}

async function run(config: Config): Promise<void> {
  const send = reserveStdout();
  const log = createLogger(config.logLevel, config.logFormat, (line) => process.stderr.write(line));
  process.on('uncaughtException', (error) => {
    log.error('internal error', { reason: error.stack ?? error.message });
    process.exit(EXIT_FAILURE);
  });
  process.stdout.on('error', () => end());
  process.stderr.on('error', () => {});

  const exporter = new Exporter(config, {
    input: process.stdin,
    send,
    log,
    build: BUILD,
    onEnd: end,
  });
  process.on('SIGTERM', () => end());
  process.on('SIGINT', () => end());
  try {
    await exporter.start();
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    end(error.message);
  }

  function end(failure?: string): void {
    exporter.stop();
    if (failure !== undefined) log.error(failure);
    process.exit(failure === undefined ? 0 : EXIT_FAILURE);
  }
}

/**
 * Keeps stdout for the protocol: one foreign byte there and supervisord never sends
 * another event. Whatever else writes to it, `console.log` or a dependency, ends up on stderr.
 */
function reserveStdout(): (text: string) => void {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  return (text) => void write(text);
}

function fail(status: number, message: string): never {
  process.stderr.write(message);
  process.exit(status);
}
