/** Checks of supervisord itself: its configuration, its HTTP server, and XML-RPC. */

import type { Configuration } from '../configuration/configuration.ts';
import { describeEndpoint, type SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Facts, Node, RpcFacts, SocketFacts, User } from './facts.ts';
import { describeSection, type Finding, fail, ok, type Section, warn, write } from './finding.ts';

const OLDEST_NODE = 18;

export function checkNode(version: string): Finding {
  const major = Number(/^v(\d+)\./.exec(version)?.[1]);
  if (major >= OLDEST_NODE) return ok('node', version);
  return fail('node', `${version} is too old`, `install Node ${OLDEST_NODE} or later`);
}

const RPC_FACTORY = 'supervisor.rpcinterface_factory';
const RPC_INTERFACE = `${RPC_FACTORY}=supervisor.rpcinterface:make_main_rpcinterface`;

export function checkServer({ path, servers, interfaces }: Configuration): Finding[] {
  const hasInterface = interfaces.includes('supervisor');
  return [
    servers.length === 0
      ? fail(
          'http server',
          'supervisord has none, so the exporter knows only what events report',
          `add to ${path}: [unix_http_server], below it file=/run/supervisor.sock and chmod=0700; then restart supervisord`,
        )
      : ok('http server', servers.map(({ section }) => `[${section}]`).join(', ')),
    hasInterface
      ? ok('rpc interface', '[rpcinterface:supervisor]')
      : fail(
          'rpc interface',
          'supervisord serves no XML-RPC without [rpcinterface:supervisor]',
          `add to ${path}: [rpcinterface:supervisor], below it ${RPC_INTERFACE}; then restart supervisord`,
        ),
  ];
}

/** Whether the configuration has the endpoint that is queried. */
export function checkEndpoint({ endpoint, others }: Pick<Facts, 'endpoint' | 'others'>): Finding[] {
  if (endpoint === undefined || others.length === 0) return [];
  const names = others.map(describeEndpoint).join(', ');
  return [
    warn(
      'configuration',
      `it has ${names}, but doctor queried ${describeEndpoint(endpoint)}`,
      'name the URL and the file of the same supervisord: --supervisor.url=URL --supervisor.config=FILE',
    ),
  ];
}

export function checkSocket(
  endpoint: SupervisorEndpoint | undefined,
  socket: SocketFacts | undefined,
): Finding[] {
  if (endpoint?.kind !== 'unix' || socket === undefined) return [];
  const path = endpoint.socketPath;
  switch (socket.kind) {
    case 'absent':
      return [
        fail(
          'socket',
          `${path} does not exist: supervisord is not running, or the socket was deleted`,
          'start supervisord; if it is running, restart it, and keep the socket out of folders that are cleaned up, such as /tmp',
        ),
      ];
    case 'hidden':
      return [
        fail(
          'socket',
          `${path}: ${socket.reason}`,
          'run doctor as a user who may read that folder, such as root',
        ),
      ];
    case 'present':
      return [ok('socket', `${path}, mode ${octal(socket.socket)}`)];
    default: {
      const unhandled: never = socket;
      throw new Error(`unhandled socket ${JSON.stringify(unhandled)}`);
    }
  }
}

const WRITE = 0o2;
const SEARCH = 0o1;

/** The node that denies a user the socket: connecting needs `w` on it and `x` on every folder of its path. */
export function blockedBy(user: User, socket: SocketFacts): Node | undefined {
  if (user.uid === 0 || socket.kind !== 'present') return undefined;
  const folder = socket.folders.find((node) => !isAllowed(user, node, SEARCH));
  return folder ?? (isAllowed(user, socket.socket, WRITE) ? undefined : socket.socket);
}

/** The owner's bits apply to the owner only, the group's bits to its members only. */
function isAllowed(user: User, { mode, uid, gid }: Node, bit: number): boolean {
  if (user.uid === uid) return (mode & (bit << 6)) !== 0;
  if (user.gids.includes(gid)) return (mode & (bit << 3)) !== 0;
  return (mode & bit) !== 0;
}

export function octal({ mode }: Node): string {
  return `0${mode.toString(8).padStart(3, '0')}`;
}

/** `servers`: the sections that fixes refer to. */
export function checkRpc(
  rpc: RpcFacts,
  socket: SocketFacts | undefined,
  servers: readonly Section[],
): Finding[] {
  switch (rpc.kind) {
    case 'not-asked':
      return [];
    case 'answered':
      return [ok('xml-rpc', 'answers'), checkVersion(rpc.snapshot.server.version ?? 'unknown')];
    case 'failed':
      // checkSocket has reported it.
      if (socket !== undefined && socket.kind !== 'present') return [];
      return [fail('xml-rpc', rpc.message, fixFor(rpc.why, servers))];
    default: {
      const unhandled: never = rpc;
      throw new Error(`unhandled answer ${JSON.stringify(unhandled)}`);
    }
  }
}

function fixFor(why: (RpcFacts & { kind: 'failed' })['why'], servers: readonly Section[]): string {
  switch (why) {
    case 'ERR_RPC_UNAUTHORIZED':
      return `compare the username and password that doctor used, from the configuration or else from SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD, with ${servers.map(describeCredentials).join(' or ') || 'those of supervisord'}; restart supervisord after a change`;
    case 'ERR_RPC_UNREACHABLE':
      return 'start supervisord, or pass its URL: --supervisor.url=URL';
    case 'forbidden': {
      const unix = servers.find(({ name }) => name.startsWith('unix'));
      const others =
        unix === undefined
          ? ''
          : `; or allow a group: ${write(unix, 'chmod=0770')} and chown=root:GROUP, then restart supervisord`;
      return `run doctor as the owner of the socket, or as root${others}`;
    }
    case 'ERR_RPC_TIMEOUT':
      return 'find what keeps supervisord busy (its log, its CPU time), or raise --supervisor.timeout=30s';
    case 'ERR_RPC_HTTP_STATUS':
    case 'ERR_RPC_FAULT':
    case 'ERR_RPC_NOT_XML_RPC':
    case 'ERR_RPC_UNEXPECTED_VALUE':
      return 'check that the URL is that of supervisord and that its configuration has [rpcinterface:supervisor]';
    default: {
      const unhandled: never = why;
      throw new Error(`unhandled failure ${unhandled}`);
    }
  }
}

function describeCredentials(section: Section): string {
  return `[${section.name}] (${describeSection(section, 'password')})`;
}

function checkVersion(version: string): Finding {
  if (/^(?:3\.[3-9]|4)\./.test(version)) return ok('supervisord', version);
  return warn(
    'supervisord',
    `${version} is not tested with this exporter`,
    'use Supervisor 4, or at least 3.3',
  );
}
