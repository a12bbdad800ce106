/** Checks of the exporter: whether it can start, and whether it runs with this configuration. */

import type { Configuration } from '../configuration/configuration.ts';
import { formatAddress, isLoopback } from '../util/address.ts';
import { blockedBy, octal } from './check-server.ts';
import type { Control } from './control.ts';
import type { ExporterFacts, Facts, PortFacts, ProcessFacts, RpcFacts } from './facts.ts';
import {
  describeSection,
  type Finding,
  fail,
  ok,
  remove,
  type Section,
  warn,
  write,
} from './finding.ts';
import { describeCommand, type Listener } from './listener.ts';

export function checkCommand(section: Section, { listener, missing }: ExporterFacts): Finding[] {
  if (missing.length > 0) {
    return missing.map((reason) =>
      fail(
        'command',
        reason,
        `${write(section, 'command=…')} as printed by "supervisor-exporter print-config"`,
      ),
    );
  }
  return [ok('command', describeCommand(listener.words)), ...checkFlags(section, listener)];
}

export function checkFlags(section: Section, { config }: Listener): Finding[] {
  if (config.kind !== 'invalid') return [];
  return [
    fail(
      'flags',
      `the exporter will not start: ${config.reason}`,
      `${write(section, 'command=…')} with flags that "supervisor-exporter --help" lists`,
    ),
  ];
}

/** Whether log tails are shown over HTTP: logs may hold secrets. */
export function checkLogTail(section: Section, { listener, ports }: ExporterFacts): Finding[] {
  const { config } = listener;
  if (config.kind !== 'valid' || config.config.logTailBytes === 0) return [];
  const { listenAddresses, webConfigFile } = config.config;
  if (listenAddresses.every(({ host }) => isLoopback(host))) {
    return [ok('log tail', 'shown over HTTP only on this host')];
  }
  const owners = (ports ?? []).map(({ owner }) => owner.kind);
  if (webConfigFile === undefined || owners.includes('exporter')) {
    return [
      warn(
        'log tail',
        'not shown over HTTP, because every client that reaches the port could read log tails',
        `${write(section, 'command=…')} with a --web.config.file that has basic_auth_users, or with --web.listen-address=127.0.0.1:PORT`,
      ),
    ];
  }
  return owners.includes('protected')
    ? [ok('log tail', 'shown over HTTP to clients with credentials')]
    : [];
}

/** Whether the exporter may use XML-RPC: its user may open the socket, and its credentials are accepted. */
export function checkAccess(
  section: Section,
  exporter: ExporterFacts,
  { socket, rpc }: Pick<Facts, 'socket' | 'rpc'>,
  servers: readonly Section[],
): Finding[] {
  const { user } = exporter;
  const unix = servers.find(({ name }) => name.startsWith('unix'));
  const blocked = user && socket && blockedBy(user, socket);
  if (user !== undefined && blocked !== undefined && unix !== undefined) {
    const { name } = user;
    const isSocket = socket?.kind === 'present' && blocked === socket.socket;
    return [
      fail(
        'user',
        `${name}, the user of the exporter, cannot reach the socket because of ${blocked.path}, mode ${octal(blocked)}`,
        isSocket
          ? `${write(unix, `chown=${name}`)}, then restart supervisord; or ${remove(section, 'user')}`
          : `chmod o+x ${blocked.path}; or ${remove(section, 'user')}`,
      ),
    ];
  }
  return checkCredentials(section, exporter, rpc, servers);
}

function checkCredentials(
  section: Section,
  { access, processes, ports }: ExporterFacts,
  rpc: RpcFacts,
  servers: readonly Section[],
): Finding[] {
  // The exporter may have credentials that its section does not show, from supervisord's environment.
  const isUp =
    isRunning(processes) &&
    (ports ?? []).some(({ owner }) => owner.kind === 'exporter' && owner.numbers?.isRpcUp);
  if (access === undefined) return [];
  if (access === 'granted' || isUp) return [ok('access', 'the exporter can use XML-RPC')];
  if (access.why === 'ERR_RPC_UNAUTHORIZED') {
    const names = servers.map(({ name }) => `[${name}]`).join(' or ');
    return [
      fail(
        'access',
        `the exporter lacks the username and password that ${names} requires`,
        write(section, 'environment=SUPERVISOR_USERNAME="…",SUPERVISOR_PASSWORD="…"'),
      ),
    ];
  }
  // Otherwise doctor's own call failed too, and checkRpc has reported it.
  if (rpc.kind !== 'answered') return [];
  return [
    fail(
      'access',
      `the exporter cannot use XML-RPC: ${access.message}`,
      `${write(section, 'command=…')} without --supervisor.url, or with the correct one`,
    ),
  ];
}

export function checkState(exporter: ExporterFacts, control: Control): Finding[] {
  const { listener, processes } = exporter;
  if (processes === undefined) return [];
  if (processes.length > 0) return processes.map((process) => checkProcess(process, control));
  const message = `supervisord has not loaded [${listener.section}] yet`;
  return [fail('state', message, control.update)];
}

function checkProcess(process: ProcessFacts, control: Control): Finding {
  const who = control.nameOf(process.name);
  const reasons = [process.spawnError, ...process.lastLines].filter((line) => line !== '');
  const why = reasons.length === 0 ? '' : `; ${reasons.join(' | ')}`;
  switch (process.state) {
    case 'RUNNING':
      return ok('state', `${who} is RUNNING`);
    case 'STARTING':
      return warn('state', `${who} is STARTING`, 'run doctor again in a few seconds');
    case 'STOPPED':
    case 'STOPPING':
      return fail('state', `${who} is ${process.state}`, control.run('start', process.name));
    default:
      return fail(
        'state',
        `${who} is ${process.state}${why}`,
        `remove the cause, then: ${control.run('restart', process.name)}`,
      );
  }
}

