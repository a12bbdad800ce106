/** The command line, checked and typed. The table FLAGS is the one source of every list of flags. */

import { COMPATS, type Compat } from '../metrics/compat.ts';
import type { CredentialsEnvironment, SupervisorEndpoint } from '../rpc/endpoint.ts';
import { UsageError } from '../util/errors.ts';
import { LOG_FORMATS, LOG_LEVELS } from '../util/log.ts';
import type { HttpUrl } from '../util/url.ts';
import { type Flag, type GivenFlag, parseWords } from './usage.ts';
import {
  readAddress,
  readAlertmanagerUrl,
  readChoice,
  readDuration,
  readEndpoint,
  readFileName,
  readJob,
  readLabel,
  readLink,
  readLogTail,
  readRegExp,
  readTelemetryPath,
} from './values.ts';

/** How the exporter is to run: what each flag means is in its help. */
export type Config = Readonly<ReturnType<typeof readConfig>>;

/** The environment variables that are read; supervisord sets the first two for each process. */
export interface Environment extends CredentialsEnvironment {
  readonly SUPERVISOR_SERVER_URL?: string | undefined;
  readonly SUPERVISOR_GROUP_NAME?: string | undefined;
  /** URLs separated by blanks, for URLs with a password: a command line is visible to every user. */
  readonly SUPERVISOR_EXPORTER_ALERTMANAGER_URL?: string | undefined;
}

/** Where to find a supervisord and its configuration. */
export type DoctorRequest = Readonly<ReturnType<typeof readSearch>>;

/** `flags`: what becomes part of the printed command. */
export interface PrintRequest {
  readonly flags: readonly GivenFlag[];
  readonly search: DoctorRequest;
}

/** What the command `rules` puts into the files. undefined: as they are shipped. */
export type RulesRequest = Readonly<ReturnType<typeof readRulesRequest>>;

export type Invocation =
  | { readonly kind: 'run'; readonly config: Config }
  | { readonly kind: 'print-config'; readonly request: PrintRequest }
  | { readonly kind: 'doctor'; readonly request: DoctorRequest }
  | { readonly kind: 'rules'; readonly request: RulesRequest }
  | { readonly kind: 'help' }
  | { readonly kind: 'completion' }
  | { readonly kind: 'version' };

export type FlagUser = 'exporter' | Command;

const SEARCH: readonly FlagUser[] = ['doctor', 'print-config'];
const RULES: readonly FlagUser[] = ['rules'];
const ANY: readonly FlagUser[] = ['exporter', 'print-config', 'doctor', 'rules'];

