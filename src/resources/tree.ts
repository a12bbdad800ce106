/** Finds the processes of a tree: the main process that supervisord started, and its descendants. */

import type { PausableWork } from '../util/time-slice.ts';
import type { ProcStat } from './formats.ts';

/** By pid, parents before their children. */
export type Members<Stat = ProcStat> = ReadonlyMap<number, Stat>;

/** What identifies a process, and its parent. */
type Identity = Pick<ProcStat, 'start' | 'parent'>;

export interface ProcessLookup<Stat = ProcStat> {
  /** undefined where the process is gone. */
  stat(pid: number): Stat | undefined;
  children(pid: number, stat: Stat): PausableWork<readonly number[]>;
}

export interface Tree<Stat = ProcStat> {
  readonly members: Members<Stat>;
  /** Processes that were members at the last reading and now have a parent outside the tree. */
  readonly reparented: ReadonlySet<number>;
}

/**
 * Finds the tree of the main process. A member at the last reading (`before`) that is not
 * found among the children, because its parent exited during this reading and another member
 * is its parent now, is added as well.
 */
export function* findTree<Stat extends Identity>(
  main: number,
  mainStat: Stat,
  before: Members<Pick<Stat, 'start'>>,
  lookup: ProcessLookup<Stat>,
): PausableWork<Tree<Stat>> {
  const members = new Map<number, Stat>();
  const reparented = new Set<number>();
  yield* addWithDescendants(main, mainStat, members, lookup);
  for (const [pid, { start }] of before) {
    if (members.has(pid)) continue;
    const stat = lookup.stat(pid);
    if (stat?.start !== start) continue;
    if (members.has(stat.parent)) yield* addWithDescendants(pid, stat, members, lookup);
    else reparented.add(pid);
  }
  return { members, reparented };
}

/** Adds each pid at most once, so it ends even if the parents that are read form a circle. */
function* addWithDescendants<Stat extends Identity>(
  pid: number,
  stat: Stat,
  members: Map<number, Stat>,
  lookup: ProcessLookup<Stat>,
): PausableWork<void> {
  members.set(pid, stat);
  const parents = [pid];
  for (const parent of parents) {
    const parentStat = members.get(parent);
    if (parentStat === undefined) continue;
    for (const child of yield* lookup.children(parent, parentStat)) {
      if (members.has(child)) continue;
      const childStat = lookup.stat(child);
      yield;
      // The child exited since the list was read, and its pid may have been reused.
      if (childStat?.parent !== parent) continue;
      members.set(child, childStat);
      parents.push(child);
    }
  }
}
