/** Checks of the exporter as it runs: may it start, does it, and do events reach it. */

import { formatAddress } from '../web/address.ts';
import { checkFlags } from './check-section.ts';
import { obstacleFor, octal } from './check-server.ts';
import type {
  ExporterFacts,
  ExporterNumbers,
  Facts,
  PortFacts,
  ProcessFacts,
  RpcFacts,
} from './facts.ts';
import { type Finding, fail, ok, remove, warn, write } from './finding.ts';
import type { Section } from './ini.ts';

/** Two ticks of a minute each were due, as for the exporter's own watchdog. */
const STALE_TICK_SECONDS = 150;
/** So long after its start an exporter has had a tick. */
const FIRST_TICK_SECONDS = 70;

export function checkCommand({ listener, missing }: ExporterFacts): Finding[] {
  const { section } = listener;
  const command = section.settings.get('command')?.value ?? '';
  if (missing.length > 0) {
    return missing.map((reason) =>
      fail(
        'command',
        reason,
        `${write(section, 'command=…')} as "supervisor-exporter print-config" has it`,
      ),
    );
  }
  return [ok('command', command), ...checkFlags(listener)];
}

/** Whether the exporter may use XML-RPC: its user the socket, and its credentials. */
export function checkAccess(
  exporter: ExporterFacts,
  { socket, rpc }: Pick<Facts, 'socket' | 'rpc'>,
  servers: readonly Section[],
): Finding[] {
  const { listener, user } = exporter;
  const { section } = listener;
  if (typeof user === 'string') {
    return [fail('user', user, `${write(section, 'user=…')} with one that there is`)];
  }
  const unix = servers.find(({ name }) => name.startsWith('unix'));
  const obstacle = user && socket && obstacleFor(user, socket);
  if (user !== undefined && obstacle !== undefined && unix !== undefined) {
    const isSocket = socket?.kind === 'present' && obstacle === socket.socket;
    return [
      fail(
        'user',
        `${user.name}, who runs the exporter, is kept from the socket by ${obstacle.path}, mode ${octal(obstacle)}`,
        isSocket
          ? `${write(unix, `chown=${user.name}`)}, then restart supervisord; or ${remove(section, 'user')}`
          : `chmod o+x ${obstacle.path}; or ${remove(section, 'user')}`,
      ),
    ];
  }
  return checkCredentials(exporter, rpc, servers);
}

function checkCredentials(
  { listener, access, processes, ports }: ExporterFacts,
  rpc: RpcFacts,
  servers: readonly Section[],
): Finding[] {
  const { section } = listener;
  // The exporter itself knows best: what is in its environment need not stand in its section.
  const isUp =
    isRunning(processes) &&
    ports.some(({ holder }) => holder.kind === 'exporter' && holder.numbers?.isRpcUp);
  if (access === undefined) return [];
  if (access === 'granted' || isUp) return [ok('access', 'the exporter may use XML-RPC')];
  if (access.why === 'ERR_RPC_UNAUTHORIZED') {
    const names = servers.map(({ name }) => `[${name}]`).join(' or ');
    return [
      fail(
        'access',
        `the exporter has not the username and password that ${names} wants`,
        write(section, 'environment=SUPERVISOR_USERNAME="…",SUPERVISOR_PASSWORD="…"'),
      ),
    ];
  }
  // Otherwise doctor has had the same answer, and it has been said.
  if (rpc.kind !== 'answered') return [];
  return [
    fail(
      'access',
      `the exporter can't use XML-RPC: ${access.message}`,
      `${write(section, 'command=…')} without --supervisor.url, or with the right one`,
    ),
  ];
}

export function checkState(facts: ExporterFacts): Finding[] {
  const { listener, processes } = facts;
  if (processes === undefined) return [];
  if (processes.length === 0) {
    return [
      fail(
        'state',
        `supervisord does not know [${listener.section.name}] yet`,
        'supervisorctl update',
      ),
    ];
  }
  return processes.map((process) => checkProcess(listener.pool, process));
}

function checkProcess(pool: string, process: ProcessFacts): Finding {
  const who = process.name === pool ? pool : `${pool}:${process.name}`;
  const reasons = [process.spawnError, ...process.lastLines].filter((line) => line !== '');
  const why = reasons.length === 0 ? '' : `; ${reasons.join(' | ')}`;
  switch (process.state) {
    case 'RUNNING':
      return ok('state', `${who} is RUNNING`);
    case 'STARTING':
      return warn('state', `${who} is STARTING`, 'ask doctor again in a moment');
    case 'STOPPED':
    case 'STOPPING':
      return fail('state', `${who} is ${process.state}`, `supervisorctl start ${who}`);
    default:
      return fail(
        'state',
        `${who} is ${process.state}${why}`,
        `remove the cause, then: supervisorctl restart ${who}`,
      );
  }
}