export const FLAGS = {
  // HTTP server
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
    isPath: true,
    help: "File with TLS, basic authentication and HTTP headers, in the format of Prometheus' exporter-toolkit. Plain HTTP without it.",
  },
  'web.disable-exporter-metrics': {
    type: 'boolean',
    help: 'Exclude the metrics about the exporter itself (process_* and nodejs_*).',
  },
  // supervisord
  'supervisor.url': {
    type: 'string',
    value: '$SUPERVISOR_SERVER_URL',
    commands: ['exporter', 'print-config', 'doctor'],
    help: "supervisord's HTTP server: http://…, https://… or unix:///…. Credentials come from the URL or from the environment variables SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD; a URL on a command line is visible to every user of the host.",
  },
  'supervisor.timeout': {
    type: 'string',
    default: '5s',
    commands: ['exporter', 'print-config', 'doctor'],
    help: 'Timeout of each XML-RPC call, such as 500ms, 5s or 1m. In a call about all processes supervisord may send nothing for this long; this timeout grows with the number of processes.',
  },
  'supervisor.log-file': {
    type: 'string',
    value: 'FILE',
    isPath: true,
    help: "supervisord's own log, from which the exporter reads exits and their reasons. By default it finds the file by itself, if its user may.",
  },
  'supervisor.config': {
    type: 'string',
    value: 'FILE',
    isPath: true,
    commands: SEARCH,
    help: "For doctor and print-config: supervisord's configuration file, if several supervisords run or none does.",
  },
  'supervisor.nudge': {
    type: 'boolean',
    initially: 'on',
    help: 'Wake supervisord when a process exits, so that the event arrives within milliseconds instead of up to a second later.',
  },
  // Collectors
  'collector.exit-reason': {
    type: 'boolean',
    initially: 'on',
    help: "Look up the exit code or signal of each exit through XML-RPC and in supervisord's log, and detect whether the kernel's OOM killer caused it.",
  },
  'collector.log-tail': {
    type: 'string',
    default: '0',
    value: 'BYTES',
    help: "Number of bytes, up to 8KiB, to keep from the end of each process' stderr log (its stdout log if that is empty) at the last unexpected exit or failed start. Pushed alerts, the page and /-/programs show it. 0 keeps nothing and is the default, because logs may hold secrets. Over HTTP it is shown only if the exporter requires a password or client certificate, or listens only on loopback addresses.",
  },
  'collector.resources': {
    type: 'boolean',
    initially: 'on',
    help: 'Read CPU time, memory, file descriptors and threads of each process and all its descendants at each scrape; Linux only.',
  },
  'collector.resources.io': {
    type: 'boolean',
    help: 'Also collect bytes read from and written to storage, swap and context switches of each process; reads two more files per process.',
  },
  'collector.process-include': {
    type: 'string',
    value: 'REGEXP',
    help: 'Regular expression that must match the whole GROUP:NAME. Only matching processes have series, raise pushed alerts and count for /-/programs. All processes by default.',
  },
  'collector.process-exclude': {
    type: 'string',
    value: 'REGEXP',
    help: 'Regular expression that must match the whole GROUP:NAME. Matching processes have no series, raise no pushed alerts and do not count for /-/programs. It overrides --collector.process-include.',
  },
  // Alertmanager
  'alertmanager.url': {
    type: 'string',
    multiple: true,
    value: '$SUPERVISOR_EXPORTER_ALERTMANAGER_URL',
    help: 'Alertmanager to which SupervisorProcessFatal, SupervisorProcessUnexpectedExit, SupervisorProcessOomKilled, SupervisorProcessKilledAtStop and SupervisorManyExits are pushed: http://[USER:PASSWORD@]HOST[:PORT][/PREFIX] or https://…. Repeatable; name every Alertmanager of a cluster. The environment variable takes several URLs, separated by blanks, and hides their passwords from the command line.',
  },
  'alertmanager.label': {
    type: 'string',
    multiple: true,
    value: 'job=supervisor',
    help: "Label NAME=VALUE of the pushed alerts. Repeatable. They need all labels of the rules' alerts, including external labels. The label instance defaults to the listen address, or to HOSTNAME:PORT.",
  },
  'alertmanager.config.file': {
    type: 'string',
    value: 'FILE',
    isPath: true,
    help: "File with HTTP client settings for every Alertmanager, with the keys of Prometheus' configuration: basic_auth, authorization, tls_config (ca_file, cert_file, key_file, server_name), follow_redirects. Credentials in a URL override it.",
  },
  'alertmanager.runbook-url': {
    type: 'string',
    default: 'RUNBOOK.md',
    help: 'Address of the runbook, for the link runbook_url of the pushed alerts, such as URL#supervisorprocessfatal. Use the same as for the rules.',
  },
  // Metrics and log
  'metrics.compat': {
    type: 'string',
    choices: COMPATS,
    help: 'Also serve the metrics of another exporter: node_exporter adds the four node_supervisord_* metrics of its supervisord collector.',
  },
  'log.level': {
    type: 'string',
    default: 'info',
    choices: LOG_LEVELS,
    help: `Lowest level that is logged: ${LOG_LEVELS.join(', ')}.`,
  },
  'log.format': {
    type: 'string',
    default: 'logfmt',
    choices: LOG_FORMATS,
    help: `Format of the log on stderr: ${LOG_FORMATS.join(', ')}.`,
  },
  // The command rules
  output: {
    type: 'string',
    default: '.',
    value: 'DIR',
    isPath: true,
    commands: RULES,
    help: 'For rules: folder for the files. It is created if it does not exist.',
  },
  job: {
    type: 'string',
    default: 'supervisor',
    commands: RULES,
    help: 'For rules: the job in Prometheus that scrapes the exporters.',
  },
  'scrape-interval': {
    type: 'string',
    default: '1s',
    commands: RULES,
    help: 'For rules: the scrape interval of the job, up to 1m.',
  },
  'runbook-url': {
    type: 'string',
    value: 'URL',
    commands: RULES,
    help: 'For rules: address of the runbook, to which each alert adds its name as a fragment.',
  },
  'page-url-template': {
    type: 'string',
    value: 'URL',
    commands: RULES,
    help: "For rules: address of an exporter's page, as a Prometheus template such as https://proxy/{{ $labels.instance }}/.",
  },
  // What the program prints about itself
  version: { type: 'boolean', commands: ANY, help: 'Print the version and exit.' },
  help: { type: 'boolean', short: 'h', commands: ANY, help: 'Print this help and exit.' },
  'completion-script-bash': {
    type: 'boolean',
    help: 'Print a completion script for bash and exit.',
  },
} as const satisfies Record<string, Flag<FlagUser>>;

/** What the program does besides running as an event listener. */
export const COMMANDS = {
  'print-config':
    "Print the section for supervisord's configuration. Its command runs this program with the given flags.",
  doctor:
    'Check a supervisord, its configuration and its exporter, and print what to change. The exit status is 0 only if every check passes.',
  rules:
    'Write alert rules, recording rules, the runbook, the dashboard, and configurations of Prometheus and Alertmanager into a folder.',
  help: 'Print this help and exit.',
} as const;

export type Command = keyof typeof COMMANDS;

