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
    const heirs = this.#inherit(members, departed);
    const due = new Map<number, Cpu>();
    for (const [pid, { expected, owed }] of heirs) {
      const cameBack = difference(members.get(pid)?.waited, this.#members.get(pid)?.waited);
      const missing = atLeastNothing(difference(sum(expected, owed), cameBack));
      this.#gone = sum(this.#gone, difference(missing, owed));
      due.set(pid, lesser(missing, expected));
    }
    this.#members = members;
    this.#due = due;
    let total = this.#gone;
    for (const stat of members.values()) total = sum(total, totalOf(stat));
    return total;
  }

  /** What each member that is still there is to be given by those that are not, and was due to it before. */
  #inherit(members: Tree['members'], departed: Tree['departed']): Map<number, Inheritance> {
    const heirs = new Map<number, Inheritance>();
    const bequeath = (to: number | undefined, expected: Cpu, owed: Cpu) => {
      if (to === undefined) {
        this.#gone = sum(this.#gone, expected);
        return;
      }
      const so = heirs.get(to) ?? { expected: NOTHING, owed: NOTHING };
      heirs.set(to, { expected: sum(so.expected, expected), owed: sum(so.owed, owed) });
    };
    for (const [pid, stat] of this.#members) {
      const owed = this.#due.get(pid) ?? NOTHING;
      if (isSame(members.get(pid), stat)) {
        if (owed !== NOTHING) bequeath(pid, NOTHING, owed);
      } else {
        bequeath(this.#heirOf(pid, members, departed), totalOf(stat), owed);
      }
    }
    return heirs;
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

interface Inheritance {
  readonly expected: Cpu;
  readonly owed: Cpu;
}

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
