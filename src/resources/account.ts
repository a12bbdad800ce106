/**
 * The CPU time of a tree of processes, as a counter that never falls.
 *
 * What a process has used goes over to its parent's account when that has waited for it, so
 * that the sum over the living, with all that they have waited for, is the whole. But not all
 * comes back: a process may leave the tree for another parent, or end with nobody to wait for
 * it. And what is read one after the other is not of one moment: one that ended meanwhile can
 * be missing from both. So what has gone is held against what has come back, and kept beside
 * the sum as far as that has not.
 */

import type { Cpu, ProcStat } from './formats.ts';
import type { Tree } from './tree.ts';

const NOTHING: Cpu = { user: 0, system: 0 };

export class CpuAccount {
  #members: Tree['members'] = new Map();
  /** What was counted of processes that have gone, and is on no account of a member. */
  #gone = NOTHING;
  /**
   * What of that may still come to a member's account, because a child of it had only just
   * gone. If it has not by the next reading, it never will.
   */
  #due = new Map<number, Cpu>();

  get members(): Tree['members'] {
    return this.#members;
  }

  /** Takes the tree as it is now; returns the CPU time of all that has ever belonged to it, in ticks. */
  take({ members, departed }: Tree): Cpu {
    const due = new Map<number, Cpu>();
    for (const [pid, { left, inherited, owed }] of this.#estates(members, departed)) {
      const cameBack = difference(members.get(pid)?.waited, this.#members.get(pid)?.waited);
      const before = sum(inherited, owed);
      const missing = atLeastNothing(difference(sum(left, before), cameBack));
      this.#gone = sum(this.#gone, difference(missing, before));
      due.set(pid, lesser(missing, sum(left, inherited)));
    }
    this.#members = members;
    this.#due = due;
    let total = this.#gone;
    for (const stat of members.values()) total = sum(total, totalOf(stat));
    return total;
  }

  /** What is to come to each member from those that are no members any more. */
  #estates(members: Tree['members'], departed: Tree['departed']): Map<number, Estate> {
    const estates = new Map<number, Estate>();
    const add = (pid: number, { left, inherited, owed }: Estate) => {
      const so = estates.get(pid) ?? EMPTY_ESTATE;
      estates.set(pid, {
        left: sum(so.left, left),
        inherited: sum(so.inherited, inherited),
        owed: sum(so.owed, owed),
      });
    };
    for (const [pid, stat] of this.#members) {
      const due = this.#due.get(pid) ?? NOTHING;
      if (isSame(members.get(pid), stat)) {
        if (due !== NOTHING) add(pid, { ...EMPTY_ESTATE, owed: due });
        continue;
      }
      const heir = this.#heirOf(pid, members, departed);
      if (heir === undefined) this.#gone = sum(this.#gone, totalOf(stat));
      else add(heir, { ...EMPTY_ESTATE, left: totalOf(stat), inherited: due });
    }
    return estates;
  }

  /** The nearest ancestor that is still a member; undefined for what has left with its time. */
  #heirOf(pid: number, members: Tree['members'], departed: Tree['departed']): number | undefined {
    for (let at = pid; !departed.has(at); ) {
      const stat = this.#members.get(at);
      if (stat === undefined) return undefined;
      if (isSame(members.get(at), stat)) return at;
      at = stat.parent;
    }
    return undefined;
  }
}

interface Estate {
  /** What those that have just gone had used. */
  readonly left: Cpu;
  /** What was due to them: they may have had it before they went. */
  readonly inherited: Cpu;
  /** What was due to the member itself. */
  readonly owed: Cpu;
}

const EMPTY_ESTATE: Estate = { left: NOTHING, inherited: NOTHING, owed: NOTHING };

function isSame(one: ProcStat | undefined, other: ProcStat): boolean {
  return one?.start === other.start;
}

function totalOf({ own, waited }: ProcStat): Cpu {
  return sum(own, waited);
}

function sum(one: Cpu, other: Cpu): Cpu {
  return { user: one.user + other.user, system: one.system + other.system };
}

function difference(one = NOTHING, other = NOTHING): Cpu {
  return { user: one.user - other.user, system: one.system - other.system };
}

function lesser(one: Cpu, other: Cpu): Cpu {
  return { user: Math.min(one.user, other.user), system: Math.min(one.system, other.system) };
}

function atLeastNothing({ user, system }: Cpu): Cpu {
  return { user: Math.max(user, 0), system: Math.max(system, 0) };
}
