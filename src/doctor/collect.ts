/** Collects the facts: has supervisord's files read, queries supervisord and probes the ports. */

import { dirname, resolve } from 'node:path';
import type { DoctorRequest } from '../cli/flags.ts';
import { quoteWord } from '../cli/shlex.ts';
import type { Configuration, HttpServer, Reading } from '../configuration/configuration.ts';
import { exists, findExecutable, readText, withoutLinks } from '../configuration/files.ts';
import { readAs } from '../configuration/read-running.ts';
import {
  configFileOf,
  findSupervisords,
  readWords,
  type SupervisordProcess,
} from '../configuration/supervisord-process.ts';
import type { RpcClient } from '../rpc/client.ts';
import { parseEndpoint, type SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';
import { InvalidUrlError } from '../util/errors.ts';
import { askAlertmanagers, labelsOf } from './alertmanagers.ts';
import { askPid, askProcesses, askServer, createClient, tryAccess } from './ask.ts';
import type { ExporterFacts, Facts, PortFacts, RpcFacts } from './facts.ts';
import {
  findListeners,
  findRunAsProgram,
  findRunning,
  flagsAfter,
  type Listener,
  supervisorOf,
} from './listener.ts';
import { changedAt, findUser, freeBytes, inspectSocket, kindOf } from './machine.ts';
import { Places } from './places.ts';
import { probePort } from './probe.ts';

/** The environment in which doctor runs. */
export interface Host {
  readonly nodeVersion: string;
  /** The file of the running program. */
  readonly program: string;
  readonly cwd: string;
  readonly hostname: string;
  /** The effective user; undefined where the platform has none. */
  readonly uid: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function collect(request: DoctorRequest, host: Host): Promise<Facts> {
  const { supervisord, candidates } = await chooseSupervisord(request, host);
  const environment = supervisord?.environment ?? host.environment;
  const reading = await readAs(supervisord, request.configFile, host);
  const configuration = reading.kind === 'accepted' ? reading.configuration : undefined;
  const configured = (configuration?.servers ?? []).flatMap((server) =>
    endpointOf(server, host.environment),
  );
  const endpoint = withCredentials(
    chooseEndpoint(
      request.supervisor,
      configuration === undefined ? standardEndpoints(host.environment) : configured,
    ),
    configuration === undefined
      ? []
      : findListeners(configuration, {
          program: host.program,
          environment,
          runningWords: () => undefined,
        }),
  );
  const ask = async (target: SupervisorEndpoint | undefined): Promise<RpcFacts> =>
    target === undefined
      ? { kind: 'not-asked' }
      : askServer(createClient(target, request.supervisorTimeoutMs));
  const rpc = await ask(endpoint);
  const snapshot = rpc.kind === 'answered' ? rpc.snapshot : undefined;
  const search = {
    program: host.program,
    environment,
    runningWords: (group: string) => runningWords(snapshot, group),
  };
  const groups = [...new Set((snapshot?.processes ?? []).map(({ group }) => group))];
  const listeners =
    configuration === undefined
      ? findRunning(groups, search)
      : findListeners(configuration, search);
  const files = filesOf(reading);
  const places = new Places(files.map((file) => ({ file, text: readText(file) ?? '' })));
  const exporters: ExporterFacts[] = [];
  for (const listener of listeners) {
    exporters.push(
      await collectExporter(listener, {
        ...{ rpc, endpoint, request, environment, places, supervisord, host },
      }),
    );
  }
  return {
    nodeVersion: host.nodeVersion,
    candidates,
    reading,
    isEnvironmentKnown: supervisord?.environment !== undefined,
    places,
    supervisorctl: supervisorctlOf(request, configuration, supervisord),
    freeLogBytes: configuration && freeBytes(dirname(configuration.logfile)),
    endpoint,
    others:
      endpoint === undefined || configured.some((other) => isSame(other, endpoint))
        ? []
        : configured,
    socket: endpoint?.kind === 'unix' ? inspectSocket(endpoint.socketPath) : undefined,
    rpc,
    exporters,
    runAsProgram: configuration && findRunAsProgram(configuration, host.program),
  };
}

/** In the order in which supervisord reads them. */
function filesOf(reading: Reading): readonly string[] {
  if (reading.kind === 'no-reader') return [];
  const { path, included } = reading.kind === 'accepted' ? reading.configuration : reading;
  return path === undefined ? included : [path, ...included];
}

interface Choice {
  readonly supervisord: SupervisordProcess | undefined;
  readonly candidates: readonly string[];
}

/** The supervisord of the given file, else that of the given URL, else the only one. */
async function chooseSupervisord(
  { supervisor, supervisorTimeoutMs, configFile }: DoctorRequest,
  host: Host,
): Promise<Choice> {
  const running = findSupervisords().map((supervisord) => ({
    supervisord,
    file: configFileOf(supervisord),
  }));
  const wanted = configFile === undefined ? undefined : resolve(host.cwd, configFile);
  const exact = running.filter(({ file }) => file === wanted);
  const linked = running.filter(
    ({ file }) => file && wanted && withoutLinks(file) === withoutLinks(wanted),
  );
  const [fitting = []] = wanted === undefined ? [running] : [exact, linked].filter(isFilled);
  if (fitting.length < 2) return { supervisord: fitting[0]?.supervisord, candidates: [] };
  const pid = supervisor && (await askPid(createClient(supervisor, supervisorTimeoutMs)));
  const own = fitting.find(({ supervisord }) => supervisord.pid === pid);
  if (own !== undefined) return { supervisord: own.supervisord, candidates: [] };
  const candidates = fitting.map(
    ({ supervisord, file }) => `${supervisord.pid} (${file ?? 'file unknown'})`,
  );
  return { supervisord: undefined, candidates };
}

function isFilled(list: readonly unknown[]): boolean {
  return list.length > 0;
}

/** Has supervisord's own reader read the configuration. */
export async function readConfigurationOf(
  request: DoctorRequest,
  host: Host,
): Promise<{ readonly reading: Reading; readonly environment: Host['environment'] }> {
  const { supervisord } = await chooseSupervisord(request, host);
  const reading = await readAs(supervisord, request.configFile, host);
  return { reading, environment: supervisord?.environment ?? host.environment };
}

/** With the credentials that the configuration has, where it has them in plain text. */
function endpointOf(
  { file, host, port, username, password }: HttpServer,
  environment: Host['environment'],
): SupervisorEndpoint[] {
  const isPlain = username !== undefined && password !== undefined && !password.startsWith('{SHA}');
  const name = host === undefined || host === '' ? 'localhost' : host;
  const url = file === undefined ? `http://${name}:${port}` : `unix://${file}`;
  try {
    const endpoint = parseEndpoint(url, environment);
    return [isPlain ? { ...endpoint, credentials: { username, password } } : endpoint];
  } catch (error) {
    if (error instanceof InvalidUrlError) return [];
    throw error;
  }
}

/** Where distributions and Supervisor's sample have the socket. */
const STANDARD_SOCKETS: readonly string[] = ['/run/supervisor.sock', '/tmp/supervisor.sock'];

/** For a configuration that cannot be read. */
function standardEndpoints(environment: Host['environment']): SupervisorEndpoint[] {
  return STANDARD_SOCKETS.filter(exists).map((path) =>
    parseEndpoint(`unix://${path}`, environment),
  );
}

/** Unix sockets first, as supervisord does. */
function chooseEndpoint(
  given: SupervisorEndpoint | undefined,
  configured: readonly SupervisorEndpoint[],
): SupervisorEndpoint | undefined {
  if (given === undefined) return configured.find(({ kind }) => kind === 'unix') ?? configured[0];
  const same = configured.find((other) => isSame(other, given));
  return { ...given, credentials: given.credentials ?? same?.credentials };
}

/** The configuration may have only a hash of the password; then the exporter's own credentials count. */
function withCredentials(
  endpoint: SupervisorEndpoint | undefined,
  listeners: readonly Listener[],
): SupervisorEndpoint | undefined {
  if (endpoint === undefined || endpoint.credentials !== undefined) return endpoint;
  const same = listeners.map(supervisorOf).find((other) => other && isSame(other, endpoint));
  return { ...endpoint, credentials: same?.credentials };
}

/** One server can have several names: links to a socket, names of this host for a port. */
function isSame(one: SupervisorEndpoint, other: SupervisorEndpoint): boolean {
  if (one.kind === 'unix' && other.kind === 'unix') {
    return withoutLinks(one.socketPath) === withoutLinks(other.socketPath);
  }
  if (one.kind !== 'tcp' || other.kind !== 'tcp' || one.port !== other.port) return false;
  return one.host === other.host || (isLocal(one.host) && isLocal(other.host));
}

function isLocal(host: string): boolean {
  return ['localhost', '0.0.0.0', '::', '::1'].includes(host) || host.startsWith('127.');
}

/** The command line of the first running process of a group. */
function runningWords(
  snapshot: Snapshot | undefined,
  group: string,
): readonly string[] | undefined {
  const process = snapshot?.processes.find((one) => one.group === group && one.pid > 0);
  return process && readWords(`/proc/${process.pid}/cmdline`);
}

/** Files in which supervisorctl finds its supervisord without an argument. */
const STANDARD_FILES: readonly string[] = [
  '/etc/supervisord.conf',
  '/etc/supervisor/supervisord.conf',
];

function supervisorctlOf(
  { configFile }: DoctorRequest,
  configuration: Configuration | undefined,
  supervisord: SupervisordProcess | undefined,
): string {
  const path = configuration?.path ?? configFile ?? (supervisord && configFileOf(supervisord));
  const isFound = configFile === undefined && STANDARD_FILES.includes(path ?? '');
  if (path === undefined || isFound) return 'supervisorctl';
  if (configuration === undefined || configuration.sections.includes('supervisorctl')) {
    return `supervisorctl -c ${quoteWord(path)}`;
  }
  const { serverUrl } = configuration;
  // supervisorctl refuses a file without its section.
  return serverUrl === undefined ? 'supervisorctl' : `supervisorctl -s ${quoteWord(serverUrl)}`;
}

interface Surroundings {
  readonly rpc: RpcFacts;
  readonly endpoint: SupervisorEndpoint | undefined;
  readonly request: DoctorRequest;
  /** That of supervisord. */
  readonly environment: Host['environment'];
  readonly places: Places;
  readonly supervisord: SupervisordProcess | undefined;
  readonly host: Host;
}

async function collectExporter(
  listener: Listener,
  { rpc, endpoint, request, environment, places, supervisord, host }: Surroundings,
): Promise<ExporterFacts> {
  const { settings, section, config } = listener;
  const client: RpcClient | undefined =
    endpoint && createClient(endpoint, request.supervisorTimeoutMs);
  const file = places.section(section)?.file;
  const log = settings?.stdoutLogfile;
  const folder = resolve(supervisord?.cwd ?? host.cwd, settings?.directory ?? '');
  return {
    listener,
    user: settings?.uid === undefined ? undefined : findUser(settings.uid),
    missing: missingOf(listener, environment),
    stdoutLog: log?.startsWith('/') ? kindOf(asSeenBy(supervisord, log)) : undefined,
    access:
      rpc.kind === 'not-asked' ? undefined : await tryAccess(listener, request.supervisorTimeoutMs),
    processes:
      client && rpc.kind === 'answered'
        ? await askProcesses(client, listener.group, rpc.snapshot, (pid) =>
            differencesOf(pid, listener, host.program),
          )
        : undefined,
    ports: config.kind === 'unknown' ? undefined : await probePorts(listener),
    alertmanagers: config.kind === 'valid' ? await askAlertmanagers(config.config, folder) : [],
    alertLabels: config.kind === 'valid' ? labelsOf(config.config, host.hostname) : undefined,
    changedAt: file === undefined ? undefined : changedAt(file),
  };
}

/** The standard streams of supervisord are not those of doctor. */
function asSeenBy(supervisord: SupervisordProcess | undefined, path: string): string {
  const [, name, number] = /^\/dev\/(?:(stdout|stderr)|fd\/(\d+))$/.exec(path) ?? [];
  const descriptor = number ?? (name === 'stdout' ? '1' : '2');
  const isStream = name !== undefined || number !== undefined;
  return isStream && supervisord !== undefined ? `/proc/${supervisord.pid}/fd/${descriptor}` : path;
}

/** What supervisord started this process with, compared with the section. */
function differencesOf(pid: number, listener: Listener, program: string): string[] | undefined {
  const { flags, settings } = listener;
  const words = readWords(`/proc/${pid}/cmdline`);
  const running = words && flagsAfter(words, program);
  if (running === undefined || flags === undefined) return undefined;
  const different = running.join('\0') === flags.join('\0') ? [] : ['command'];
  // Another user's environment cannot be read.
  const variables = readWords(`/proc/${pid}/environ`);
  const isChanged = Object.entries(settings?.environment ?? {}).some(
    ([name, value]) => variables !== undefined && !variables.includes(`${name}=${value}`),
  );
  return isChanged ? [...different, 'environment'] : different;
}

/** Checks the executable, and the exporter's file where that is a separate argument. */
function missingOf(
  { words, settings, flags }: Listener,
  environment: Host['environment'],
): string[] {
  const [executable, ...others] = words;
  if (executable === undefined) return ['the command is empty'];
  const path = settings?.environment['PATH'] ?? environment['PATH'] ?? '';
  const missing: string[] = [];
  if (findExecutable(executable, path) === undefined) {
    missing.push(`${executable} does not exist or is not executable`);
  }
  const file = others[others.length - (flags?.length ?? 0) - 1];
  if (flags !== undefined && file?.startsWith('/') && !exists(file)) {
    missing.push(`${file} does not exist`);
  }
  return missing;
}

async function probePorts({ config }: Listener): Promise<PortFacts[]> {
  if (config.kind !== 'valid') return [];
  const { listenAddresses, telemetryPath } = config.config;
  const fixed = listenAddresses.filter(({ port }) => port !== 0);
  return Promise.all(
    fixed.map(async (address) => ({ address, owner: await probePort(address, telemetryPath) })),
  );
}
