/** How an exporter fares, looked at now and then, and what has grown between. */

import type { Exposition } from '../test/support/exposition.ts';
import { descriptorsOf, residentBytes } from './proc.ts';
import { median } from './statistics.ts';

export interface Vitals {
  readonly residentMb: number;
  readonly heapMb: number;
  readonly descriptors: number;
  readonly serialGaps: number;
}

export interface Growth {
  readonly before: number;
  readonly after: number;
}

const MB = 2 ** 20;

export function vitalsOf(pid: number, metrics: Exposition): Vitals {
  return {
    residentMb: residentBytes(pid) / MB,
    heapMb: (metrics.value('nodejs_heap_size_used_bytes') ?? Number.NaN) / MB,
    descriptors: descriptorsOf(pid),
    serialGaps: metrics.value('supervisord_exporter_serial_gaps') ?? Number.NaN,
  };
}

/** The median of the last quarter against that of the second. The first is warm-up. */
export function growthOf(history: readonly Vitals[], what: keyof Vitals): Growth {
  const quarter = (nth: number) =>
    history
      .slice(Math.floor((history.length * (nth - 1)) / 4), Math.floor((history.length * nth) / 4))
      .map((vitals) => vitals[what]);
  return { before: median(quarter(2)), after: median(quarter(4)) };
}
