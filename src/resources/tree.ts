/** Which processes belong to a program: the one that supervisord started and all that have come of it. */

import type { ProcStat } from './formats.ts';

/** By pid, parents before their children. */
export type Members = ReadonlyMap<number, ProcStat>;

/** How processes are related, as far as it is looked at. */
export interface Kinship {
  /** undefined where the process is gone. */
  stat(pid: number): ProcStat | undefined;
  children(pid: number, stat: ProcStat): Generator<undefined, readonly number[]>;
}

export interface Tree {
  /** Empty where the main process is gone. */
  readonly members: Members;
  /** Processes that were members before and live on elsewhere. */
  readonly departed: ReadonlySet<number>;
}

/**
 * Finds the tree under `main`, one process a step. `before` are the members that it had:
 * one that is missed now, because its parent has ended while the tree was read and it has
 * another one in the tree, is taken in all the same.
 */
export function* findTree(
  main: number,
  before: Members,
  kinship: Kinship,
): Generator<undefined, Tree> {
  const members = new Map<number, ProcStat>();
  const departed = new Set<number>();
  yield* descend(main, kinship.stat(main), members, kinship);
  for (const [pid, { start }] of before) {
    if (members.has(pid)) continue;
    const stat = kinship.stat(pid);
    if (stat?.start !== start) continue;
    if (members.has(stat.parent)) yield* descend(pid, stat, members, kinship);
    else departed.add(pid);
  }
  return { members, departed };
}

/** Takes in a process with all below it. A pid comes in once, so whatever is said of kinship, this ends. */
function* descend(
  from: number,
  stat: ProcStat | undefined,
  members: Map<number, ProcStat>,
  kinship: Kinship,
): Generator<undefined, void> {
  if (stat === undefined) return;
  members.set(from, stat);
  const parents = [from];
  for (const parent of parents) {
    const parentStat = members.get(parent);
    if (parentStat === undefined) continue;
    for (const child of yield* kinship.children(parent, parentStat)) {
      if (members.has(child)) continue;
      const childStat = kinship.stat(child);
      yield;
      // Gone meanwhile, and its pid may be another's already.
      if (childStat?.parent !== parent) continue;
      members.set(child, childStat);
      parents.push(child);
    }
  }
}
