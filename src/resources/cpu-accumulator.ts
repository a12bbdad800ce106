/**
 * Accumulates the CPU time of a process tree into a counter that never decreases.
 *
 * When a parent reaps a child, the kernel adds the child's utime, stime, cutime and cstime to
 * the parent's cutime and cstime. The sum of all four over the live processes of the tree is
 * therefore the total of the tree, except:
 *
 * 1. A process leaves the tree because its parent exits (a daemon). Nothing that it uses
 *    afterwards belongs to the tree.
 * 2. A process is reaped without being added to any parent, because the parent ignores SIGCHLD.
 * 3. The files of a tree are read one after the other. The CPU time of a child that exits
 *    after its parent's file was read and before its own file is in neither of them.
 *
 * The accumulator therefore carries what it had counted of each process that is missing,
 * as far as the cutime and cstime of the nearest remaining ancestor have not grown by it. In
 * case 3 they grow at the next reading, and the carried time is taken back by that much.
 */

import type { CpuTicks, ProcStat } from './formats.ts';
import type { Members, Tree } from './tree.ts';

const ZERO: CpuTicks = { user: 0, system: 0 };

export class CpuAccumulator {
  #members: Members = new Map();
  /** Counted of processes that are missing, and in no file of a remaining member. */
  #carried = ZERO;
  /**
   * The part of the carried time, by member, that its cutime and cstime may still come to
   * include, because a descendant exited since the reading before. One reading later it is final.
   */
  #pending: ReadonlyMap<number, CpuTicks> = new Map();

  /** The members at the last reading. */
  get members(): Members {
    return this.#members;
  }

  /** Adds a reading of the tree; returns the CPU time of all processes that ever belonged to it. */
  add({ members, reparented }: Tree): CpuTicks {
    const pending = new Map<number, CpuTicks>();
    for (const [pid, carry] of this.#carries(members, reparented)) {
      const reaped = subtract(members.get(pid)?.reaped, this.#members.get(pid)?.reaped);
      const carriedBefore = sum(carry.pendingOfExited, carry.pending);
      const missing = notNegative(subtract(sum(carry.exited, carriedBefore), reaped));
      this.#carried = sum(this.#carried, subtract(missing, carriedBefore));
      pending.set(pid, minimum(missing, sum(carry.exited, carry.pendingOfExited)));
    }
    this.#members = members;
    this.#pending = pending;
    let total = this.#carried;
    for (const stat of members.values()) total = sum(total, totalOf(stat));
    return total;
  }

  /** What the cutime and cstime of each remaining member are expected to include by now. */
  #carries(members: Members, reparented: Tree['reparented']): Map<number, CpuCarry> {
    const carries = new Map<number, CpuCarry>();
    const add = (pid: number, more: Partial<CpuCarry>) => {
      const { exited, pendingOfExited, pending } = carries.get(pid) ?? NO_CARRY;
      carries.set(pid, {
        exited: sum(exited, more.exited),
        pendingOfExited: sum(pendingOfExited, more.pendingOfExited),
        pending: sum(pending, more.pending),
      });
    };
    for (const [pid, stat] of this.#members) {
      const pending = this.#pending.get(pid);
      if (isSame(members.get(pid), stat)) {
        if (pending !== undefined) add(pid, { pending });
        continue;
      }
      const ancestor = this.#remainingAncestor(pid, members, reparented);
      if (ancestor === undefined) this.#carried = sum(this.#carried, totalOf(stat));
      else add(ancestor, { exited: totalOf(stat), pendingOfExited: pending ?? ZERO });
    }
    return carries;
  }

  /** The nearest ancestor that is still a member; undefined where the process left the tree alive. */
  #remainingAncestor(
    pid: number,
    members: Members,
    reparented: Tree['reparented'],
  ): number | undefined {
    for (let at = pid; !reparented.has(at); ) {
      const stat = this.#members.get(at);
      if (stat === undefined) return undefined;
      if (isSame(members.get(at), stat)) return at;
      at = stat.parent;
    }
    return undefined;
  }
}

interface CpuCarry {
  /** CPU time of descendants that exited since the last reading. */
  readonly exited: CpuTicks;
  /** What was pending for those descendants themselves: they may have included it before they exited. */
  readonly pendingOfExited: CpuTicks;
  /** What was pending for the member itself. */
  readonly pending: CpuTicks;
}

const NO_CARRY: CpuCarry = { exited: ZERO, pendingOfExited: ZERO, pending: ZERO };

function isSame(one: ProcStat | undefined, other: ProcStat): boolean {
  return one?.start === other.start;
}

function totalOf({ own, reaped }: ProcStat): CpuTicks {
  return sum(own, reaped);
}

function sum(one: CpuTicks, other = ZERO): CpuTicks {
  return { user: one.user + other.user, system: one.system + other.system };
}

function subtract(one = ZERO, other = ZERO): CpuTicks {
  return { user: one.user - other.user, system: one.system - other.system };
}

function minimum(one: CpuTicks, other: CpuTicks): CpuTicks {
  return { user: Math.min(one.user, other.user), system: Math.min(one.system, other.system) };
}

function notNegative({ user, system }: CpuTicks): CpuTicks {
  return { user: Math.max(user, 0), system: Math.max(system, 0) };
}
