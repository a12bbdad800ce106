/** Checks of the running exporter: whether it can start, whether it runs, and whether events arrive. */

import { splitWords } from '../cli/shlex.ts';
import { formatAddress } from '../web/address.ts';
import { checkFlags } from './check-section.ts';
import { blockedBy, octal } from './check-server.ts';
import type {
  ExporterFacts,
  ExporterNumbers,
  Facts,
  LoadedFacts,
  PortFacts,
  ProcessFacts,
  RpcFacts,
} from './facts.ts';
import { type Finding, fail, ok, remove, warn, write } from './finding.ts';
import type { Section } from './ini.ts';
import { describeCommand, type Listener } from './listener.ts';

/** Two ticks of a minute each are overdue, as for the exporter's own watchdog. */
const STALE_TICK_SECONDS = 150;
/** An exporter that has run this long has received a tick. */
const FIRST_TICK_SECONDS = 70;

export function checkCommand({ listener, missing }: ExporterFacts): Finding[] {
  const { section } = listener;
  if (missing.length > 0) {
    return missing.map((reason) =>
      fail(
        'command',
        reason,
        `${write(section, 'command=…')} as printed by "supervisor-exporter print-config"`,
      ),
    );
  }
  return [ok('command', describeCommand(listener.words)), ...checkFlags(listener)];
}

