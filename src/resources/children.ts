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

/**
 * Reads the stat file of every process of the machine, and groups them by parent. A process whose
 * file was read before that of its parent is read again, since it may have exited in between: the
 * parent's counters would include it, and it would count twice. Pids begin again at a low number
 * once the highest was used.
 */
export function* childrenByScan<Stat extends Pick<ProcStat, 'parent'>>(
  proc: { stat(pid: number): Stat | undefined },
  pids: readonly number[],
): PausableWork<ProcessLookup<Stat>> {
  const stats = new Map<number, Stat>();
  const children = new Map<number, number[]>();
  const early = new Set<number>();
  for (const pid of pids) {
    const stat = proc.stat(pid);
    yield;
    if (stat === undefined) continue;
    stats.set(pid, stat);
    if (!stats.has(stat.parent)) early.add(pid);
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [pid]);
    else siblings.push(pid);
  }
  return {
    stat: (pid) => {
      if (!early.has(pid)) return stats.get(pid);
      // Its children were read before this.
      for (const child of children.get(pid) ?? []) early.add(child);
      return proc.stat(pid);
    },
    *children(pid) {
      yield;
      return children.get(pid) ?? [];
    },
  };
}
