/** Everything on `/metrics`: the processes, and prom-client's registry for the rest. */

import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { CachedText } from '../exposition/cached-text.ts';
import type { ProcessTable } from '../processes/table.ts';
import { PROCESS_STATES } from '../supervisor/states.ts';
import { TimeSlice } from '../util/time-slice.ts';
import { type Build, type ExporterSources, registerExporterMetrics } from './exporter.ts';
import { ProcessText, type ProcessTextOptions } from './process-text.ts';

/** Gauges that prom-client names like counters, which promlint reports. */
const MISNAMED_DEFAULT_METRICS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Gauges that prom-client shows as 0 until it has read /proc. They are to have no sample until then. */
const PROCFS_DEFAULT_METRICS = [
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_heap_bytes',
  'process_open_fds',
  'nodejs_heap_size_total_bytes',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
];

/** prom-client's default of 10 ms wakes an idle process a hundred times a second. */
const EVENT_LOOP_SAMPLE_MS = 100;

export interface Metrics {
  /** Text format 0.0.4 in chunks. A chunk whose values have not changed is the same object. */
  render(): Promise<readonly CachedText[]>;
}

export interface MetricsOptions extends Omit<ProcessTextOptions, 'exits'> {
  /** Whether to show `process_*` and `nodejs_*` of the exporter itself. */
  readonly footprint: boolean;
  readonly build: Build;
  readonly sources: ExporterSources;
}

export function createMetrics(table: ProcessTable, options: MetricsOptions): Metrics {
  const registry = new Registry();
  registerStates(table, registry);
  const processes = new ProcessText(table, { ...options, exits: options.sources.exits });
  registerExporterMetrics(registry, options.build, options.sources);
  if (options.footprint) registerFootprint(registry);
  /** One after another: concurrently, each would use its time slice in the same turn of the event loop. */
  const render = async () => [...(await processes.render()), new CachedText(await write(registry))];
  return { render };
}

function registerFootprint(registry: Registry): void {
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
  });
  for (const name of MISNAMED_DEFAULT_METRICS) registry.removeSingleMetric(name);
  for (const name of PROCFS_DEFAULT_METRICS) {
    const metric = registry.getSingleMetric(name);
    if (metric instanceof Gauge) metric.remove();
  }
}

/** `registry.metrics()` does this in a single turn of the event loop. */
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