/** Whether the exporter may use XML-RPC: its user may open the socket, and its credentials are accepted. */
export function checkAccess(
  exporter: ExporterFacts,
  { socket, rpc }: Pick<Facts, 'socket' | 'rpc'>,
  servers: readonly Section[],
): Finding[] {
  const { listener, user } = exporter;
  const { section } = listener;
  if (user.kind === 'unknown') {
    const fix = `${write(section, 'user=…')} with a user of this host`;
    return [fail('user', `there is no user ${user.name}`, fix)];
  }
  const unix = servers.find(({ name }) => name.startsWith('unix'));
  const blocked = user.kind === 'known' && socket ? blockedBy(user.user, socket) : undefined;
  if (user.kind === 'known' && blocked !== undefined && unix !== undefined) {
    const { name } = user.user;
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
  return checkCredentials(exporter, rpc, servers);
}

function checkCredentials(
  { listener, access, processes, ports }: ExporterFacts,
  rpc: RpcFacts,
  servers: readonly Section[],
): Finding[] {
  const { section } = listener;
  // The exporter may have credentials that its section does not show, from supervisord's environment.
  const isUp =
    isRunning(processes) &&
    ports.some(({ owner }) => owner.kind === 'exporter' && owner.numbers?.isRpcUp);
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

export function checkState(facts: ExporterFacts): Finding[] {
  const { listener, processes } = facts;
  if (processes === undefined) return [];
  if (processes.length === 0) {
    return [
      fail(
        'state',
        `supervisord has not loaded [${listener.section.name}] yet`,
        'supervisorctl update',
      ),
    ];
  }
  return processes.map((process) => checkProcess(listener, process));
}

function checkProcess(listener: Listener, process: ProcessFacts): Finding {
  const { pool } = listener;
  const who = process.name === pool ? pool : `${pool}:${process.name}`;
  const reasons = [process.spawnError, ...process.lastLines].filter((line) => line !== '');
  const why = reasons.length === 0 ? '' : `; ${reasons.join(' | ')}`;
  switch (process.state) {
    case 'RUNNING':
      return ok('state', `${who} is RUNNING`);
    case 'STARTING':
      return warn('state', `${who} is STARTING`, 'run doctor again in a few seconds');
    case 'STOPPED':
    case 'STOPPING':
      return fail(
        'state',
        `${who} is ${process.state}`,
        supervisorctl('start', listener, process.name),
      );
    default:
      return fail(
        'state',
        `${who} is ${process.state}${why}`,
        `remove the cause, then: ${supervisorctl('restart', listener, process.name)}`,
      );
  }
}

/** Whether supervisord runs the configuration that the file has now. */
export function checkConfigDrift({ listener, processes, writtenAt }: ExporterFacts): Finding[] {
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
    const options = different.map((option) => `${option} (${describeLoaded(loaded, option)})`);
    const message = `supervisord is running with a different ${options.join(', ')}`;
    return [fail('loaded', message, 'supervisorctl update')];
  }
  // supervisord does not report which events and buffer size it uses.
  if (writtenAt !== undefined && process.start > 0 && writtenAt > process.start + 1) {
    return [
      warn(
        'loaded',
        `${section.place.file} was modified after the exporter started, so supervisord may be running with an older version of it`,
        `supervisorctl update; if that changes nothing: ${supervisorctl('restart', listener)}`,
      ),
    ];
  }
  return [ok('loaded', 'supervisord is running with this configuration')];
}

function describeLoaded(loaded: LoadedFacts, option: keyof LoadedFacts): string {
  if (option !== 'command') return String(loaded[option]);
  const words = splitWords(loaded.command);
  return words === undefined ? '…' : describeCommand(words);
}

/** Without supervisord's environment, some values cannot be expanded. */
function isUnexpanded(value: string | number): boolean {
  return String(value).includes('%(');
}

export function checkPorts(facts: ExporterFacts): Finding[] {
  return facts.ports.map((port) => checkPort(port, facts));
}

function isRunning(processes: ExporterFacts['processes']): boolean {
  return processes?.some(({ state }) => state === 'RUNNING') ?? false;
}

function checkPort({ address, owner }: PortFacts, { listener, processes }: ExporterFacts): Finding {
  const runs = isRunning(processes);
  const isStarting = processes?.some(({ state }) => state === 'STARTING') ?? false;
  const shown = formatAddress(address);
  const other = `${write(listener.section, 'command=…')} with another --web.listen-address=:PORT`;
  switch (owner.kind) {
    case 'exporter':
      if (runs || isStarting || processes === undefined) {
        return ok('port', `the exporter answers on ${shown}`);
      }
      return fail('port', `${shown} is in use by another supervisor-exporter`, other);
    case 'protected':
      return runs || isStarting || processes === undefined
        ? ok('port', `${shown} answers and requires TLS or a password`)
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
        ? fail('port', `nothing answers on ${shown}`, supervisorctl('tail', listener))
        : ok('port', `${shown} is free`);
    default: {
      const unhandled: never = owner;
      throw new Error(`unhandled owner ${JSON.stringify(unhandled)}`);
    }
  }
}

/** Whether events reach a running exporter, and whether it understands them. */
export function checkFlow({ listener, processes, ports }: ExporterFacts): Finding[] {
  const process = processes?.find(({ state }) => state === 'RUNNING');
  const [numbers] = ports.flatMap(({ owner }) =>
    owner.kind === 'exporter' && owner.numbers !== undefined ? [owner.numbers] : [],
  );
  if (process === undefined || numbers === undefined) return [];
  const findings = [checkArrival(listener, process.now - process.start, numbers)];
  if (numbers.eventsLost > 0) {
    findings.push(
      warn(
        'lost events',
        `supervisord has discarded ${numbers.eventsLost} since the exporter started`,
        `raise buffer_size if the number grows; to reset it: ${supervisorctl('restart', listener)}`,
      ),
    );
  }
  if (numbers.eventsMalformed > 0) {
    findings.push(
      fail(
        'malformed',
        `the exporter could not parse ${numbers.eventsMalformed} events since it started: what they reported is missing`,
        `find the reason in its log: ${supervisorctl('tail', listener)}`,
      ),
    );
  }
  return findings;
}

function checkArrival(listener: Listener, runsFor: number, numbers: ExporterNumbers): Finding {
  const fix = `${supervisorctl('restart', listener)}; if it happens again, find what else writes to the exporter's stdout, such as a shell around it`;
  if (numbers.lastTick !== undefined) {
    const age = Math.round(numbers.now - numbers.lastTick);
    return age > STALE_TICK_SECONDS
      ? fail(
          'delivery',
          `the last tick arrived ${age} s ago: supervisord has stopped sending events`,
          fix,
        )
      : ok('delivery', `events arrive; the last tick ${age} s ago`);
  }
  if (runsFor > FIRST_TICK_SECONDS) {
    return fail('delivery', `no tick has arrived in ${runsFor} s`, fix);
  }
  return ok('delivery', `${numbers.events} events received, waiting for the first tick`);
}

/** Whether more than one section runs the exporter. */
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

/**
 * A supervisorctl command for a process of the listener, or for its whole group. supervisorctl
 * splits its arguments at blanks, so it cannot name a group such as that of `[eventlistener: x]`.
 */
function supervisorctl(
  action: 'start' | 'restart' | 'tail',
  { section, pool }: Listener,
  process = pool,
): string {
  const end = action === 'tail' ? ' stderr' : '';
  const name = process === pool ? pool : `${pool}:${process}`;
  if (!/\s/.test(name)) return `supervisorctl ${action} ${name}${end}`;
  if (action === 'tail') return 'read its stderr_logfile';
  return `remove the blanks from the name [${section.name}], which supervisorctl cannot address, then: supervisorctl update`;
}
