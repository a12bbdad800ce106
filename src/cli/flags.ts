/**
 * The command line, checked and typed.
 *
 * No message repeats a value, a positional argument or an unusual flag name: any of them may be
 * a URL with a password in the wrong place.
 */

import { parseArgs } from 'node:util';
import { OWN_LABELS } from '../alertmanager/payload.ts';
import { COMPATS, type Compat } from '../metrics/compat.ts';
import {
  type CredentialsEnvironment,
  parseEndpoint,
  type SupervisorEndpoint,
} from '../rpc/endpoint.ts';
import { InvalidUrlError, UsageError } from '../util/errors.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../util/log.ts';
import { type HttpUrl, parseHttpUrl } from '../util/url.ts';
import type { ListenAddress } from '../web/address.ts';
import { isFreePath } from '../web/paths.ts';
import { nearest } from './nearest.ts';

export interface Config {
  readonly listenAddresses: readonly ListenAddress[];
  readonly telemetryPath: string;
  /** The exporter-toolkit's file with TLS, passwords and headers; undefined: plain HTTP. */
  readonly webConfigFile: string | undefined;
  /** Whether /metrics includes `process_*` and `nodejs_*`. */
  readonly exporterMetrics: boolean;
  /** undefined: supervisord has no HTTP server, so events are the only source. */
  readonly supervisor: SupervisorEndpoint | undefined;
  readonly supervisorTimeoutMs: number;
  /** Whether to wake supervisord when a process exits. */
  readonly nudge: boolean;
  /** Whether to look up exit codes and signals. */
  readonly exitReasons: boolean;
  /** Whether to read CPU time, memory and descriptors of processes. */
  readonly resources: boolean;
  /** The group of the exporter's own process, which is its event pool; undefined outside supervisord. */
  readonly ownGroup: string | undefined;
  readonly alertmanagers: readonly HttpUrl[];
  /** HTTP client settings for every Alertmanager. */
  readonly alertmanagerConfigFile: string | undefined;
  /** Labels of pushed alerts, as given. */
  readonly alertLabels: Readonly<Record<string, string>>;
  /** Base of the link `runbook_url` of pushed alerts. */
  readonly runbookUrl: string;
  /** Another exporter whose metrics are served in addition. */
  readonly compat: Compat | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** The environment variables that are read; supervisord sets these two for each process. */
export interface Environment extends CredentialsEnvironment {
  readonly SUPERVISOR_SERVER_URL?: string | undefined;
  readonly SUPERVISOR_GROUP_NAME?: string | undefined;
}

/** What `doctor` checks. */
export interface DoctorRequest {
  /** From the flag or the environment; undefined: from supervisord's configuration. */
  readonly supervisor: SupervisorEndpoint | undefined;
  readonly supervisorTimeoutMs: number;
  /** undefined: search where supervisord searches. */
  readonly configFile: string | undefined;
}

export type Invocation =
  | { readonly kind: 'run'; readonly config: Config }
  /** `flags`, as given, become part of the printed command. */
  | { readonly kind: 'print-config'; readonly flags: readonly string[] }
  | { readonly kind: 'doctor'; readonly request: DoctorRequest }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  readonly default?: string | string[];
  /** A placeholder or a computed default, shown by the help where there is no `default`. */
  readonly value?: string;
  /** Absent for the negative form of another flag, whose help names it. */
  readonly help?: string;
}