/** Whether what supervisord goes by is what stands in the file. */
export function checkDrift({ listener, processes, writtenAt }: ExporterFacts): Finding[] {
  const { section } = listener;
  const [process] = processes ?? [];
  if (process?.loaded === undefined) return [];
  const written = {
    command: section.settings.get('command')?.value ?? '',
    priority: Number(section.settings.get('priority')?.value ?? 999),
    startsecs: Number(section.settings.get('startsecs')?.value ?? 1),
  };
  const { loaded } = process;
  const different = (['command', 'priority', 'startsecs'] as const).filter(
    (option) => written[option] !== loaded[option] && !isUnexpanded(written[option]),
  );
  if (different.length > 0) {
    const options = different.map((option) => `${option} (${loaded[option]})`).join(', ');
    return [fail('loaded', `supervisord goes by another ${options}`, 'supervisorctl update')];
  }
  // What events and what buffer it goes by, supervisord does not tell.
  if (writtenAt !== undefined && process.start > 0 && writtenAt > process.start + 1) {
    return [
      warn(
        'loaded',
        `${section.place.file} was written after the exporter was started, and may not be what it goes by`,
        `supervisorctl update; where that changes nothing: supervisorctl restart ${listener.pool}`,
      ),
    ];
  }
  return [ok('loaded', 'supervisord goes by what is written')];
}

/** A value that can't be expanded without supervisord's environment stands as it is written. */
function isUnexpanded(value: string | number): boolean {
  return String(value).includes('%(');
}

export function checkPorts(facts: ExporterFacts): Finding[] {
  return facts.ports.map((port) => checkPort(port, facts));
}

function isRunning(processes: ExporterFacts['processes']): boolean {
  return processes?.some(({ state }) => state === 'RUNNING') ?? false;
}

function checkPort(
  { address, holder }: PortFacts,
  { listener, processes }: ExporterFacts,
): Finding {
  const runs = isRunning(processes);
  const isStarting = processes?.some(({ state }) => state === 'STARTING') ?? false;
  const shown = formatAddress(address);
  const other = `${write(listener.section, 'command=…')} with another --web.listen-address=:PORT`;
  switch (holder.kind) {
    case 'exporter':
      if (runs || isStarting || processes === undefined) {
        return ok('port', `the exporter answers on ${shown}`);
      }
      return fail('port', `${shown} is taken by another supervisor-exporter`, other);
    case 'guarded':
      return runs || isStarting || processes === undefined
        ? ok('port', `${shown} answers, and wants TLS or a password`)
        : fail('port', `${shown} is taken by another program`, other);
    case 'stranger':
      return runs
        ? warn('port', `${shown} answers, and not as an exporter`, 'see who has the port: ss -ltnp')
        : fail('port', `${shown} is taken by another program`, other);
    case 'unusable':
      return fail('port', `${shown} can't be listened on: ${holder.reason}`, other);
    case 'nobody':
      return runs
        ? fail('port', `nobody answers on ${shown}`, `supervisorctl tail ${listener.pool} stderr`)
        : ok('port', `${shown} is free`);
    default: {
      const unhandled: never = holder;
      throw new Error(`unhandled holder ${JSON.stringify(unhandled)}`);
    }
  }
}

/** Whether events reach an exporter that runs. */
export function checkFlow({ listener, processes, ports }: ExporterFacts): Finding[] {
  const process = processes?.find(({ state }) => state === 'RUNNING');
  const [numbers] = ports.flatMap(({ holder }) =>
    holder.kind === 'exporter' && holder.numbers !== undefined ? [holder.numbers] : [],
  );
  if (process === undefined || numbers === undefined) return [];
  const findings = [checkArrival(listener.pool, process.now - process.start, numbers)];
  if (numbers.eventsLost > 0) {
    findings.push(
      warn(
        'lost events',
        `supervisord has discarded ${numbers.eventsLost} in this life of the exporter`,
        `raise buffer_size if it happens again; supervisorctl restart ${listener.pool} begins a new account`,
      ),
    );
  }
  return findings;
}

function checkArrival(pool: string, runsFor: number, numbers: ExporterNumbers): Finding {
  const anew = `supervisorctl restart ${pool}; if it comes again, see what else writes to the exporter's stdout, such as a shell around it`;
  if (numbers.lastTick !== undefined) {
    const age = Math.round(numbers.now - numbers.lastTick);
    return age > STALE_TICK_SECONDS
      ? fail(
          'delivery',
          `the last tick came ${age} s ago: supervisord does not send any more`,
          anew,
        )
      : ok('delivery', `they come; the last tick ${age} s ago`);
  }
  if (runsFor > FIRST_TICK_SECONDS) {
    return fail('delivery', `no tick has come in ${runsFor} s`, anew);
  }
  return ok('delivery', `${numbers.events} have come; the first tick is still to`);
}

/** Two sections that run the exporter. */
export function checkAlone(exporters: Facts['exporters']): Finding[] {
  const [first, second] = exporters;
  if (first === undefined || second === undefined) return [];
  return [
    warn(
      'section',
      `${exporters.map(({ listener }) => `[${listener.section.name}]`).join(' and ')} both run the exporter`,
      `keep one: remove [${second.listener.section.name}] in ${second.listener.section.place.file}`,
    ),
  ];
}
