/** Everything that `/metrics` shows: the processes, and prom-client's registry for the rest. */

import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { AlertmanagerStats } from '../alertmanager/alertmanager-client.ts';
import { KeptText } from '../exposition/cached-text.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { UsageSource } from '../resources/resources.ts';
import { PROCESS_STATES } from '../supervisor/states.ts';
import { TimeSlice } from '../util/time-slice.ts';
import type { Compat } from './compat.ts';
import { type Build, type ExporterMetrics, registerExporterMetrics } from './exporter.ts';
import { ProcessText } from './process-text.ts';
import { UsageText } from './usage.ts';

/** Gauges that prom-client names like counters, which promlint objects to. */
const MISNAMED_DEFAULT_METRICS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** prom-client's default of 10 ms wakes an idle process a hundred times a second. */
const EVENT_LOOP_SAMPLE_MS = 100;

export interface Metrics {
  readonly exporter: ExporterMetrics;
  /** Prometheus text format 0.0.4, in texts of which those stay the same that say the same. */
  render(): Promise<readonly KeptText[]>;
}

export interface MetricsOptions {
  /** Whether to show `process_*` and `nodejs_*`, the exporter's own footprint. */
  readonly footprint: boolean;
  /** Whether exit codes and signals are found out. */
  readonly exitReasons: boolean;
  /** The exporter whose metrics to show as well. */
  readonly compat: Compat | undefined;
  readonly build: Build;
  /** undefined: what programs use is not read. */
  readonly resources: UsageSource | undefined;
  /** What each Alertmanager accepted so far. */
  readonly alertmanagers: () => readonly AlertmanagerStats[];
}

export function createMetrics(table: ProcessTable, options: MetricsOptions): Metrics {
  const registry = new Registry();
  registerStates(table, registry);
  const processes = new ProcessText(table, options);
  const usage = options.resources && new UsageText(table, options.resources);
  const exporter = registerExporterMetrics(registry, options.build, options.alertmanagers);
  if (options.footprint) {
    collectDefaultMetrics({
      register: registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
    });
    for (const name of MISNAMED_DEFAULT_METRICS) registry.removeSingleMetric(name);
  }
  /** One after the other: each would take its slice of the same turn of the event loop. */
  const render = async () => [
    ...(await processes.render()),
    ...((await usage?.render()) ?? []),
    new KeptText(await write(registry)),
  ];
  return { exporter, render };
}

/** What `registry.metrics()` writes in a single turn of the event loop. */
async function write(registry: Registry): Promise<string> {
  const texts: string[] = [];
  const slices = new TimeSlice();
  for (const { name } of registry.getMetricsAsArray()) {
    texts.push(await registry.getSingleMetricAsString(name));
    await slices.pause();
  }
  return `${texts.join('\n\n')}\n`;
}

function registerStates(table: ProcessTable, registry: Registry): void {
  new Gauge({
    name: 'supervisord_processes',
    help: 'Number of processes in each state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const state of PROCESS_STATES) this.set({ state }, 0);
      for (const { state } of table.values()) this.inc({ state });
    },
  });
}

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
