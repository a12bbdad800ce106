/** Settings of V8's heap for a small program that runs permanently. */

import { setFlagsFromString } from 'node:v8';

/**
 * V8 collects garbage early, and the space for new objects keeps its initial 1 MB. With its
 * defaults a few MB of live data grow to a heap of 40 MB, to save time. Without the trigger V8
 * begins to mark only after 8 MB of garbage, which is as much as there are live data.
 */
const SMALL = [
  '--optimize-for-size',
  '--semi-space-growth-factor=1',
  '--incremental-marking-soft-trigger=20',
];

/** Each row adds V8's default for what costs too much time from so many processes on. */
const DEFAULTS: readonly (readonly [processes: number, flag: string])[] = [
  // A scrape of them makes some MB of garbage, and marking takes the longer the more is live.
  [300, '--incremental-marking-soft-trigger=0'],
  // A scrape with resources fills 1 MB two dozen times: a third of the CPU time for 5,000.
  [2_500, '--semi-space-growth-factor=2'],
];

export function keepHeapSmall(): void {
  for (const flag of SMALL) setFlagsFromString(flag);
}

/** Lets the heap grow with the number of processes. */
export function fitHeapTo(processes: number): void {
  for (const [from, flag] of DEFAULTS) if (processes >= from) setFlagsFromString(flag);
}
