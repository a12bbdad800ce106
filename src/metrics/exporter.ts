/**
 * The metrics of the exporter itself and of the supervisord that runs it. A projection: the
 * stages keep plain counters, and these read them at each collection.
 */

import { Counter, Gauge, type Registry } from 'prom-client';
import type { AlertmanagerStats } from '../alertmanager/alertmanager-client.ts';
import type { CgroupMemory } from '../resources/cgroup-memory.ts';
import type { ResyncStats, RpcHealth } from '../resync/resync.ts';
import type { EventStats } from '../supervisor/event-stats.ts';
import type { ServerInfo } from '../supervisor/snapshot.ts';
import { PROCESS_STATES } from '../supervisor/states.ts';
import type { CollectorStats } from '../util/collector-stats.ts';
import { type ExitDetection, toSample } from './family.ts';

/** The events that the shipped configuration subscribes to: each has a series from the start. */
const SUBSCRIBED_EVENTS = [
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

/** What is read at each collection. */
export interface ExporterSources {
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

type Labels = Readonly<Record<string, string>>;
/** An undefined value has no series. */
type Rows = Iterable<readonly [labels: Labels, value: number | undefined]>;

export function registerExporterMetrics(
  registry: Registry,
  build: Build,
  { events, resync, exits, alertmanagers, cgroupMemory, collectors }: ExporterSources,
): void {
  const registers = [registry];

  /** A metric with a series for each row; a name that ends in _total is that of a counter. */
  const family = (name: string, help: string, labelNames: readonly string[], rows: () => Rows) => {
    const Metric = name.endsWith('_total') ? Counter : Gauge;
    new Metric({
      name,
      help,
      labelNames: [...labelNames],
      registers,
      collect() {
        this.reset();
        // A metric without labels would keep its initial 0.
        if (labelNames.length === 0) this.remove();
        for (const [labels, value] of rows()) {
          if (value !== undefined) this.inc(labels, value);
        }
      },
    });
  };

  /** A metric with one series at most. */
  const single = (name: string, help: string, read: () => number | undefined) =>
    family(name, help, [], () => [[{}, read()]]);

  const perKey = (label: string, values: Readonly<Record<string, number>>): Rows =>
    Object.entries(values).map(([key, value]) => [{ [label]: key }, value] as const);

  single(
    'supervisord_exporter_rpc_up',
    'Whether the last XML-RPC call to supervisord succeeded; 0 also where supervisord has no HTTP server.',
    () => (resync.health === 'pending' ? undefined : Number(resync.health === 'works')),
  );
  single(
    'supervisord_exporter_synced',
    'Whether a snapshot has filled the process table since the exporter started and no lost event waits for a later snapshot.',
    () => Number(resync.isSynced),
  );
  family(
    'supervisord_exporter_events_total',
    'Events received and understood, redeliveries included.',
    ['event'],
    () => {
      const counts = new Map<string, number>(SUBSCRIBED_EVENTS.map((event) => [event, 0]));
      for (const [event, count] of events().received) counts.set(event, count);
      return [...counts].map(([event, count]) => [{ event }, count] as const);
    },
  );
  single(
    'supervisord_exporter_events_lost_total',
    'Events that supervisord discarded before delivering them: serials that were skipped and never received.',
    () => events().lost,
  );
  single(
    'supervisord_exporter_serial_gaps',
    'Gaps in the serials of events that are remembered in case an event is still received; at most 1024.',
    () => events().gaps,
  );
  single(
    'supervisord_exporter_events_redelivered_total',
    'Events that were received again and not counted again.',
    () => events().redelivered,
  );
  family(
    'supervisord_exporter_events_malformed_total',
    'Events that could not be parsed and were skipped.',
    ['reason'],
    () => perKey('reason', events().malformed),
  );
  family(
    'supervisord_exporter_resyncs_total',
    'Snapshots of all processes requested by XML-RPC, failed ones included.',
    ['trigger'],
    () => perKey('trigger', resync.stats.requests),
  );
  family(
    'supervisord_exporter_resync_failures_total',
    'Snapshots of all processes that failed.',
    ['trigger'],
    () => perKey('trigger', resync.stats.failures),
  );
  single(
    'supervisord_exporter_resync_corrections_total',
    'Process states that events had left wrong and a snapshot corrected.',
    () => resync.stats.corrections,
  );
  family(
    'supervisord_exporter_alerts_sent_total',
    'Alerts that an Alertmanager accepted, repeated sends included.',
    ['alertmanager'],
    () => alertmanagers().map(({ alertmanager, sent }) => [{ alertmanager }, sent] as const),
  );
  family(
    'supervisord_exporter_alerts_failed_total',
    'Alerts that an Alertmanager did not accept; every attempt counts.',
    ['alertmanager'],
    () => alertmanagers().map(({ alertmanager, failed }) => [{ alertmanager }, failed] as const),
  );
  single(
    'supervisord_exporter_nudges_total',
    'Times that supervisord was woken because a process had exited.',
    () => exits.stats.nudges,
  );
  single(
    'supervisord_exporter_last_event_timestamp_seconds',
    'When the last event was received, in epoch seconds.',
    () => events().lastEventAt,
  );
  single(
    'supervisord_exporter_last_tick_timestamp_seconds',
    'When the last TICK event was received, in epoch seconds.',
    () => events().lastTickAt,
  );
  single(
    'supervisord_exporter_last_resync_timestamp_seconds',
    'When the last snapshot of all processes was received, in epoch seconds.',
    () => resync.stats.lastAt,
  );
  single(
    'supervisord_exporter_resync_duration_seconds',
    'Seconds from the request of the last snapshot until it was applied.',
    () => resync.stats.lastDuration,
  );
  family(
    'supervisord_exporter_collector_success',
    'Whether the last run of a collector succeeded.',
    ['collector'],
    () =>
      collectors().map(([collector, { success }]) => [{ collector }, toSample(success)] as const),
  );
  family(
    'supervisord_exporter_collector_duration_seconds',
    'How long the last run of a collector took.',
    ['collector'],
    () =>
      collectors().map(
        ([collector, { durationSeconds }]) => [{ collector }, durationSeconds] as const,
      ),
  );
  single(
    'supervisord_cgroup_memory_usage_bytes',
    'Memory that the cgroup of the exporter uses, page cache included: the container or service in which supervisord runs.',
    () => cgroupMemory()?.usageBytes,
  );
  single(
    'supervisord_cgroup_memory_limit_bytes',
    'Lowest memory limit of the cgroup of the exporter and of its ancestors; absent where there is none.',
    () => cgroupMemory()?.limitBytes,
  );
  single(
    'supervisord_server_state',
    'State of supervisord itself: 2 FATAL, 1 RUNNING, 0 RESTARTING, -1 SHUTDOWN.',
    () => resync.server?.stateCode,
  );
  single(
    'supervisord_stalled',
    'Whether supervisord has not run for 5 s, although a healthy one runs once a second: it is stopped or blocked.',
    () => toSample(exits.stalled),
  );
  family(
    'supervisord_info',
    'The supervisord that runs this exporter; always 1.',
    ['version', 'identifier'],
    () => {
      const { version, identifier } = resync.server ?? {};
      if (version === undefined || identifier === undefined) return [];
      return [[{ version, identifier }, 1]];
    },
  );
  family(
    'supervisord_exporter_build_info',
    'The exporter itself; always 1.',
    ['version', 'revision', 'nodeversion'],
    () => [
      [{ version: build.version, revision: build.revision, nodeversion: build.nodeVersion }, 1],
    ],
  );
}
