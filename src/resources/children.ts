/** Two ways to find the children of a process. */

import type { PausableWork } from '../util/time-slice.ts';
import type { ProcStat } from './formats.ts';
import type { ProcFs } from './procfs.ts';
import type { ProcessLookup } from './tree.ts';

/** Reads the kernel's list of children of each process; files of other processes are not read. */
export function childrenFromProc(proc: ProcFs): ProcessLookup {
  return {
    stat: (pid) => proc.stat(pid),
    children: (pid, { threads }) => proc.children(pid, threads),
  };
}

/** Reads the stat file of every process of the machine once, and groups them by parent. */
export function* childrenByScan(
  proc: ProcFs,
  pids: readonly number[],
): PausableWork<ProcessLookup> {
  const stats = new Map<number, ProcStat>();
  const children = new Map<number, number[]>();
  for (const pid of pids) {
    const stat = proc.stat(pid);
    yield;
    if (stat === undefined) continue;
    stats.set(pid, stat);
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [pid]);
    else siblings.push(pid);
  }
  return {
    stat: (pid) => stats.get(pid),
    *children(pid) {
      yield;
      return children.get(pid) ?? [];
    },
  };
}