export const FLAGS = {
  'web.listen-address': {
    type: 'string',
    multiple: true,
    default: [':9876'] as string[],
    help: 'Address to serve HTTP on: HOST:PORT, :PORT or [::1]:PORT. Repeatable.',
  },
  'web.telemetry-path': {
    type: 'string',
    default: '/metrics',
    help: 'Path that serves the metrics.',
  },
  'web.config.file': {
    type: 'string',
    value: 'FILE',
    help: "File with TLS, basic authentication and HTTP headers, in the format of Prometheus' exporter-toolkit. Plain HTTP without it.",
  },
  'web.disable-exporter-metrics': {
    type: 'boolean',
    help: 'Exclude the metrics about the exporter itself (process_* and nodejs_*).',
  },
  'supervisor.url': {
    type: 'string',
    value: '$SUPERVISOR_SERVER_URL',
    help: "supervisord's HTTP server: http://…, https://… or unix:///…. Credentials come from the URL or from the environment variables SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD; a URL on a command line is visible to every user of the host.",
  },
  'supervisor.timeout': {
    type: 'string',
    default: '5s',
    help: 'Timeout of each XML-RPC call, such as 500ms, 5s or 1m.',
  },
  'supervisor.config': {
    type: 'string',
    value: 'FILE',
    help: "For doctor: supervisord's configuration file, if it is not in a place that supervisord searches.",
  },
  'supervisor.nudge': {
    type: 'boolean',
    help: 'Wake supervisord when a process exits, so that the event arrives within milliseconds instead of up to a second later. On by default; --no-supervisor.nudge turns it off.',
  },
  'no-supervisor.nudge': { type: 'boolean' },
  'collector.exit-reason': {
    type: 'boolean',
    help: "Look up the exit code or signal of each exit through XML-RPC and in supervisord's log. On by default; --no-collector.exit-reason turns it off.",
  },
  'no-collector.exit-reason': { type: 'boolean' },
  'collector.resources': {
    type: 'boolean',
    help: 'Read CPU time, memory, file descriptors and threads of each process and all its descendants at each scrape; Linux only. On by default; --no-collector.resources turns it off.',
  },
  'no-collector.resources': { type: 'boolean' },
  'alertmanager.url': {
    type: 'string',
    multiple: true,
    value: 'URL',
    help: 'Alertmanager to which SupervisorProcessFatal, SupervisorProcessUnexpectedExit and SupervisorManyExits are pushed: http://[USER:PASSWORD@]HOST[:PORT][/PREFIX] or https://…. Repeatable; name every Alertmanager of a cluster.',
  },
  'alertmanager.label': {
    type: 'string',
    multiple: true,
    value: 'job=supervisor',
    help: "Label NAME=VALUE of the pushed alerts. Repeatable. Use the labels of the rules' alerts, including external labels. The label instance defaults to the listen address, or to HOSTNAME:PORT.",
  },
  'alertmanager.config.file': {
    type: 'string',
    value: 'FILE',
    help: "File with HTTP client settings for every Alertmanager, with the keys of Prometheus' configuration: basic_auth, authorization, tls_config (ca_file, cert_file, key_file, server_name), follow_redirects. Credentials of a URL win.",
  },
  'alertmanager.runbook-url': {
    type: 'string',
    default: 'RUNBOOK.md',
    help: 'Where the runbook is published, for the link runbook_url of the pushed alerts: URL#supervisorprocessfatal. The same as in the rules.',
  },
  'metrics.compat': {
    type: 'string',
    value: COMPATS.join('|'),
    help: 'Also serve the metrics of another exporter: node_exporter stands for the four node_supervisord_* metrics of its supervisord collector.',
  },
  'log.level': {
    type: 'string',
    default: 'info',
    help: `Lowest level that is logged: ${LOG_LEVELS.join(', ')}.`,
  },
  'log.format': {
    type: 'string',
    default: 'logfmt',
    help: `Format of the log on stderr: ${LOG_FORMATS.join(', ')}.`,
  },
  version: { type: 'boolean', help: 'Print the version and exit.' },
  help: { type: 'boolean', short: 'h', help: 'Print this help and exit.' },
} as const satisfies Record<string, Flag>;

/** What the program does besides running as an event listener. */
export const COMMANDS = {
  'print-config':
    "Print the section for supervisord's configuration. Its command runs this program with the given flags.",
  doctor:
    'Check a supervisord, its configuration and its exporter, and print what to change. The exit status is 0 only if every check passes.',
  help: 'Print this help and exit.',
} as const;

type Command = keyof typeof COMMANDS;

