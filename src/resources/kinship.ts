/** Two ways to know which process is whose child. */

import type { ProcStat } from './formats.ts';
import type { ProcFs, Steps } from './procfs.ts';
import type { Kinship } from './tree.ts';

/** The kernel tells the children of each process: only what belongs to a program is read. */
export function askedKinship(proc: ProcFs): Kinship {
  return {
    stat: (pid) => proc.stat(pid),
    children: (pid, { threads }) => proc.children(pid, threads),
  };
}

/** Every process of the machine is read once, for the parent that it names. */
export function* scannedKinship(proc: ProcFs, pids: readonly number[]): Steps<Kinship> {
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
