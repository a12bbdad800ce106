/**
 * The metric families of the exporter itself and of the supervisord that runs it. A projection:
 * the stages keep plain counters, and these read them at each scrape.
 */

import type { AlertmanagerStats } from '../alertmanager/alertmanager-client.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { CgroupMemory } from '../resources/cgroup-memory.ts';
import type { ResyncStats, RpcHealth } from '../resync/resync.ts';
import type { EventStats } from '../supervisor/event-stats.ts';
import { SERVER_STATE_CODES, type ServerInfo } from '../supervisor/snapshot.ts';
import { PROCESS_STATES, type ProcessState } from '../supervisor/states.ts';
import type { CollectorStats } from '../util/collector-stats.ts';
import { zeroCounts } from '../util/zero-counts.ts';
import {
  type ExitDetection,
  type Family,
  formatLabels,
  headerOf,
  type Labels,
  toSample,
} from './family.ts';

/** The events that the shipped configuration subscribes to: each has a series from the start. */
const SUBSCRIBED_EVENTS: readonly string[] = [
  ...PROCESS_STATES.map((state) => `PROCESS_STATE_${state}`),
  'PROCESS_GROUP_ADDED',
  'PROCESS_GROUP_REMOVED',
  'REMOTE_COMMUNICATION',
  'SUPERVISOR_STATE_CHANGE_RUNNING',
  'SUPERVISOR_STATE_CHANGE_STOPPING',
  'TICK_60',
];

/** This program. */
export interface Build {
  readonly version: string;
  /** The commit it was built from. */
  readonly revision: string;
  readonly nodeVersion: string;
}

/** What is read at each scrape. */
export interface ExporterSources {
  readonly build: Build;
  readonly table: ProcessTable;
  readonly events: () => EventStats;
  readonly resync: {
    readonly stats: ResyncStats;
    readonly health: RpcHealth;
    readonly isSynced: boolean;
    readonly server: ServerInfo | undefined;
  };
  readonly exits: ExitDetection & {
    /** `nudges`: times that supervisord was woken. */
    readonly stats: { readonly nudges: number };
    /** Whether supervisord does not run; undefined where that cannot be read. */
    readonly stalled: boolean | undefined;
  };
  readonly alertmanagers: () => readonly AlertmanagerStats[];
  /** undefined where there is no memory controller, or the collector "resources" is off. */
  readonly cgroupMemory: () => CgroupMemory | undefined;
  /** The collectors that are on, by name. */
  readonly collectors: () => readonly (readonly [name: string, stats: CollectorStats])[];
}

/** A series: its labels, and its value; an undefined value has no series. */
type Row = readonly [labels: Labels, value: number | undefined];

interface SingleFamily extends Family {
  readonly value: (sources: ExporterSources) => number | undefined;
}

interface LabelledFamily extends Family {
  /** Rows with the same labels are added: the URLs of two Alertmanagers may differ in credentials only. */
  readonly rows: (sources: ExporterSources) => readonly Row[];
}

type ExporterFamily = SingleFamily | LabelledFamily;

const STATES: readonly ExporterFamily[] = [
  {
    name: 'supervisord_processes',
    help: 'Number of processes in each state.',
    rows: ({ table }) => perKey('state', countStates(table)),
  },
  {
    name: 'supervisord_exporter_rpc_up',
    help: 'Whether the last XML-RPC call to supervisord succeeded; 0 also where supervisord has no HTTP server.',
    value: ({ resync: { health } }) =>
      health === 'pending' ? undefined : Number(health === 'works'),
  },
  {
    name: 'supervisord_exporter_synced',
    help: 'Whether a snapshot has filled the process table since the exporter started and no lost event waits for a later snapshot.',
    value: ({ resync }) => Number(resync.isSynced),
  },
];

const EVENTS: readonly ExporterFamily[] = [
  {
    name: 'supervisord_exporter_events_total',
    help: 'Events received and understood, redeliveries included.',
    rows: ({ events }) =>
      perKey('event', {
        ...zeroCounts(SUBSCRIBED_EVENTS),
        ...Object.fromEntries(events().received),
      }),
  },
  {
    name: 'supervisord_exporter_events_lost_total',
    help: 'Events that supervisord discarded before delivering them: serials that were skipped and never received.',
    value: ({ events }) => events().lost,
  },
  {
    name: 'supervisord_exporter_serial_gaps',
    help: 'Gaps in the serials of events that are remembered in case an event is still received; at most 1024.',
    value: ({ events }) => events().gaps,
  },
  {
    name: 'supervisord_exporter_events_redelivered_total',
    help: 'Events that were received again and not counted again.',
    value: ({ events }) => events().redelivered,
  },
  {
    name: 'supervisord_exporter_events_malformed_total',
    help: 'Events that were skipped because they could not be parsed or their payload was too long.',
    rows: ({ events }) => perKey('reason', events().malformed),
  },
];

const RESYNCS: readonly ExporterFamily[] = [
  {
    name: 'supervisord_exporter_resyncs_total',
    help: 'Snapshots of all processes requested by XML-RPC, failed ones included.',
    rows: ({ resync }) => perKey('trigger', resync.stats.requests),
  },
  {
    name: 'supervisord_exporter_resync_failures_total',
    help: 'Snapshots of all processes that failed.',
    rows: ({ resync }) => perKey('trigger', resync.stats.failures),
  },
  {
    name: 'supervisord_exporter_resync_corrections_total',
    help: 'Process states that events had left wrong and a snapshot corrected.',
    value: ({ resync }) => resync.stats.corrections,
  },
];

