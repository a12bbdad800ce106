/** Everything on `/metrics`: the processes, supervisord and the exporter. prom-client writes `process_*` and `nodejs_*`. */

import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { CachedText } from '../exposition/cached-text.ts';
import { TimeSlice } from '../util/time-slice.ts';
import { EXPORTER_FAMILIES, type ExporterSources, writeFamily } from './exporter.ts';
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

/** Resolves to the text format 0.0.4 in chunks. A chunk whose values have not changed is the same object. */
export type RenderMetrics = () => Promise<readonly CachedText[]>;

export interface MetricsOptions extends Omit<ProcessTextOptions, 'exits'> {
  /** Whether to show `process_*` and `nodejs_*` of the exporter itself. */
  readonly footprint: boolean;
  readonly sources: ExporterSources;
}

export function createMetrics(options: MetricsOptions): RenderMetrics {
  const { sources, footprint } = options;
  const processes = new ProcessText(sources.table, { ...options, exits: sources.exits });
  const registry = new Registry();
  if (footprint) registerFootprint(registry);
  // One after another: concurrently, each would use its time slice in the same turn of the event loop.
  return async () => [
    ...(await processes.render()),
    new CachedText(await writeOthers(sources, registry)),
  ];
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

/** `registry.metrics()` would write all of its metrics in a single turn of the event loop. */
async function writeOthers(sources: ExporterSources, registry: Registry): Promise<string> {
  const texts: string[] = [];
  const slices = new TimeSlice();
  for (const family of EXPORTER_FAMILIES) {
    texts.push(writeFamily(family, sources));
    await slices.pause();
  }
  for (const { name } of registry.getMetricsAsArray()) {
    texts.push(`${await registry.getSingleMetricAsString(name)}\n`);
    await slices.pause();
  }
  return texts.join('\n');
}

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