/** Parses a command line without the program's name. Throws UsageError. */
export function parseCommandLine(argv: readonly string[], environment: Environment): Invocation {
  const { flags, given, command, rest } = readArguments(argv);
  if (flags.help || command === 'help') return { kind: 'help' };
  if (flags.version) return { kind: 'version' };
  if (command === 'doctor') {
    const other = given.find((flag) => !DOCTOR_FLAGS.includes(flag));
    if (other !== undefined) throw new UsageError(`--${other} is not a flag of doctor`);
    return { kind: 'doctor', request: readRequest(flags, environment) };
  }
  if (flags['supervisor.config'] !== undefined) {
    throw new UsageError('--supervisor.config is a flag of doctor');
  }
  const config = readConfig(flags, environment);
  return command === 'print-config' ? { kind: command, flags: rest } : { kind: 'run', config };
}

function readConfig(flags: Flags, environment: Environment): Config {
  return {
    listenAddresses: flags['web.listen-address'].map(readAddress),
    telemetryPath: readPath(flags['web.telemetry-path']),
    webConfigFile: readFileName('web.config.file', flags['web.config.file']),
    exporterMetrics: !flags['web.disable-exporter-metrics'],
    supervisor: readSupervisor(flags, environment),
    supervisorTimeoutMs: readTimeout(flags),
    nudge: !flags['no-supervisor.nudge'],
    exitReasons: !flags['no-collector.exit-reason'],
    resources: !flags['no-collector.resources'],
    ownGroup: environment.SUPERVISOR_GROUP_NAME || undefined,
    alertmanagers: (flags['alertmanager.url'] ?? []).map(readAlertmanager),
    alertmanagerConfigFile: readFileName(
      'alertmanager.config.file',
      flags['alertmanager.config.file'],
    ),
    alertLabels: Object.fromEntries((flags['alertmanager.label'] ?? []).map(readLabel)),
    runbookUrl: flags['alertmanager.runbook-url'],
    compat: readCompat(flags['metrics.compat']),
    logLevel: readChoice('log.level', LOG_LEVELS, flags['log.level']),
    logFormat: readChoice('log.format', LOG_FORMATS, flags['log.format']),
  };
}

const DOCTOR_FLAGS: readonly string[] = [
  'supervisor.url',
  'supervisor.timeout',
  'supervisor.config',
];

function readRequest(flags: Flags, environment: Environment): DoctorRequest {
  return {
    supervisor: readSupervisor(flags, environment),
    supervisorTimeoutMs: readTimeout(flags),
    configFile: readFileName('supervisor.config', flags['supervisor.config']),
  };
}

type Flags = ReturnType<typeof readArguments>['flags'];

function readArguments(argv: readonly string[]) {
  const { values: flags, tokens } = parseStrictly(argv);
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
  const [first, second] = tokens.filter((token) => token.kind === 'positional');
  if (first === undefined) return { flags, given, command: undefined, rest: argv };
  if (!isCommand(first.value)) throw unknownCommand(first.value, first.index);
  if (second !== undefined) {
    throw new UsageError(`${first.value} takes no argument: argument ${second.index + 1}`);
  }
  const rest = argv.filter((_, index) => index !== first.index);
  return { flags, given, command: first.value, rest };
}

