/** The registry: everything that `/metrics` shows. */

import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ProcessTable } from '../processes/table.ts';
import { type Build, type ExporterMetrics, registerExporterMetrics } from './exporter.ts';
import { registerProcessMetrics } from './processes.ts';

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
  /** Prometheus text format 0.0.4, read off the table as it is at the call. */
  render(): Promise<string>;
}

export interface MetricsOptions {
  /** Whether to show `process_*` and `nodejs_*`, the exporter's own footprint. */
  readonly footprint: boolean;
  readonly build: Build;
}

export function createMetrics(table: ProcessTable, options: MetricsOptions): Metrics {
  const registry = new Registry();
  registerProcessMetrics(table, registry);
  const exporter = registerExporterMetrics(registry, options.build);
  if (options.footprint) {
    collectDefaultMetrics({
      register: registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
    });
    for (const name of MISNAMED_DEFAULT_METRICS) registry.removeSingleMetric(name);
  }
  return { exporter, render: () => registry.metrics() };
}

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
