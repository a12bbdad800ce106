/** A configuration as supervisord's reader reports it, and the facts of an installation that works. */

import type {
  Configuration,
  Pool,
  ProcessSettings,
  Reading,
} from '../../src/configuration/configuration.ts';
import type { ExporterFacts, ExporterNumbers, Facts } from '../../src/doctor/facts.ts';
import type { Listener } from '../../src/doctor/listener.ts';
import { Places } from '../../src/doctor/places.ts';
import { parseEndpoint } from '../../src/rpc/endpoint.ts';

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
  stdoutMaxbytes: 50 * 1024 * 1024,
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

export const NUMBERS: ExporterNumbers = {
  now: 1_200,
  events: 9,
  eventsLost: 0,
  eventsMalformed: 0,
  lastTick: 1_180,
  isRpcUp: true,
  isSynced: true,
  failedCollectors: [],
  failedAlerts: [],
};

const SERVER = { version: '4.2.5', identifier: 'supervisor', stateCode: 1 };

/** The facts of a supervisord that runs with this configuration, and whose exporters work. */
export function workingFacts(reading: Reading, listeners: readonly Listener[]): Facts {
  return {
    nodeVersion: 'v20.1.0',
    candidates: [],
    reading,
    isEnvironmentKnown: true,
    places: new Places([]),
    supervisorctl: 'supervisorctl',
    freeLogBytes: 1e9,
    endpoint: parseEndpoint('unix:///run/s.sock', {}),
    others: [],
    socket: undefined,
    rpc: { kind: 'answered', snapshot: { server: SERVER, now: 1_200, processes: [] } },
    exporters: listeners.map(workingExporter),
    runAsProgram: undefined,
  };
}

export function workingExporter(listener: Listener): ExporterFacts {
  const { settings, config } = listener;
  const addresses = config.kind === 'valid' ? config.config.listenAddresses : [];
  return {
    listener,
    user: undefined,
    missing: [],
    stdoutLog: undefined,
    access: 'granted',
    processes: [
      {
        name: settings?.name ?? '',
        state: 'RUNNING',
        spawnError: '',
        start: 1_000,
        now: 1_200,
        lastLines: [],
        loaded: settings,
        differences: [],
      },
    ],
    ports: addresses.map((address) => ({
      address,
      owner: { kind: 'exporter', numbers: NUMBERS },
    })),
    alertmanagers: [],
    alertLabels: undefined,
    changedAt: undefined,
  };
}
