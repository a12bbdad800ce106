/** Checks of the settings in the exporter's section. */

import type { Configuration } from '../configuration/configuration.ts';
import type { FileKind } from './facts.ts';
import { type Finding, fail, ok, remove, type Section, warn, write } from './finding.ts';
import type { ListenerSettings } from './listener.ts';

/** The events that the exporter needs, and why. */
const EVENTS = {
  PROCESS_STATE: 'every state change; nothing is counted without it',
  PROCESS_GROUP: 'groups that are added and removed',
  REMOTE_COMMUNICATION: 'the position of snapshots and of exit codes from XML-RPC among the events',
  SUPERVISOR_STATE_CHANGE: 'start and shutdown of supervisord',
  TICK_60: 'a snapshot each minute, and whether events still arrive',
} as const;

export function checkEvents(
  section: Section,
  { pool }: ListenerSettings,
  { eventKinds }: Configuration,
): Finding {
  const isCovered = (event: string): boolean => {
    if (pool.received.includes(event)) return true;
    const kinds = eventKinds[event] ?? [];
    return kinds.length > 0 && kinds.every((kind) => pool.received.includes(kind));
  };
  const missing = Object.entries(EVENTS).filter(([event]) => !isCovered(event));
  if (missing.length === 0) return ok('events', pool.events.join(','));
  const added = missing.map(([event]) => event);
  // Leave out what a more general name includes.
  const kept = pool.events.filter(
    (event) => !added.some((name) => eventKinds[name]?.includes(event)),
  );
  const purposes = missing.map(([event, purpose]) => `${event} (${purpose})`);
  return fail(
    'events',
    `missing: ${purposes.join(', ')}`,
    write(section, `events=${[...kept, ...added].join(',')}`),
  );
}

/** The value of the shipped section, which fixes suggest. */
const GOOD_BUFFER = 8192;
const SMALL_BUFFER = 1024;
/** At startup each process causes two events, more if it fails, before the first one is sent. */
export const EVENTS_A_PROCESS = 4;

/** `processes`: how many supervisord has; 0 where that is not known. */
export function checkBuffer(
  section: Section,
  { pool }: ListenerSettings,
  processes: number,
): Finding {
  const size = pool.bufferSize;
  const wanted = Math.max(SMALL_BUFFER, processes * EVENTS_A_PROCESS);
  if (size >= wanted) return ok('buffer_size', String(size));
  const isDefault = section.places.option(section.name, 'buffer_size') === undefined;
  const good = Math.max(GOOD_BUFFER, wanted);
  return fail(
    'buffer_size',
    `${size}${isDefault ? ', the default' : ''}: supervisord discards the oldest event when more are queued, for example when many processes start at once`,
    write(section, `buffer_size=${good}`),
  );
}

const SHIPPED_PRIORITY = -9876;

export function checkPriority(
  section: Section,
  settings: ListenerSettings,
  { groups }: Configuration,
): Finding {
  const { group, priority } = settings;
  const listeners = groups.filter(({ pool }) => pool !== undefined);
  const others = listeners.filter(
    ({ name, processes }) =>
      name !== group && processes.some((process) => process.priority === priority),
  );
  if (others.length === 0) return ok('priority', `${priority}, not used by another listener`);
  const names = others.map(({ name }) => `[eventlistener:${name}]`).join(', ');
  const isSet = section.places.option(section.name, 'priority') !== undefined;
  const taken = listeners.flatMap(({ processes }) => processes.map((process) => process.priority));
  let free = SHIPPED_PRIORITY;
  while (taken.includes(free)) free -= 1;
  return warn(
    'priority',
    `${isSet ? priority : `not set (${priority})`}, the same as ${names}: an event that one of them rejects is sent to the others again`,
    write(section, `priority=${free}`),
  );
}

/** supervisord keeps groups by name and silently drops the second of the same name. */
export function checkName(
  section: Section,
  { group }: ListenerSettings,
  { sections }: Configuration,
): Finding[] {
  const others = sections.filter(
    (name) =>
      name !== section.name &&
      ['program', 'fcgi-program', 'group'].some((kind) => name === `${kind}:${group}`),
  );
  if (others.length === 0) return [];
  const names = others.map((name) => `[${name}]`).join(' and ');
  const free = freeName(sections.map((name) => name.slice(name.indexOf(':') + 1)));
  return [
    fail(
      'name',
      `${names} has the same name as [${section.name}]: supervisord runs only one of them, and "supervisorctl update" stops the other`,
      `rename [${section.name}] to [eventlistener:${free}]`,
    ),
  ];
}

