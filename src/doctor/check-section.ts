/** Checks of the settings in the exporter's section. */

import type { Configuration } from './configuration.ts';
import { type Finding, fail, ok, remove, warn, write } from './finding.ts';
import type { Section } from './ini.ts';
import { LISTENER_PREFIX, type Listener, priorityOf } from './listener.ts';

/** The events that the exporter needs, and why. */
const EVENTS = {
  PROCESS_STATE: 'every state change; nothing is counted without it',
  PROCESS_GROUP: 'groups that `supervisorctl update` adds and removes',
  REMOTE_COMMUNICATION: 'the marker that gives a snapshot its position among the events',
  SUPERVISOR_STATE_CHANGE: 'start and shutdown of supervisord',
  TICK_60: 'a snapshot each minute, and proof that events still arrive',
} as const;

/** A name includes all events that begin with it and an underscore (supervisord.org/events.html). */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  PROCESS_STATE: [
    'STOPPED',
    'EXITED',
    'STARTING',
    'STOPPING',
    'BACKOFF',
    'FATAL',
    'RUNNING',
    'UNKNOWN',
  ],
  PROCESS_GROUP: ['ADDED', 'REMOVED'],
  SUPERVISOR_STATE_CHANGE: ['RUNNING', 'STOPPING'],
  TICK: ['5', '60', '3600'],
  PROCESS_COMMUNICATION: ['STDOUT', 'STDERR'],
  PROCESS_LOG: ['STDOUT', 'STDERR'],
  REMOTE_COMMUNICATION: [],
  EVENT: [],
};

const KNOWN_EVENTS = new Set(
  Object.entries(KINDS).flatMap(([name, kinds]) => [
    name,
    ...kinds.map((kind) => `${name}_${kind}`),
  ]),
);

export function checkEvents(section: Section, { sections }: Configuration): Finding[] {
  const events = list(section, 'events').map((event) => event.toUpperCase());
  // An RPC interface of a plug-in may register event types of its own.
  const hasPlugins = sections.some(
    ({ name }) => name.startsWith('rpcinterface:') && name !== 'rpcinterface:supervisor',
  );
  const unknown = hasPlugins ? [] : events.filter((event) => !KNOWN_EVENTS.has(event));
  const missing = Object.entries(EVENTS).filter(([event]) => !isCovered(event, events));
  const kept = events.filter((event) => !unknown.includes(event));
  const added = missing.map(([event]) => event);
  // Leave out what a more general name includes.
  const line = [
    ...kept.filter((event) => !added.some((name) => event.startsWith(`${name}_`))),
    ...added,
  ].join(',');
  const fix = write(section, `events=${line}`);
  const findings = [
    ...unknown.map((event) =>
      fail(
        'events',
        `supervisord has no event ${event || 'with an empty name'} and rejects the configuration`,
        fix,
      ),
    ),
    ...missing.map(([event, purpose]) => fail('events', `${event} is missing: ${purpose}`, fix)),
  ];
  return findings.length > 0 ? findings : [ok('events', events.join(','))];
}

function isCovered(event: string, events: readonly string[]): boolean {
  const general = [...Object.keys(KINDS), event].filter(
    (name) => name === event || name === 'EVENT' || event.startsWith(`${name}_`),
  );
  if (general.some((name) => events.includes(name))) return true;
  const kinds = KINDS[event] ?? [];
  return kinds.length > 0 && kinds.every((kind) => events.includes(`${event}_${kind}`));
}

const DEFAULT_BUFFER = '10';
/** The value of the shipped section, which fixes suggest. */
const GOOD_BUFFER = 8192;
const SMALL_BUFFER = 1024;
/** At startup each process causes two events, more if it fails, before the first one is sent. */
const EVENTS_A_PROCESS = 4;

/** `processes`: how many supervisord has; 0 where that is not known. */
export function checkBuffer(section: Section, processes: number): Finding {
  const setting = section.settings.get('buffer_size');
  const size = Number(setting?.value ?? DEFAULT_BUFFER);
  const wanted = Math.max(SMALL_BUFFER, processes * EVENTS_A_PROCESS);
  if (size >= wanted) return ok('buffer_size', String(size));
  const shown = setting === undefined ? `${DEFAULT_BUFFER}, the default` : setting.value;
  const good = Math.max(GOOD_BUFFER, wanted);
  return fail(
    'buffer_size',
    `${shown}: supervisord discards the oldest event when more are queued, for example when many processes start at once`,
    write(section, `buffer_size=${good}`),
  );
}

