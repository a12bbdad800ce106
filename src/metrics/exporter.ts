/** The metrics of the exporter itself and of the supervisord it listens to. */

import { Counter, Gauge, type Registry } from 'prom-client';
import type { AlertmanagerStats } from '../alertmanager/alertmanager-client.ts';
import { RESYNC_TRIGGERS } from '../resync/scheduler.ts';
import { MALFORMED_REASONS } from '../supervisor/events.ts';
import type { ServerFacts } from '../supervisor/snapshot.ts';

/** The events that the shipped configuration subscribes to; they are counted from 0 on. */
const SUBSCRIBED_EVENTS = [
  'PROCESS_STATE_STOPPED',
  'PROCESS_STATE_STARTING',
  'PROCESS_STATE_RUNNING',
  'PROCESS_STATE_BACKOFF',
  'PROCESS_STATE_STOPPING',
  'PROCESS_STATE_EXITED',
  'PROCESS_STATE_FATAL',
  'PROCESS_STATE_UNKNOWN',
  'PROCESS_GROUP_ADDED',
  'PROCESS_GROUP_REMOVED',
  'REMOTE_COMMUNICATION',
  'SUPERVISOR_STATE_CHANGE_RUNNING',
  'SUPERVISOR_STATE_CHANGE_STOPPING',
  'TICK_60',
] as const;

export type ExporterMetrics = ReturnType<typeof registerExporterMetrics>;

/** What runs here. */
export interface Build {
  readonly version: string;
  /** The commit it was built from. */
  readonly revision: string;
  readonly nodeVersion: string;
}

export function registerExporterMetrics(
  registry: Registry,
  build: Build,
  alertmanagers: () => readonly AlertmanagerStats[],
) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  /** A gauge without a series until it is first set. */
  const unknownGauge = (name: string, help: string) => {
    const unknown = gauge(name, help);
    unknown.remove();
    return unknown;
  };

  const metrics = {
    rpcUp: gauge(
      'supervisord_exporter_rpc_up',
      'Whether the last XML-RPC call to supervisord succeeded; 0 also where it has no HTTP server.',
    ),
    events: new Counter({
      name: 'supervisord_exporter_events_total',
      help: 'Events received and understood, those that came again included.',
      labelNames: ['event'],
      registers,
    }),
    eventsLost: counter(
      'supervisord_exporter_events_lost_total',
      'Events that supervisord discarded before they were delivered: skipped serials that never came.',
    ),
    serialGaps: gauge(
      'supervisord_exporter_serial_gaps',
      'Gaps in the serials of events that are remembered, in case what is missing still comes; at most 1024.',
    ),
    eventsRedelivered: counter(
      'supervisord_exporter_events_redelivered_total',
      'Events that came again and were not counted again.',
    ),
    eventsMalformed: new Counter({
      name: 'supervisord_exporter_events_malformed_total',
      help: 'Events that could not be understood and were skipped.',
      labelNames: ['reason'],
      registers,
    }),
    resyncs: new Counter({
      name: 'supervisord_exporter_resyncs_total',
      help: 'Snapshots of all processes asked for by XML-RPC, failed ones included.',
      labelNames: ['trigger'],
      registers,
    }),
    resyncFailures: new Counter({
      name: 'supervisord_exporter_resync_failures_total',
      help: 'Snapshots of all processes that failed.',
      labelNames: ['trigger'],
      registers,
    }),
    resyncCorrections: counter(
      'supervisord_exporter_resync_corrections_total',
      'Process states that the events had left wrong and a snapshot had to correct.',
    ),
    nudges: counter(
      'supervisord_exporter_nudges_total',
      'Times that supervisord was woken because a program had died.',
    ),
    lastEvent: unknownGauge(
      'supervisord_exporter_last_event_timestamp_seconds',
      'When the last event came, in epoch seconds.',
    ),
    lastTick: unknownGauge(
      'supervisord_exporter_last_tick_timestamp_seconds',
      'When the last TICK event came, in epoch seconds.',
    ),
    lastResync: unknownGauge(
      'supervisord_exporter_last_resync_timestamp_seconds',
      'When the last snapshot of all processes was taken, in epoch seconds.',
    ),
    resyncDuration: unknownGauge(
      'supervisord_exporter_resync_duration_seconds',
      'How long supervisord took to answer the last snapshot.',
    ),
    serverState: unknownGauge(
      'supervisord_server_state',
      'State of supervisord itself: 2 FATAL, 1 RUNNING, 0 RESTARTING, -1 SHUTDOWN.',
    ),
    info: new Gauge({
      name: 'supervisord_info',
      help: 'The supervisord that this exporter listens to; always 1.',
      labelNames: ['version', 'identifier'],
      registers,
    }),
  };

  const alertCounter = (name: string, help: string, of: (stats: AlertmanagerStats) => number) =>
    new Counter({
      name,
      help,
      labelNames: ['alertmanager'],
      registers,
      collect() {
        this.reset();
        for (const stats of alertmanagers()) {
          this.inc({ alertmanager: stats.alertmanager }, of(stats));
        }
      },
    });
  alertCounter(
    'supervisord_exporter_alerts_sent_total',
    'Alerts that an Alertmanager accepted; each time that an alert is sent again counts.',
    ({ sent }) => sent,
  );
  alertCounter(
    'supervisord_exporter_alerts_failed_total',
    'Alerts that an Alertmanager did not accept; each try counts.',
    ({ failed }) => failed,
  );

  new Gauge({
    name: 'supervisord_exporter_build_info',
    help: 'The exporter itself; always 1.',
    labelNames: ['version', 'revision', 'nodeversion'],
    registers,
  }).set({ version: build.version, revision: build.revision, nodeversion: build.nodeVersion }, 1);

  for (const event of SUBSCRIBED_EVENTS) metrics.events.inc({ event }, 0);
  for (const reason of MALFORMED_REASONS) metrics.eventsMalformed.inc({ reason }, 0);
  for (const trigger of RESYNC_TRIGGERS) {
    metrics.resyncs.inc({ trigger }, 0);
    metrics.resyncFailures.inc({ trigger }, 0);
  }
  return metrics;
}

/** Shows what a snapshot says of supervisord itself. */
export function showServer(metrics: ExporterMetrics, server: ServerFacts): void {
  metrics.info.reset();
  metrics.info.set({ version: server.version, identifier: server.identifier }, 1);
  metrics.serverState.set(server.stateCode);
}
