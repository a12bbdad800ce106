/** A configuration as supervisord's reader reports it, for tests that do not run it. */

import type { Configuration, Pool, ProcessSettings } from '../../src/doctor/configuration.ts';

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
  REMOTE_COMMUNICATION: [],
};

const ALL = Object.entries(KINDS).flatMap(([name, kinds]) => [
  name,
  ...kinds.map((kind) => `${name}_${kind}`),
]);

const EVENT_KINDS: Configuration['eventKinds'] = {
  EVENT: ALL,
  ...Object.fromEntries(
    ALL.map((name) => [name, (KINDS[name] ?? []).map((kind) => `${name}_${kind}`)]),
  ),
};

export function poolOf(events: readonly string[]): Pool {
  const received = events.flatMap((event) => [event, ...(EVENT_KINDS[event] ?? [])]);
  return { events, received, bufferSize: 8192 };
}

export const SETTINGS: ProcessSettings = {
  name: 'exporter',
  command: '',
  words: [],
  shellWords: undefined,
  directory: undefined,
  uid: undefined,
  priority: -9876,
  autostart: true,
  autorestart: 'true',
  exitcodes: [0],
  startsecs: 1,
  redirectStderr: false,
  environment: {},
  serverUrl: undefined,
  stdoutLogfile: 'NONE',
  stderrLogfile: 'AUTO',
  stderrSyslog: false,
};

export const CONFIGURATION: Configuration = {
  version: '4.2.5',
  path: '/s.conf',
  included: [],
  patterns: [],
  usesEnvironment: false,
  sections: [],
  logfile: '/var/log/supervisord.log',
  loglevel: 20,
  serverUrl: 'unix:///run/s.sock',
  servers: [
    {
      section: 'unix_http_server',
      file: '/run/s.sock',
      host: undefined,
      port: undefined,
      username: undefined,
      password: undefined,
    },
  ],
  interfaces: ['supervisor'],
  groups: [],
  eventKinds: EVENT_KINDS,
};