const ALERTS_AND_NUDGES: readonly ExporterFamily[] = [
  {
    name: 'supervisord_exporter_alerts_sent_total',
    help: 'Alerts that an Alertmanager accepted, repeated sends included.',
    rows: ({ alertmanagers }) =>
      alertmanagers().map(({ alertmanager, sent }) => [{ alertmanager }, sent]),
  },
  {
    name: 'supervisord_exporter_alerts_failed_total',
    help: 'Alerts that an Alertmanager did not accept; every attempt counts.',
    rows: ({ alertmanagers }) =>
      alertmanagers().map(({ alertmanager, failed }) => [{ alertmanager }, failed]),
  },
  {
    name: 'supervisord_exporter_nudges_total',
    help: 'Times that supervisord was woken because a process had exited.',
    value: ({ exits }) => exits.stats.nudges,
  },
];

const LAST_TIMES: readonly ExporterFamily[] = [
  {
    name: 'supervisord_exporter_last_event_timestamp_seconds',
    help: 'When the last event was received, in epoch seconds.',
    value: ({ events }) => events().lastEventAt,
  },
  {
    name: 'supervisord_exporter_last_tick_timestamp_seconds',
    help: 'When the last TICK event was received, in epoch seconds.',
    value: ({ events }) => events().lastTickAt,
  },
  {
    name: 'supervisord_exporter_last_resync_timestamp_seconds',
    help: 'When the last snapshot of all processes was received, in epoch seconds.',
    value: ({ resync }) => resync.stats.lastAt,
  },
  {
    name: 'supervisord_exporter_resync_duration_seconds',
    help: 'Seconds from the request of the last snapshot until it was applied.',
    value: ({ resync }) => resync.stats.lastDuration,
  },
];

const COLLECTORS: readonly ExporterFamily[] = [
  {
    name: 'supervisord_exporter_collector_success',
    help: 'Whether the last run of a collector succeeded.',
    rows: ({ collectors }) =>
      collectors().map(([collector, { success }]) => [{ collector }, toSample(success)]),
  },
  {
    name: 'supervisord_exporter_collector_duration_seconds',
    help: 'How long the last run of a collector took.',
    rows: ({ collectors }) =>
      collectors().map(([collector, { durationSeconds }]) => [{ collector }, durationSeconds]),
  },
  {
    name: 'supervisord_cgroup_memory_usage_bytes',
    help: 'Memory that the cgroup of the exporter uses, page cache included: the container or service in which supervisord runs.',
    value: ({ cgroupMemory }) => cgroupMemory()?.usageBytes,
  },
  {
    name: 'supervisord_cgroup_memory_limit_bytes',
    help: 'Lowest memory limit of the cgroup of the exporter and of its ancestors; absent where there is none.',
    value: ({ cgroupMemory }) => cgroupMemory()?.limitBytes,
  },
];

const SUPERVISORD: readonly ExporterFamily[] = [
  {
    name: 'supervisord_server_state',
    help: `State of supervisord itself: ${Object.entries(SERVER_STATE_CODES)
      .map(([name, code]) => `${code} ${name}`)
      .join(', ')}.`,
    value: ({ resync }) => resync.server?.stateCode,
  },
  {
    name: 'supervisord_stalled',
    help: 'Whether supervisord has not run for 5 s, although a healthy one runs once a second: it is stopped or blocked.',
    value: ({ exits }) => toSample(exits.stalled),
  },
  {
    name: 'supervisord_info',
    help: 'The supervisord that runs this exporter; always 1.',
    rows: ({ resync: { server } }) => {
      const { version, identifier } = server ?? {};
      if (version === undefined || identifier === undefined) return [];
      return [[{ version, identifier }, 1]];
    },
  },
  {
    name: 'supervisord_exporter_build_info',
    help: 'The exporter itself; always 1.',
    rows: ({ build: { version, revision, nodeVersion } }) => [
      [{ version, revision, nodeversion: nodeVersion }, 1],
    ],
  },
];

export const EXPORTER_FAMILIES: readonly ExporterFamily[] = [
  ...STATES,
  ...EVENTS,
  ...RESYNCS,
  ...ALERTS_AND_NUDGES,
  ...LAST_TIMES,
  ...COLLECTORS,
  ...SUPERVISORD,
];

/** A family in the text format. */
export function writeFamily(family: ExporterFamily, sources: ExporterSources): string {
  const rows = 'rows' in family ? family.rows(sources) : [[{}, family.value(sources)] as const];
  const values = new Map<string, number>();
  for (const [labels, value] of rows) {
    if (value === undefined) continue;
    const series = formatLabels(labels);
    values.set(series, (values.get(series) ?? 0) + value);
  }
  const lines = Array.from(values, ([labels, value]) => {
    const braced = labels === '' ? '' : `{${labels}}`;
    return `${family.name}${braced} ${value}\n`;
  });
  return headerOf(family) + lines.join('');
}

function countStates(table: ProcessTable): Readonly<Record<ProcessState, number>> {
  const counts = zeroCounts(PROCESS_STATES);
  for (const { state } of table.values()) counts[state] += 1;
  return counts;
}

function perKey(label: string, values: Readonly<Record<string, number>>): readonly Row[] {
  return Object.entries(values).map(([key, value]) => [{ [label]: key }, value]);
}
