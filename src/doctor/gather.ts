/** Finds the facts: reads supervisord's files, asks supervisord, and looks at the ports. */

import { resolve } from 'node:path';
import type { DoctorRequest } from '../config.ts';
import { RpcClient, RpcError } from '../rpc/client.ts';
import {
  type CredentialsEnvironment,
  describeEndpoint,
  parseEndpoint,
  type SupervisorEndpoint,
} from '../rpc/endpoint.ts';
import { parseSnapshot, SNAPSHOT_CALLS, SnapshotError } from '../rpc/snapshot.ts';
import { serversOf } from './check-server.ts';
import { type Configuration, readConfiguration, type Surroundings } from './configuration.ts';
import type {
  ConfigurationFacts,
  ExporterFacts,
  Facts,
  LoadedFacts,
  PortFacts,
  ProcessFacts,
  RpcFacts,
  RpcFailure,
} from './facts.ts';
import { findListeners, findMisplaced, type Listener } from './listener.ts';
import {
  exists,
  FILES,
  findExecutable,
  findUser,
  lookAtSocket,
  searchPaths,
  writtenAt,
} from './machine.ts';
import { probePort } from './probe.ts';

/** Where doctor runs. */
export interface Host extends Surroundings {
  readonly nodeVersion: string;
  /** The file of this very program. */
  readonly program: string;
  readonly cwd: string;
}

export interface Gathered {
  readonly facts: Facts;
  /** The endpoints that the configuration tells of, the one that supervisord tells its programs first. */
  readonly configured: readonly SupervisorEndpoint[];
}

export async function gather(request: DoctorRequest, host: Host): Promise<Gathered> {
  const configuration = findConfiguration(request, host);
  const read = configuration.kind === 'read' ? configuration.configuration : undefined;
  const configured = read === undefined ? [] : endpointsOf(read, host);
  const [told] = configured;
  const listeners =
    read === undefined ? [] : findListeners(read, host.program, told && describeEndpoint(told));
  const endpoint = withCredentials(request.supervisor ?? told, listeners);
  const socket = endpoint?.kind === 'unix' ? lookAtSocket(endpoint.socketPath) : undefined;
  const client = endpoint && new RpcClient(endpoint, request.supervisorTimeoutMs);
  const rpc: RpcFacts = client === undefined ? { kind: 'not-asked' } : await askServer(client);
  const exporters: ExporterFacts[] = [];
  for (const listener of listeners) {
    exporters.push(await gatherExporter(listener, rpc, client, request.supervisorTimeoutMs, host));
  }
  const misplaced = read && findMisplaced(read, host.program);
  const { nodeVersion } = host;
  const facts = { nodeVersion, configuration, endpoint, socket, rpc, exporters, misplaced };
  return { facts, configured };
}

function findConfiguration({ configFile }: DoctorRequest, host: Host): ConfigurationFacts {
  const looked =
    configFile === undefined
      ? searchPaths(host.cwd, host.environment['PATH'] ?? '')
      : [resolve(host.cwd, configFile)];
  const path = looked.find(exists);
  if (path === undefined) return { kind: 'none', looked };
  return { kind: 'read', configuration: readConfiguration(path, FILES, host) };
}

/** As supervisord tells them to its programs: unix sockets first. */
function endpointsOf(configuration: Configuration, host: Host): SupervisorEndpoint[] {
  const servers = serversOf(configuration);
  const unix = servers.flatMap(({ settings }) => {
    const file = settings.get('file')?.value;
    return file === undefined ? [] : [`unix://${resolve(host.cwd, file)}`];
  });
  const inet = servers.flatMap(({ settings }) => {
    const port = settings.get('port')?.value;
    if (port === undefined) return [];
    const [, host = '', number] = /^(?:(.*):)?(\d+)$/.exec(port) ?? [];
    return [`http://${host === '' || host === '*' ? 'localhost' : host}:${number}`];
  });
  const credentials: CredentialsEnvironment = host.environment;
  return [...unix, ...inet]
    .map((url) => parseEndpoint(url, credentials))
    .filter((endpoint) => typeof endpoint !== 'string');
}

/** Without credentials of its own, doctor tries those that the exporter is given. */
function withCredentials(
  endpoint: SupervisorEndpoint | undefined,
  listeners: readonly Listener[],
): SupervisorEndpoint | undefined {
  if (endpoint === undefined || endpoint.credentials !== undefined) return endpoint;
  const same = listeners
    .map(supervisorOf)
    .find((other) => other && describeEndpoint(other) === describeEndpoint(endpoint));
  return same ?? endpoint;
}

function supervisorOf({ config }: Listener): SupervisorEndpoint | undefined {
  return typeof config === 'string' ? undefined : config.supervisor;
}