/** Parses a command line without the program's name. Throws UsageError. */
export function parseCommandLine(argv: readonly string[], environment: Environment): Invocation {
  const { values, given, command } = parseWords(argv, FLAGS, COMMANDS);
  if (values.help || command === 'help') return { kind: 'help' };
  if (values.version) return { kind: 'version' };
  if (values['completion-script-bash']) return { kind: 'completion' };
  switch (command) {
    case 'doctor':
      return { kind: 'doctor', request: readSearch(values, environment) };
    case 'rules':
      return { kind: 'rules', request: readRulesRequest(values) };
    case 'print-config': {
      // Refuses what the exporter would refuse.
      readConfig(values, environment);
      const flags = given.filter(({ name }) => name !== 'supervisor.config');
      return {
        kind: 'print-config',
        request: { flags, search: readSearch(values, environment) },
      };
    }
    case undefined:
      return { kind: 'run', config: readConfig(values, environment) };
    default: {
      const unhandled: never = command;
      throw new Error(`unhandled command ${unhandled}`);
    }
  }
}

type Values = ReturnType<typeof parseWords<typeof FLAGS, typeof COMMANDS>>['values'];

function readConfig(values: Values, environment: Environment) {
  return {
    listenAddresses: values['web.listen-address'].map(readAddress),
    telemetryPath: readTelemetryPath(values['web.telemetry-path']),
    webConfigFile: readFileName('web.config.file', values['web.config.file']),
    exporterMetrics: !values['web.disable-exporter-metrics'],
    supervisor: readSupervisor(values, environment),
    supervisorTimeoutMs: readDuration('supervisor.timeout', values['supervisor.timeout']),
    /** Undefined: found by the exporter. */
    supervisorLogFile: readFileName('supervisor.log-file', values['supervisor.log-file']),
    nudge: values['supervisor.nudge'],
    exitReasons: values['collector.exit-reason'],
    logTailBytes: readLogTailBytes(values),
    resources: values['collector.resources'],
    resourcesIo: values['collector.resources.io'] ?? false,
    selection: {
      include: readRegExp('collector.process-include', values['collector.process-include']),
      exclude: readRegExp('collector.process-exclude', values['collector.process-exclude']),
    },
    /** Its event pool; undefined outside supervisord. */
    ownGroup: environment.SUPERVISOR_GROUP_NAME || undefined,
    alertmanagers: readAlertmanagers(values, environment),
    alertmanagerConfigFile: readFileName(
      'alertmanager.config.file',
      values['alertmanager.config.file'],
    ),
    alertLabels: Object.fromEntries((values['alertmanager.label'] ?? []).map(readLabel)),
    runbookUrl: values['alertmanager.runbook-url'],
    compat: readCompat(values['metrics.compat']),
    logLevel: readChoice('log.level', LOG_LEVELS, values['log.level']),
    logFormat: readChoice('log.format', LOG_FORMATS, values['log.format']),
  };
}

/** The lookup of exit reasons reads supervisord's log, which shows when a tail has to be read. */
function readLogTailBytes(values: Values): number {
  const bytes = readLogTail(values['collector.log-tail']);
  if (bytes > 0 && !values['collector.exit-reason']) {
    throw new UsageError('--collector.log-tail needs --collector.exit-reason');
  }
  return bytes;
}

function readSearch(values: Values, environment: Environment) {
  return {
    supervisor: readSupervisor(values, environment),
    supervisorTimeoutMs: readDuration('supervisor.timeout', values['supervisor.timeout']),
    /** Undefined: that of the running supervisord, else where supervisord searches. */
    configFile: readFileName('supervisor.config', values['supervisor.config']),
  };
}

/** The rules hold for scrape intervals up to this one. */
const LONGEST_SCRAPE_INTERVAL = '1m';

function readRulesRequest(values: Values) {
  const output = readFileName('output', values.output);
  if (output === undefined) throw new UsageError('--output is not the name of a folder');
  return {
    output,
    job: readJob(values.job),
    scrapeIntervalMs: readDuration(
      'scrape-interval',
      values['scrape-interval'],
      LONGEST_SCRAPE_INTERVAL,
    ),
    runbookUrl: readLink('runbook-url', values['runbook-url']),
    pageUrlTemplate: readLink('page-url-template', values['page-url-template']),
  };
}

/** Undefined: supervisord has no HTTP server, or doctor takes the URL from its configuration. */
function readSupervisor(values: Values, environment: Environment): SupervisorEndpoint | undefined {
  const given = values['supervisor.url'];
  const url = given ?? (environment.SUPERVISOR_SERVER_URL || undefined);
  if (url === undefined) return undefined;
  const source = given === undefined ? 'SUPERVISOR_SERVER_URL' : '--supervisor.url';
  return readEndpoint(source, url, environment);
}

export const ALERTMANAGER_VARIABLE = 'SUPERVISOR_EXPORTER_ALERTMANAGER_URL';

function readAlertmanagers(values: Values, environment: Environment): readonly HttpUrl[] {
  const fromEnvironment = (environment[ALERTMANAGER_VARIABLE] ?? '')
    .split(/\s+/)
    .filter((url) => url !== '');
  return [
    ...(values['alertmanager.url'] ?? []).map((url) =>
      readAlertmanagerUrl('--alertmanager.url', url),
    ),
    ...fromEnvironment.map((url) => readAlertmanagerUrl(ALERTMANAGER_VARIABLE, url)),
  ];
}

function readCompat(text: string | undefined): Compat | undefined {
  return text === undefined ? undefined : readChoice('metrics.compat', COMPATS, text);
}
