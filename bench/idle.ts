/** What processes use while nothing happens. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs } from './proc.ts';

const MINUTE_MS = 60_000;
/** How long behind each whole minute the exporter takes its snapshot, at the most. */
const SNAPSHOT_MS = 5_000;

/** In percent of a core, for each; the snapshot of each minute is kept out if there is room beside it. */
export async function idleCpu(pids: readonly number[], seconds: number): Promise<number[]> {
  const ms = seconds * 1_000;
  const inMinute = Date.now() % MINUTE_MS;
  const isBeside = inMinute > SNAPSHOT_MS && inMinute + ms < MINUTE_MS;
  if (!isBeside) await sleep((MINUTE_MS + SNAPSHOT_MS - inMinute) % MINUTE_MS);
  const before = pids.map(cpuMs);
  const began = performance.now();
  await sleep(ms);
  const passed = performance.now() - began;
  return pids.map((pid, nth) => (100 * (cpuMs(pid) - (before[nth] ?? 0))) / passed);
}