const NAMES: readonly string[] = ['exporter', 'supervisor-exporter'];

/** A name for the exporter's section that no group has. */
export function freeName(taken: readonly string[]): string {
  const free = NAMES.find((name) => !taken.includes(name));
  if (free !== undefined) return free;
  let number = 2;
  while (taken.includes(`supervisor-exporter-${number}`)) number += 1;
  return `supervisor-exporter-${number}`;
}

export function checkNumprocs(section: Section, { processes }: ListenerSettings): Finding {
  if (processes === 1) return ok('numprocs', '1');
  return fail(
    'numprocs',
    `${processes}: supervisord distributes the events among these processes, so none receives all of them`,
    `${write(section, 'numprocs=1')} (or remove the line), and remove the line process_name=… if there is one`,
  );
}

/** supervisord 4 refuses it in the section of a listener. */
export function checkRedirect(section: Section, settings: ListenerSettings): Finding[] {
  if (!settings.redirectStderr) return [];
  return [
    fail(
      'redirect_stderr',
      'true: after the first log line on stdout supervisord sends no more events',
      remove(section, 'redirect_stderr'),
    ),
  ];
}

/** The exit status of an exporter that has to be restarted. */
const FAILED = 1;

export function checkRestart(section: Section, settings: ListenerSettings): Finding[] {
  const { autorestart, autostart, exitcodes } = settings;
  const isRestarted =
    autorestart === 'true' || (autorestart === 'unexpected' && !exitcodes.includes(FAILED));
  const codes = autorestart === 'unexpected' ? ` with exitcodes=${exitcodes.join(',')}` : '';
  return [
    isRestarted
      ? ok('autorestart', autorestart)
      : fail(
          'autorestart',
          `${autorestart}${codes}: the exporter is not restarted after it exits`,
          write(section, 'autorestart=true'),
        ),
    ...(autostart
      ? []
      : [
          warn(
            'autostart',
            'false: supervisord does not start the exporter when it starts itself',
            remove(section, 'autostart'),
          ),
        ]),
  ];
}

/** In seconds. After a longer time the buffer may be full: supervisord starts all processes meanwhile. */
const LONG_STARTSECS = 10;

export function checkStartsecs(section: Section, settings: ListenerSettings): Finding {
  const { startsecs } = settings;
  if (startsecs <= LONG_STARTSECS) return ok('startsecs', String(startsecs));
  return warn(
    'startsecs',
    `${startsecs}: supervisord sends the exporter no event in its first ${startsecs} seconds`,
    write(section, 'startsecs=1'),
  );
}

/** `kind`: what the stdout_logfile is, if it is a path. */
export function checkLogs(
  section: Section,
  settings: ListenerSettings,
  kind: FileKind | undefined,
): Finding[] {
  const { stderrLogfile, stderrSyslog } = settings;
  const isLost = stderrLogfile === 'NONE' && !stderrSyslog;
  return [
    checkStdout(section, settings, kind),
    isLost
      ? warn(
          'stderr_logfile',
          `${stderrLogfile}: the exporter's own log is lost`,
          write(section, 'stderr_logfile=AUTO'),
        )
      : ok('stderr_logfile', stderrSyslog ? 'syslog' : stderrLogfile),
  ];
}

function checkStdout(
  section: Section,
  { stdoutLogfile: logfile, stdoutMaxbytes }: ListenerSettings,
  kind: FileKind | undefined,
): Finding {
  if (logfile === 'NONE') return ok('stdout_logfile', logfile);
  const fix = write(section, 'stdout_logfile=NONE');
  if (kind === 'unusable' || (kind === 'stream' && stdoutMaxbytes > 0)) {
    const message = `${logfile} is not a plain file: supervisord cannot write its dialogue with the exporter to it, and sends no event`;
    return fail('stdout_logfile', message, fix);
  }
  const message = `${logfile}: supervisord writes its whole dialogue with the exporter to it`;
  return warn('stdout_logfile', message, fix);
}