/** Whether supervisord runs the configuration that the file has now. */
export function checkLoaded(
  section: Section,
  { listener, processes, changedAt }: ExporterFacts,
  control: Control,
): Finding[] {
  const process = processes?.find(({ state }) => state === 'RUNNING') ?? processes?.[0];
  if (process === undefined) return [];
  const { loaded, differences } = process;
  const { settings } = listener;
  const unread = (['command', 'priority', 'startsecs'] as const).filter(
    (option) => loaded !== undefined && settings?.[option] !== loaded[option],
  );
  const different = [...unread, ...(differences ?? [])];
  if (different.length > 0) {
    const message = `supervisord is running with a different ${[...new Set(different)].join(', ')}`;
    const fix = `${control.update}; if that changes nothing: ${control.run('restart')}`;
    return [fail('loaded', message, unread.length > 0 ? control.update : fix)];
  }
  // supervisord does not report which events and buffer size it uses.
  if (changedAt !== undefined && process.start > 0 && changedAt > process.start + 1) {
    return [
      warn(
        'loaded',
        `${describeSection(section)} changed after the exporter started, so supervisord may be running with an older version of it`,
        `${control.update}; if that changes nothing: ${control.run('restart')}`,
      ),
    ];
  }
  if (loaded === undefined && differences === undefined) {
    return [
      warn(
        'loaded',
        'doctor cannot find out which configuration is in use',
        `run doctor as root; to be sure: ${control.update}`,
      ),
    ];
  }
  return [ok('loaded', 'supervisord is running with this configuration')];
}

/** Groups of the configuration that supervisord does not have, and the reverse. */
export function checkGroups(
  { groups }: Configuration,
  rpc: RpcFacts,
  exporters: readonly ExporterFacts[],
  update: string,
): Finding[] {
  if (rpc.kind !== 'answered') return [];
  const active = rpc.snapshot.processes.map(({ group }) => group);
  const written = groups.filter(({ processes }) => processes.length > 0).map(({ name }) => name);
  const own = exporters.map(({ listener }) => listener.group);
  const missing = written.filter((name) => !active.includes(name) && !own.includes(name));
  const extra = [...new Set(active)].filter((name) => !written.includes(name));
  const parts = [
    missing.length === 0 ? [] : [`supervisord has not loaded ${missing.join(', ')}`],
    extra.length === 0
      ? []
      : [`supervisord still runs ${extra.join(', ')}, which the configuration lacks`],
  ].flat();
  return parts.length === 0 ? [] : [warn('groups', parts.join('; '), update)];
}

export function checkPorts(
  section: Section,
  { ports, processes }: ExporterFacts,
  control: Control,
): Finding[] {
  if (ports !== undefined) {
    return ports.map((port) => checkPort(section, port, processes, control));
  }
  return [
    warn(
      'port',
      'a shell computes the flags of the exporter, so its port is not known',
      `${write(section, 'command=…')} without a shell`,
    ),
  ];
}

function isRunning(processes: ExporterFacts['processes']): boolean {
  return processes?.some(({ state }) => state === 'RUNNING') ?? false;
}

function checkPort(
  section: Section,
  { address, owner }: PortFacts,
  processes: ExporterFacts['processes'],
  control: Control,
): Finding {
  const runs = isRunning(processes);
  const isStarting = processes?.some(({ state }) => state === 'STARTING') ?? false;
  const isOwn = runs || isStarting || processes === undefined;
  const shown = formatAddress(address);
  const other = `${write(section, 'command=…')} with another --web.listen-address=:PORT`;
  switch (owner.kind) {
    case 'exporter':
      if (!isOwn) return fail('port', `${shown} is in use by another supervisor-exporter`, other);
      return owner.numbers === undefined
        ? warn(
            'port',
            `the exporter answers on ${shown}, but its metrics cannot be read`,
            `find the reason in its log: ${control.run('tail')}`,
          )
        : ok('port', `the exporter answers on ${shown}`);
    case 'protected':
      return isOwn
        ? warn(
            'port',
            `${shown} requires a password or a certificate, so whether events arrive was not checked`,
            'look at supervisord_exporter_synced and supervisord_exporter_last_tick_timestamp_seconds in Prometheus',
          )
        : fail('port', `${shown} is in use by another program`, other);
    case 'other':
      return runs
        ? warn(
            'port',
            `${shown} is answered by something other than an exporter`,
            'find the owner of the port: ss -ltnp',
          )
        : fail('port', `${shown} is in use by another program`, other);
    case 'unusable':
      return fail('port', `${shown} cannot be used: ${owner.reason}`, other);
    case 'free':
      return runs
        ? fail('port', `nothing answers on ${shown}`, control.run('tail'))
        : ok('port', `${shown} is free`);
    default: {
      const unhandled: never = owner;
      throw new Error(`unhandled owner ${JSON.stringify(unhandled)}`);
    }
  }
}

/** Whether more than one section runs the exporter. */
export function checkAlone(
  exporters: Facts['exporters'],
  sectionOf: (name: string) => Section,
): Finding[] {
  const [first, second] = exporters;
  if (first === undefined || second === undefined) return [];
  const names = exporters.map(({ listener }) => `[${listener.section}]`);
  const { section } = second.listener;
  return [
    warn(
      'section',
      `${names.join(' and ')} both run the exporter`,
      `keep one: remove [${section}], ${describeSection(sectionOf(section))}`,
    ),
  ];
}
