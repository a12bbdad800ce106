/** Collects the facts: reads supervisord's files, queries supervisord and probes the ports. */

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
import type {
  ConfigurationFacts,
  ExporterFacts,
  Facts,
  PortFacts,
  RpcFacts,
  UserFacts,
} from './facts.ts';
import { findListeners, findRunAsProgram, type Listener, supervisorOf } from './listener.ts';
import {
  exists,
  FILES,
  findExecutable,
  findUser,
  inspectSocket,
  searchPaths,
  withoutLinks,
  writtenAt,
} from './machine.ts';
import { probePort } from './probe.ts';

/** The environment in which doctor runs. */
export interface Host extends Surroundings {
  readonly nodeVersion: string;
  /** The file of the running program. */
  readonly program: string;
  readonly cwd: string;
}

export async function collect(request: DoctorRequest, host: Host): Promise<Facts> {
  const configuration = findConfiguration(request, host);
  const read = configuration.kind === 'read' ? configuration.configuration : undefined;
  const configured = read === undefined ? [] : endpointsOf(read, host);
  const [first] = configured;
  const listeners =
    read === undefined ? [] : findListeners(read, host.program, first && describeEndpoint(first));
  const endpoint = withCredentials(request.supervisor ?? first, listeners);
  const socket = endpoint?.kind === 'unix' ? inspectSocket(endpoint.socketPath) : undefined;
  const client = endpoint && createClient(endpoint, request.supervisorTimeoutMs);
  const rpc: RpcFacts = client === undefined ? { kind: 'not-asked' } : await askServer(client);
  const exporters: ExporterFacts[] = [];
  for (const listener of listeners) {
    exporters.push(await collectExporter(listener, rpc, client, request.supervisorTimeoutMs, host));
  }
  const runAsProgram = read && findRunAsProgram(read, host.program);
  const { nodeVersion } = host;
  const isOwn = endpoint && configured.some((other) => isSame(other, endpoint));
  const others = isOwn ? [] : configured;
  return { nodeVersion, configuration, endpoint, others, socket, rpc, exporters, runAsProgram };
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

/** In supervisord's own order: unix sockets first. */
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

/** One server can have several names: links to a socket, host names for a port. */
function isSame(one: SupervisorEndpoint, other: SupervisorEndpoint): boolean {
  if (one.kind === 'unix' && other.kind === 'unix') {
    return withoutLinks(one.socketPath) === withoutLinks(other.socketPath);
  }
  return one.kind === 'tcp' && other.kind === 'tcp' && one.port === other.port;
}

/** Without credentials of its own, doctor uses those of the exporter. */
function withCredentials(
  endpoint: SupervisorEndpoint | undefined,
  listeners: readonly Listener[],
): SupervisorEndpoint | undefined {
  if (endpoint === undefined || endpoint.credentials !== undefined) return endpoint;
  const same = listeners.map(supervisorOf).find((other) => other && isSame(other, endpoint));
  return same ?? endpoint;
}

async function collectExporter(
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
    user: readUser(user),
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

function readUser(name: string | undefined): UserFacts {
  if (name === undefined) return { kind: 'default' };
  const user = findUser(name);
  return user === undefined ? { kind: 'unknown', name } : { kind: 'known', user };
}

/** Checks the executable, and the exporter's file where that is a separate argument. */
function missingOf({ words, section }: Listener, host: Host): string[] {
  const [executable, ...others] = words;
  if (executable === undefined) return ['the command is empty'];
  const path = section.settings.get('environment')?.value.includes('PATH=')
    ? undefined
    : host.environment['PATH'];
  const missing: string[] = [];
  const isKnown = executable.includes('/') || path !== undefined;
  if (isKnown && findExecutable(executable, path ?? '') === undefined) {
    missing.push(`${executable} does not exist or is not executable`);
  }
  const file = others.find((word) => word.startsWith('/'));
  if (file !== undefined && !exists(file)) missing.push(`${file} does not exist`);
  return missing;
}

async function probePorts({ config }: Listener): Promise<PortFacts[]> {
  if (config.kind === 'invalid') return [];
  const { listenAddresses, telemetryPath } = config.config;
  const fixed = listenAddresses.filter(({ port }) => port !== 0);
  return Promise.all(
    fixed.map(async (address) => ({
      address,
      owner: await probePort(address, telemetryPath),
    })),
  );
}
