/** The command line: what was asked for, checked and typed. */

import { parseArgs } from 'node:util';
import { OWN_LABELS } from '../alertmanager/payload.ts';
import { COMPATS, type Compat } from '../metrics/compat.ts';
import {
  type CredentialsEnvironment,
  parseEndpoint,
  type SupervisorEndpoint,
} from '../rpc/endpoint.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../util/log.ts';
import { type HttpUrl, parseHttpUrl, withoutPassword } from '../util/url.ts';
import type { ListenAddress } from '../web/address.ts';

export interface Config {
  readonly listenAddresses: readonly ListenAddress[];
  readonly telemetryPath: string;
  /** TLS, passwords and headers, in the format of Prometheus' exporter-toolkit; undefined: none. */
  readonly webConfigFile: string | undefined;
  /** Whether to show `process_*` and `nodejs_*`. */
  readonly exporterMetrics: boolean;
  /** undefined: supervisord has no HTTP server, and all there is are events. */
  readonly supervisor: SupervisorEndpoint | undefined;
  readonly supervisorTimeoutMs: number;
  /** Whether to wake supervisord when a program has died. */
  readonly nudge: boolean;
  /** Whether to find out exit codes and signals. */
  readonly exitReasons: boolean;
  /** Whether to read what programs use of the machine. */
  readonly resources: boolean;
  /** The group that supervisord runs us in, which is the pool of our events; undefined where it does not say. */
  readonly ownGroup: string | undefined;
  readonly alertmanagers: readonly HttpUrl[];
  /** Labels of pushed alerts, as given. */
  readonly alertLabels: Readonly<Record<string, string>>;
  /** The exporter whose metrics to show as well. */
  readonly compat: Compat | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** What of the environment counts: supervisord sets these two for each program it runs. */
export interface Environment extends CredentialsEnvironment {
  readonly SUPERVISOR_SERVER_URL?: string | undefined;
  readonly SUPERVISOR_GROUP_NAME?: string | undefined;
}

/** What `doctor` was asked to look at. */
export interface DoctorRequest {
  /** Of the flag or the environment; undefined to take it from the configuration. */
  readonly supervisor: SupervisorEndpoint | undefined;
  readonly supervisorTimeoutMs: number;
  /** undefined to look where supervisord looks. */
  readonly configFile: string | undefined;
}

export type Invocation =
  | { readonly kind: 'run'; readonly config: Config }
  /** The flags, as given, are for the command that is printed. */
  | { readonly kind: 'print-config'; readonly flags: readonly string[] }
  | { readonly kind: 'doctor'; readonly request: DoctorRequest }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

/** A command line that can't be followed; the message says which part and why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  /** What stands for the value in the help. */
  readonly value?: string;
  /** Left out for the negative form of another flag, whose help names it. */
  readonly help?: string;
}

