/** A memory cgroup with a limit, for real OOM kills. */

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMemoryCgroup, readCounter } from '../../src/util/memory-cgroup.ts';
import { eventually } from './deadline.ts';

export interface TestCgroup {
  readonly folder: string;
  /** OOM kills in it. */
  readonly kills: () => number;
}

const FILES = {
  1: { limit: 'memory.limit_in_bytes', counter: 'memory.oom_control' },
  2: { limit: 'memory.max', counter: 'memory.events' },
} as const;

/** Runs `body` with a cgroup below that of this process. Returns why there can be none. */
export async function withMemoryCgroup(
  limitBytes: number,
  body: (cgroup: TestCgroup) => Promise<void>,
): Promise<string | undefined> {
  const own = findMemoryCgroup('');
  if (own === undefined) return 'there is no memory controller';
  const folder = join(own.folders[0], `supervisor-exporter-${process.pid}`);
  const { limit, counter } = FILES[own.version];
  try {
    mkdirSync(folder);
    writeFileSync(join(folder, limit), String(limitBytes));
  } catch (error) {
    return String(error);
  }
  try {
    await body({ folder, kills: () => readCounter(join(folder, counter), 'oom_kill') ?? 0 });
  } finally {
    // It can be removed once its last process has been reaped.
    await eventually(10_000, () => rmdirSync(folder));
  }
  return undefined;
}