function parseStrictly(argv: readonly string[]) {
  const input = { args: [...argv], options: FLAGS, allowPositionals: true, tokens: true } as const;
  try {
    return parseArgs({ ...input, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { tokens } = parseArgs({ ...input, strict: false });
    for (const token of tokens) {
      const reason = token.kind === 'option' ? faultOf(token) : undefined;
      if (reason !== undefined) throw new UsageError(reason);
    }
    throw new UsageError('the command line cannot be parsed');
  }
}

interface OptionToken {
  readonly index: number;
  readonly name: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** Why parseArgs refuses an option; undefined where it does not. */
function faultOf({ index, name, value, inlineValue }: OptionToken): string | undefined {
  if (!Object.hasOwn(FLAGS, name)) return `unknown flag${describeUnknownFlag(name, index)}`;
  const { type } = FLAGS[name as keyof typeof FLAGS];
  if (type === 'boolean') return value === undefined ? undefined : `--${name} takes no value`;
  if (value === undefined) return `--${name} requires a value`;
  return !inlineValue && value.startsWith('-')
    ? `--${name} requires a value; a value that begins with a dash is written --${name}=VALUE`
    : undefined;
}

/** A name of another form than a flag's could be a URL or a password. */
function describeUnknownFlag(name: string, index: number): string {
  const shown = /^[a-z][a-z.-]{0,39}$/.test(name) ? ` --${name}` : `: argument ${index + 1}`;
  const similar = nearest(name, Object.keys(FLAGS));
  return similar === undefined ? shown : `${shown}; did you mean --${similar}?`;
}

function isCommand(word: string): word is Command {
  return Object.hasOwn(COMMANDS, word);
}

function unknownCommand(word: string, index: number): UsageError {
  const known = Object.keys(COMMANDS);
  const similar = nearest(word, known);
  const hint = similar === undefined ? `commands: ${known.join(', ')}` : `did you mean ${similar}?`;
  return new UsageError(`argument ${index + 1} is neither a flag nor a command; ${hint}`);
}

function readSupervisor(flags: Flags, environment: Environment): SupervisorEndpoint | undefined {
  const given = flags['supervisor.url'];
  const url = given ?? (environment.SUPERVISOR_SERVER_URL || undefined);
  if (url === undefined) return undefined;
  try {
    return parseEndpoint(url, environment);
  } catch (error) {
    if (!(error instanceof InvalidUrlError)) throw error;
    const source = given === undefined ? 'SUPERVISOR_SERVER_URL' : '--supervisor.url';
    throw new UsageError(`${source} ${error.message}`);
  }
}

function readTimeout(flags: Flags): number {
  return readDuration('supervisor.timeout', flags['supervisor.timeout']);
}

function readAddress(text: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]@/\s]+)\]|([^:@/\s]*)):(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535) {
    throw invalid(
      'web.listen-address',
      'an address such as :9876, 127.0.0.1:9876 or [::1]:9876, with a port up to 65535',
    );
  }
  return { host: bracketed ?? plain ?? '', port: Number(port) };
}

function readPath(text: string): string {
  if (!isFreePath(text)) {
    throw invalid(
      'web.telemetry-path',
      'a path such as /metrics: ASCII letters, digits and -._~$&+,;=:@/, and not in use',
    );
  }
  return text;
}

/** An empty name is refused: it comes from a variable that was not set. So is a URL: errors name the file. */
function readFileName(flag: string, text: string | undefined): string | undefined {
  if (text === '' || text?.includes('://')) throw invalid(flag, 'the name of a file');
  return text;
}

function readAlertmanager(text: string): HttpUrl {
  const url = parseHttpUrl(text);
  if (url === undefined) throw invalid('alertmanager.url', 'of the form http://… or https://…');
  return url;
}

function readLabel(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([a-zA-Z_]\w*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined || OWN_LABELS.includes(name)) {
    throw invalid(
      'alertmanager.label',
      `a label such as cluster=a, other than ${OWN_LABELS.join(', ')}`,
    );
  }
  return [name, value];
}

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const LONGEST_TIMEOUT_MS = MILLISECONDS.h;

function readDuration(flag: string, text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const duration = Number(amount) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
  if (!(duration >= 1 && duration <= LONGEST_TIMEOUT_MS)) {
    throw invalid(flag, 'a duration such as 500ms, 5s or 1m, from 1ms to 1h');
  }
  return duration;
}

function readChoice<Choice extends string>(
  flag: string,
  choices: readonly Choice[],
  text: string,
): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw invalid(flag, `one of ${choices.join(', ')}`);
  return choice;
}

function readCompat(text: string | undefined): Compat | undefined {
  return text === undefined ? undefined : readChoice('metrics.compat', COMPATS, text);
}

function invalid(flag: string, wanted: string): UsageError {
  return new UsageError(`--${flag} is not ${wanted}`);
}
