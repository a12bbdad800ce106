/** Finds the facts: reads supervisord's files, asks supervisord, and looks at the ports. */

import { resolve } from 'node:path';
import type { DoctorRequest } from '../cli/flags.ts';
import type { RpcClient } from '../rpc/client.ts';
import {
  type CredentialsEnvironment,
  describeEndpoint,
  parseEndpoint,
  type SupervisorEndpoint,
} from '../rpc/endpoint.ts';
import { InvalidUrlError } from '../util/errors.ts';
import { askProcesses, askServer, createClient, tryAccess } from './ask.ts';
import { serversOf } from './check-server.ts';
import { type Configuration, readConfiguration, type Surroundings } from './configuration.ts';
import type { ConfigurationFacts, ExporterFacts, Facts, PortFacts, RpcFacts } from './facts.ts';
import { findListeners, findMisplaced, type Listener, supervisorOf } from './listener.ts';
import {
  exists,
  FILES,
  findExecutable,
  findUser,
  lookAtSocket,
  searchPaths,
  withoutLinks,
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

export async function gather(request: DoctorRequest, host: Host): Promise<Facts> {
  const configuration = findConfiguration(request, host);
  const read = configuration.kind === 'read' ? configuration.configuration : undefined;
  const configured = read === undefined ? [] : endpointsOf(read, host);
  const [told] = configured;
  const listeners =
    read === undefined ? [] : findListeners(read, host.program, told && describeEndpoint(told));
  const endpoint = withCredentials(request.supervisor ?? told, listeners);
  const socket = endpoint?.kind === 'unix' ? lookAtSocket(endpoint.socketPath) : undefined;
  const client = endpoint && createClient(endpoint, request.supervisorTimeoutMs);
  const rpc: RpcFacts = client === undefined ? { kind: 'not-asked' } : await askServer(client);
  const exporters: ExporterFacts[] = [];
  for (const listener of listeners) {
    exporters.push(await gatherExporter(listener, rpc, client, request.supervisorTimeoutMs, host));
  }
  const misplaced = read && findMisplaced(read, host.program);
  const { nodeVersion } = host;
  const isOwn = endpoint && configured.some((other) => isSame(other, endpoint));
  const others = isOwn ? [] : configured;
  return { nodeVersion, configuration, endpoint, others, socket, rpc, exporters, misplaced };
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
  return [...unix, ...inet].flatMap((url) => {
    try {
      return [parseEndpoint(url, credentials)];
    } catch (error) {
      if (error instanceof InvalidUrlError) return [];
      throw error;
    }
  });
}

/** A server has many names: links lead to a socket, and many hosts to a port. */
function isSame(one: SupervisorEndpoint, other: SupervisorEndpoint): boolean {
  if (one.kind === 'unix' && other.kind === 'unix') {
    return withoutLinks(one.socketPath) === withoutLinks(other.socketPath);
  }
  return one.kind === 'tcp' && other.kind === 'tcp' && one.port === other.port;
}

/** Without credentials of its own, doctor tries those that the exporter is given. */
function withCredentials(
  endpoint: SupervisorEndpoint | undefined,
  listeners: readonly Listener[],
): SupervisorEndpoint | undefined {
  if (endpoint === undefined || endpoint.credentials !== undefined) return endpoint;
  const same = listeners.map(supervisorOf).find((other) => other && isSame(other, endpoint));
  return same ?? endpoint;
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
    access: rpc.kind === 'not-asked' ? undefined : await tryAccess(listener, timeoutMs),
    processes:
      client && rpc.kind === 'answered'
        ? await askProcesses(client, listener.pool, rpc.snapshot)
        : undefined,
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
