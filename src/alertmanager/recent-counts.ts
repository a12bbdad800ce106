/** The increase of a counter of each process within ten minutes. Pure. */

import type { ProcessKey } from '../supervisor/process-id.ts';

/** The range that the rule's text looks back over. */
export const RECENT_SECONDS = 600;

/** Changes of the counter within a second are one sample, so that at most 600 are kept. */
const RESOLUTION_SECONDS = 1;

interface Sample {
  readonly at: number;
  /** Of the counter, from then on. */
  total: number;
}

export class RecentCounts {
  readonly #samples = new Map<ProcessKey, Sample[]>();

  /** Returns the increase up to `at`. The counter of a new process began at 0. */
  observe(process: ProcessKey, total: number, at: number): number {
    const samples = this.#samples.get(process) ?? [{ at: Number.NEGATIVE_INFINITY, total: 0 }];
    this.#samples.set(process, samples);
    const latest = samples.at(-1);
    if (latest !== undefined && at - latest.at < RESOLUTION_SECONDS) latest.total = total;
    else if (latest?.total !== total) samples.push({ at, total });
    while (samples[1] !== undefined && samples[1].at <= at - RECENT_SECONDS) samples.shift();
    return total - (samples[0]?.total ?? 0);
  }

  /** Discards the processes that no longer exist. */
  retain(present: ReadonlyMap<ProcessKey, unknown>): void {
    for (const process of this.#samples.keys()) {
      if (!present.has(process)) this.#samples.delete(process);
    }
  }
}