export const FLAGS = {
  'web.listen-address': {
    type: 'string',
    multiple: true,
    value: ':9876',
    help: 'Address to serve HTTP on: HOST:PORT, :PORT or [::1]:PORT. Repeatable.',
  },
  'web.telemetry-path': {
    type: 'string',
    value: '/metrics',
    help: 'Path of the metrics.',
  },
  'web.config.file': {
    type: 'string',
    help: "TLS, basic authentication and HTTP headers, in the format of Prometheus' exporter-toolkit. Plain HTTP without it.",
  },
  'web.disable-exporter-metrics': {
    type: 'boolean',
    help: 'Leave out process_* and nodejs_*, the footprint of the exporter itself.',
  },
  'supervisor.url': {
    type: 'string',
    value: '$SUPERVISOR_SERVER_URL',
    help: "supervisord's HTTP server: http://…, https://… or unix:///…. Credentials come from the URL, or from SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD.",
  },
  'supervisor.timeout': {
    type: 'string',
    value: '5s',
    help: 'How long an XML-RPC call may take, such as 500ms, 5s or 1m.',
  },
  'supervisor.config': {
    type: 'string',
    value: 'FILE',
    help: "For doctor: supervisord's configuration, if it is not where supervisord looks for it.",
  },
  'supervisor.nudge': {
    type: 'boolean',
    help: 'Wake supervisord when a program has died, so that it tells of it in milliseconds and not after up to a second. On by default; --no-supervisor.nudge turns it off.',
  },
  'no-supervisor.nudge': { type: 'boolean' },
  'collector.exit-reason': {
    type: 'boolean',
    help: "Find out the exit code or signal of each exit, by XML-RPC and from supervisord's log. On by default; --no-collector.exit-reason turns it off.",
  },
  'no-collector.exit-reason': { type: 'boolean' },
  'collector.resources': {
    type: 'boolean',
    help: 'Read CPU time, memory, descriptors and threads of each program and all its descendants at each scrape; Linux only. On by default; --no-collector.resources turns it off.',
  },
  'no-collector.resources': { type: 'boolean' },
  'alertmanager.url': {
    type: 'string',
    multiple: true,
    help: 'Alertmanager to push SupervisorProcessFatal and SupervisorProcessUnexpectedExit to: http://[USER:PASSWORD@]HOST[:PORT][/PREFIX] or https://…. Repeatable: all are told, as every Alertmanager of a cluster has to be.',
  },
  'alertmanager.label': {
    type: 'string',
    multiple: true,
    value: 'job=supervisor',
    help: "Label NAME=VALUE of the pushed alerts. Repeatable. Give them the labels that the rules' alerts have, external labels included; instance is the listen address, or HOSTNAME:PORT.",
  },
  'metrics.compat': {
    type: 'string',
    help: 'Show the metrics of another exporter as well: node_exporter, for the four node_supervisord_* of its supervisord collector.',
  },
  'log.level': {
    type: 'string',
    value: 'info',
    help: `Lowest level to log: ${LOG_LEVELS.join(', ')}.`,
  },
  'log.format': {
    type: 'string',
    value: 'logfmt',
    help: `Format of the log, which goes to stderr: ${LOG_FORMATS.join(', ')}.`,
  },
  version: { type: 'boolean', help: 'Print the version and exit.' },
  help: { type: 'boolean', short: 'h', help: 'Print this help and exit.' },
} as const satisfies Record<string, Flag>;

/** What is done instead of being run by supervisord. */
export const COMMANDS = {
  'print-config':
    "Print the section for supervisord's configuration, with this very program and the flags that are given as its command.",
  doctor:
    'Check a supervisord, its configuration and the exporter in it, and say what to change. Exit status 0 only when all is well.',
  help: 'Print this help and exit.',
} as const;

type Command = keyof typeof COMMANDS;

/** Reads a command line without the program's name. Throws UsageError. */
export function parseCommandLine(argv: readonly string[], environment: Environment): Invocation {
  const { flags, command, rest } = readArguments(argv);
  if (flags.help || command === 'help') return { kind: 'help' };
  if (flags.version) return { kind: 'version' };
  if (command === 'doctor') return { kind: 'doctor', request: readRequest(flags, environment) };
  if (flags['supervisor.config'] !== undefined) {
    throw new UsageError('--supervisor.config is a flag of doctor');
  }
  const config = readConfig(flags, environment);
  return command === 'print-config' ? { kind: command, flags: rest } : { kind: 'run', config };
}

function readConfig(flags: Flags, environment: Environment): Config {
  return {
    listenAddresses: (flags['web.listen-address'] ?? [':9876']).map(readAddress),
    telemetryPath: readPath(flags['web.telemetry-path'] ?? '/metrics'),
    webConfigFile: readFileName('web.config.file', flags['web.config.file']),
    exporterMetrics: !flags['web.disable-exporter-metrics'],
    supervisor: readSupervisor(flags, environment),
    supervisorTimeoutMs: readTimeout(flags),
    nudge: !flags['no-supervisor.nudge'],
    exitReasons: !flags['no-collector.exit-reason'],
    resources: !flags['no-collector.resources'],
    ownGroup: environment.SUPERVISOR_GROUP_NAME || undefined,
    alertmanagers: (flags['alertmanager.url'] ?? []).map(readAlertmanager),
    alertLabels: Object.fromEntries((flags['alertmanager.label'] ?? []).map(readLabel)),
    compat: readCompat(flags['metrics.compat']),
    logLevel: readChoice('log.level', LOG_LEVELS, flags['log.level'] ?? 'info'),
    logFormat: readChoice('log.format', LOG_FORMATS, flags['log.format'] ?? 'logfmt'),
  };
}

const DOCTOR_FLAGS: readonly string[] = [
  'supervisor.url',
  'supervisor.timeout',
  'supervisor.config',
];

