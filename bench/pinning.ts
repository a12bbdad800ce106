/** Keeps the two ends of a dialogue each on a core of its own, so that neither wanders in between. */

import { spawnSync } from 'node:child_process';

const NEAR_CORE = '0';
const FAR_CORE = '1';

export interface Pinning {
  readonly about: string;
  /** What to put before a command that is to run where we run, and before one that is to run apart. */
  readonly near: readonly string[];
  readonly apart: readonly string[];
}

/** Pins this program itself, as far as that can be done here. */
export function pin(): Pinning {
  const isPossible = [NEAR_CORE, FAR_CORE].every((core) => succeeds('-c', core, 'true'));
  if (!isPossible || !succeeds('-a', '-c', '-p', NEAR_CORE, String(process.pid))) {
    return { about: 'NOT pinned: that takes two cores and taskset', near: [], apart: [] };
  }
  return {
    about: `listeners pinned to core ${FAR_CORE}, all else to core ${NEAR_CORE}`,
    near: ['taskset', '-c', NEAR_CORE],
    apart: ['taskset', '-c', FAR_CORE],
  };
}

function succeeds(...args: readonly string[]): boolean {
  return spawnSync('taskset', args, { stdio: 'ignore' }).status === 0;
}