export function checkPriority(section: Section, configuration: Configuration): Finding {
  const priority = priorityOf(section);
  const others = configuration.sections.filter(
    (other) =>
      other.name.startsWith(LISTENER_PREFIX) &&
      other.name !== section.name &&
      Number(priorityOf(other)) === Number(priority),
  );
  if (others.length === 0) return ok('priority', `${priority}, not used by another listener`);
  const names = others.map(({ name }) => `[${name}]`).join(', ');
  return warn(
    'priority',
    `${section.settings.has('priority') ? priority : `not set (${priority})`}, the same as ${names}: an event that one of them rejects is sent to the others again`,
    write(section, `priority=${freePriority(configuration)}`),
  );
}

const SHIPPED_PRIORITY = -9876;

function freePriority({ sections }: Configuration): number {
  const taken = sections.map((section) => Number(priorityOf(section)));
  let priority = SHIPPED_PRIORITY;
  while (taken.includes(priority)) priority -= 1;
  return priority;
}

export function checkNumprocs(section: Section): Finding {
  const numprocs = section.settings.get('numprocs')?.value ?? '1';
  if (Number(numprocs) === 1) return ok('numprocs', '1');
  return fail(
    'numprocs',
    `${numprocs}: supervisord distributes the events among them, so none receives all`,
    `${write(section, 'numprocs=1')} (or remove the line), and remove the line process_name=… if there is one`,
  );
}

const TRUE = ['yes', 'true', 'on', '1'];
const FALSE = ['no', 'false', 'off', '0'];

export function checkRedirect(section: Section): Finding {
  const redirect = section.settings.get('redirect_stderr')?.value ?? 'false';
  if (FALSE.includes(redirect.toLowerCase())) return ok('redirect_stderr', 'false');
  return fail(
    'redirect_stderr',
    `${redirect}: one log line on stdout stops all events, and supervisord 4 rejects the configuration`,
    remove(section, 'redirect_stderr'),
  );
}

export function checkRestart(section: Section): Finding[] {
  const findings: Finding[] = [];
  const autorestart = section.settings.get('autorestart')?.value ?? 'unexpected';
  const exitcodes = list(section, 'exitcodes');
  // The exporter exits with status 1 to be restarted when it can no longer follow the events.
  const isRestarted =
    TRUE.includes(autorestart.toLowerCase()) ||
    (autorestart.toLowerCase() === 'unexpected' && !exitcodes.includes('1'));
  findings.push(
    isRestarted
      ? ok('autorestart', autorestart)
      : fail(
          'autorestart',
          `${autorestart}${exitcodes.length > 0 ? ` with exitcodes=${exitcodes.join(',')}` : ''}: the exporter is not restarted after it exits`,
          write(section, 'autorestart=true'),
        ),
  );
  if (FALSE.includes((section.settings.get('autostart')?.value ?? 'true').toLowerCase())) {
    findings.push(
      warn(
        'autostart',
        'false: after a boot the exporter does not run until it is started by hand',
        remove(section, 'autostart'),
      ),
    );
  }
  return findings;
}

/** Beyond this, the events of a boot wait in the buffer for too long. */
const LONG_STARTSECS = 10;

export function checkStartsecs(section: Section): Finding {
  const startsecs = section.settings.get('startsecs')?.value ?? '1';
  if (Number(startsecs) <= LONG_STARTSECS) return ok('startsecs', startsecs);
  return warn(
    'startsecs',
    `${startsecs}: supervisord sends no event during these first seconds`,
    write(section, 'startsecs=1'),
  );
}

export function checkLogs(section: Section): Finding[] {
  const stdout = section.settings.get('stdout_logfile')?.value ?? 'AUTO';
  const stderr = section.settings.get('stderr_logfile')?.value ?? 'AUTO';
  return [
    isNone(stdout)
      ? ok('stdout_logfile', stdout)
      : warn(
          'stdout_logfile',
          `${stdout}: supervisord writes its whole dialogue with the exporter to disk`,
          write(section, 'stdout_logfile=NONE'),
        ),
    isNone(stderr)
      ? warn(
          'stderr_logfile',
          `${stderr}: the exporter's own log is lost`,
          write(section, 'stderr_logfile=AUTO'),
        )
      : ok('stderr_logfile', stderr),
  ];
}

export function checkFlags({ section, config }: Listener): Finding[] {
  if (config.kind === 'valid') return [];
  return [
    fail(
      'flags',
      `the exporter will not start: ${config.reason}`,
      `${write(section, 'command=…')} with flags that "supervisor-exporter --help" lists`,
    ),
  ];
}

function isNone(logfile: string): boolean {
  return ['none', 'off'].includes(logfile.toLowerCase());
}

function list(section: Section, option: string): string[] {
  const value = section.settings.get(option)?.value ?? '';
  return value === '' ? [] : value.split(',').map((item) => item.trim());
}