function readRequest(flags: Flags, environment: Environment): DoctorRequest {
  const foreign = Object.keys(flags).find((flag) => !DOCTOR_FLAGS.includes(flag));
  if (foreign !== undefined) throw new UsageError(`--${foreign} is not a flag of doctor`);
  if (flags['supervisor.config'] === '') throw invalid('supervisor.config', '', 'a file');
  return {
    supervisor: readSupervisor(flags, environment),
    supervisorTimeoutMs: readTimeout(flags),
    configFile: flags['supervisor.config'],
  };
}

type Flags = ReturnType<typeof readArguments>['flags'];

function readArguments(argv: readonly string[]) {
  const { values: flags, tokens } = parseStrictly(argv);
  const positionals = tokens.filter((token) => token.kind === 'positional');
  const [first, second] = positionals;
  if (first === undefined) return { flags, command: undefined, rest: argv };
  if (!isCommand(first.value)) throw notCommand(first.value);
  if (second !== undefined) {
    throw new UsageError(`${first.value} takes no argument ${JSON.stringify(second.value)}`);
  }
  return { flags, command: first.value, rest: argv.filter((_, index) => index !== first.index) };
}

function parseStrictly(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: FLAGS,
      strict: true,
      allowPositionals: true,
      tokens: true,
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Its second sentence explains how to pass positional arguments that look like flags.
    throw new UsageError(error.message.replace(/\. .*$/s, '').replaceAll(/\s+/g, ' '));
  }
}

function isCommand(word: string): word is Command {
  return Object.hasOwn(COMMANDS, word);
}

function notCommand(word: string): UsageError {
  const known = Object.keys(COMMANDS).join(', ');
  return new UsageError(`there is no command ${JSON.stringify(word)}; there are: ${known}`);
}

function readSupervisor(flags: Flags, environment: Environment): SupervisorEndpoint | undefined {
  const url = flags['supervisor.url'] ?? (environment.SUPERVISOR_SERVER_URL || undefined);
  return url === undefined ? undefined : readEndpoint(url, environment);
}

function readTimeout(flags: Flags): number {
  return readDuration('supervisor.timeout', flags['supervisor.timeout'] ?? '5s');
}

function readAddress(text: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535) {
    throw invalid(
      'web.listen-address',
      text,
      'an address such as :9876, 127.0.0.1:9876 or [::1]:9876, with a port up to 65535',
    );
  }
  return { host: bracketed ?? plain ?? '', port: Number(port) };
}

/** Paths that answer something else already. */
const TAKEN_PATHS: readonly string[] = ['/-/healthy', '/-/ready'];

function readPath(text: string): string {
  if (!/^\/[^\s?#]*$/.test(text) || TAKEN_PATHS.includes(text)) {
    throw invalid('web.telemetry-path', text, 'a path such as /metrics that is not taken');
  }
  return text;
}

/** An empty name is a variable that was not set, and not a wish to do without. */
function readFileName(flag: string, text: string | undefined): string | undefined {
  if (text === '') throw invalid(flag, text, 'the name of a file');
  return text;
}

function readEndpoint(url: string, environment: Environment): SupervisorEndpoint {
  const endpoint = parseEndpoint(url, environment);
  if (typeof endpoint === 'string') throw new UsageError(`--supervisor.url: ${endpoint}`);
  return endpoint;
}

function readAlertmanager(text: string): HttpUrl {
  const url = parseHttpUrl(text);
  if (url === undefined) {
    throw invalid('alertmanager.url', withoutPassword(text), 'of the form http://… or https://…');
  }
  return url;
}

function readLabel(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([a-zA-Z_]\w*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined || OWN_LABELS.includes(name)) {
    const wanted = `a label such as cluster=a, other than ${OWN_LABELS.join(', ')}`;
    throw invalid('alertmanager.label', text, wanted);
  }
  return [name, value];
}

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const LONGEST_TIMEOUT_MS = MILLISECONDS.h;

function readDuration(flag: string, text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const duration = Number(amount) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
  if (!(duration >= 1 && duration <= LONGEST_TIMEOUT_MS)) {
    throw invalid(flag, text, 'a duration such as 500ms, 5s or 1m, from 1ms to 1h');
  }
  return duration;
}

function readChoice<Choice extends string>(
  flag: string,
  choices: readonly Choice[],
  text: string,
): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw invalid(flag, text, `one of ${choices.join(', ')}`);
  return choice;
}

function readCompat(text: string | undefined): Compat | undefined {
  return text === undefined ? undefined : readChoice('metrics.compat', COMPATS, text);
}

function invalid(flag: string, text: string, wanted: string): UsageError {
  return new UsageError(`--${flag}: ${JSON.stringify(text)} is not ${wanted}`);
}