async function askServer(client: RpcClient): Promise<RpcFacts> {
  try {
    const calls = SNAPSHOT_CALLS.map((methodName) => ({ methodName, params: [] }));
    return { kind: 'answered', snapshot: parseSnapshot(await client.multicall(calls)) };
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): RpcFailure {
  if (error instanceof RpcError) return { kind: 'failed', why: error.kind, message: error.message };
  if (error instanceof SnapshotError) {
    return { kind: 'failed', why: 'unexpected', message: error.message };
  }
  throw error;
}

async function gatherExporter(
  listener: Listener,
  rpc: RpcFacts,
  client: RpcClient | undefined,
  timeoutMs: number,
  host: Host,
): Promise<ExporterFacts> {
  const { section } = listener;
  const user = section.settings.get('user')?.value;
  return {
    listener,
    user: user === undefined ? undefined : (findUser(user) ?? `there is no user ${user}`),
    missing: missingOf(listener, host),
    access: await tryAccess(listener, rpc, timeoutMs),
    processes: client && (await askProcesses(client, listener, rpc)),
    ports: await probePorts(listener),
    writtenAt: writtenAt(section.place.file),
  };
}

/** The executable, and the file of the exporter where that is another. */
function missingOf({ words, section }: Listener, host: Host): string[] {
  const [executable, ...others] = words;
  if (executable === undefined) return ['it is empty'];
  const path = section.settings.get('environment')?.value.includes('PATH=')
    ? undefined
    : host.environment['PATH'];
  const missing: string[] = [];
  const isKnown = executable.includes('/') || path !== undefined;
  if (isKnown && findExecutable(executable, path ?? '') === undefined) {
    missing.push(`${executable} is not there, or can't be executed`);
  }
  const file = others.find((word) => word.startsWith('/'));
  if (file !== undefined && !exists(file)) missing.push(`${file} is not there`);
  return missing;
}

/** Asks as the exporter would. */
async function tryAccess(
  listener: Listener,
  rpc: RpcFacts,
  timeoutMs: number,
): Promise<ExporterFacts['access']> {
  const endpoint = supervisorOf(listener);
  if (endpoint === undefined || rpc.kind === 'not-asked') return undefined;
  try {
    await new RpcClient(endpoint, timeoutMs).call('supervisor.getSupervisorVersion', []);
    return 'granted';
  } catch (error) {
    return failureOf(error);
  }
}

async function probePorts({ config }: Listener): Promise<PortFacts[]> {
  if (typeof config === 'string') return [];
  const fixed = config.listenAddresses.filter(({ port }) => port !== 0);
  return Promise.all(
    fixed.map(async (address) => ({
      address,
      holder: await probePort(address, config.telemetryPath),
    })),
  );
}

async function askProcesses(
  client: RpcClient,
  { pool }: Listener,
  rpc: RpcFacts,
): Promise<ProcessFacts[] | undefined> {
  if (rpc.kind !== 'answered') return undefined;
  const { now, processes } = rpc.snapshot;
  const own = processes.filter(({ group }) => group === pool);
  const loaded = await ask(client, 'supervisor.getAllConfigInfo', []);
  return Promise.all(
    own.map(async ({ name, state, start }) => {
      const who = `${pool}:${name}`;
      const info = await ask(client, 'supervisor.getProcessInfo', [who]);
      // A device, as in a container, has no end to read.
      const isFile = readString(info, 'stderr_logfile')?.startsWith('/dev/') === false;
      const tail =
        state === 'RUNNING' || !isFile
          ? undefined
          : await ask(client, 'supervisor.tailProcessStderrLog', [who, 0, TAIL_BYTES]);
      return {
        name,
        state,
        start,
        now,
        spawnError: readString(info, 'spawnerr') ?? '',
        lastLines: lastLinesOf(tail),
        loaded: loadedOf(loaded, pool, name),
      };
    }),
  );
}

const TAIL_BYTES = 4096;
const SHOWN_LINES = 3;

/** The answer to a call that not every supervisord knows; undefined where it fails. */
async function ask(
  client: RpcClient,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  try {
    return await client.call(method, params);
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}

/** Of the answer to tailProcessStderrLog: the text, its end in the file, and whether there was more. */
function lastLinesOf(tail: unknown): string[] {
  const text: unknown = Array.isArray(tail) ? tail[0] : undefined;
  if (typeof text !== 'string') return [];
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-SHOWN_LINES);
}

function loadedOf(configs: unknown, group: string, name: string): LoadedFacts | undefined {
  if (!Array.isArray(configs)) return undefined;
  const entry: unknown = configs.find(
    (candidate: unknown) =>
      readString(candidate, 'group') === group && readString(candidate, 'name') === name,
  );
  const command = readString(entry, 'command');
  const priority = readNumber(entry, 'process_prio');
  const startsecs = readNumber(entry, 'startsecs');
  if (command === undefined || priority === undefined || startsecs === undefined) return undefined;
  return { command, priority, startsecs };
}

function readString(value: unknown, member: string): string | undefined {
  const found = readMember(value, member);
  return typeof found === 'string' ? found : undefined;
}

function readNumber(value: unknown, member: string): number | undefined {
  const found = readMember(value, member);
  return typeof found === 'number' ? found : undefined;
}

function readMember(value: unknown, member: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[member];
}
