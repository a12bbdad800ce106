/**
 * Accumulates counters of a process tree, such as its CPU time, so that they never decrease.
 *
 * The kernel keeps the counters of a process in three ways:
 *
 * - `own` and `reaped` apart (CPU time, page faults): when a parent reaps a child, the kernel adds
 *   both of the child to the parent's `reaped`;
 * - in one number (bytes of /proc/PID/io): the same, but the parent's number is also its own. It
 *   counts as `reaped` here, and `own` is 0;
 * - for itself alone (context switches): `reaped` is 0.
 *
 * The sum of `own` and `reaped` over the live processes of the tree is therefore the total of the
 * tree, except:
 *
 * 1. A process leaves the tree because its parent exits (a daemon). Nothing that it uses
 *    afterwards belongs to the tree.
 * 2. A process is reaped without being added to any parent, because the parent ignores SIGCHLD, or
 *    because the kernel adds this counter to no parent.
 * 3. The files of a tree are read one after the other. What a child that exits after its parent's
 *    file was read and before its own file has used is in neither of them.
 *
 * The accumulator therefore carries what it had counted of each process that is missing,
 * as far as `reaped` of the nearest remaining ancestor has not grown by it. In case 3 it grows at
 * the next reading, and the carried value is taken back by that much.
 */

import type { Counters } from './formats.ts';
import type { Tree } from './tree.ts';

/** One process at one reading. The pid and the start together identify it, since pids are reused. */
export interface Member<Name extends string> {
  readonly parent: number;
  readonly start: number;
  readonly own: Counters<Name>;
  readonly reaped: Counters<Name>;
}

/** Shared, because most trees have nothing pending most of the time. */
const NONE: ReadonlyMap<number, never> = new Map<number, never>();

type Members<Name extends string> = ReadonlyMap<number, Member<Name>>;

export class CounterAccumulator<Name extends string> {
  readonly #names: readonly Name[];
  readonly #zero: Counters<Name>;
  #members: Members<Name> = new Map();
  /** Counted of processes that are missing, and in no file of a remaining member. */
  #carried: Counters<Name>;
  /**
   * The part of the carried counters, by member, that its `reaped` may still come to include,
   * because a descendant exited since the reading before. One reading later it is final.
   */
  #pending: ReadonlyMap<number, Counters<Name>> = NONE;

  constructor(names: readonly Name[]) {
    this.#names = names;
    this.#zero = this.#each(() => 0);
    this.#carried = this.#zero;
  }

  /** The members at the last reading. */
  get members(): Members<Name> {
    return this.#members;
  }

  /** Adds a reading of the tree; returns the total of all processes that ever belonged to it. */
  add(members: Members<Name>, reparented: Tree['reparented']): Counters<Name> {
    let pending: Map<number, Counters<Name>> | undefined;
    for (const [pid, carry] of this.#carries(members, reparented)) {
      const reaped = this.#subtract(members.get(pid)?.reaped, this.#members.get(pid)?.reaped);
      const carriedBefore = this.#sum(carry.pendingOfExited, carry.pending);
      const missing = this.#notNegative(
        this.#subtract(this.#sum(carry.exited, carriedBefore), reaped),
      );
      this.#carried = this.#sum(this.#carried, this.#subtract(missing, carriedBefore));
      pending ??= new Map();
      pending.set(pid, this.#minimum(missing, this.#sum(carry.exited, carry.pendingOfExited)));
    }
    this.#members = members;
    this.#pending = pending ?? NONE;
    const total: Record<Name, number> = { ...this.#carried };
    for (const { own, reaped } of members.values()) {
      for (const name of this.#names) total[name] += own[name] + reaped[name];
    }
    return total;
  }

  /** What `reaped` of each remaining member is expected to include by now. */
  #carries(members: Members<Name>, reparented: Tree['reparented']): Map<number, Carry<Name>> {
    const carries = new Map<number, Carry<Name>>();
    const add = (pid: number, more: Partial<Carry<Name>>) => {
      const { exited, pendingOfExited, pending } = carries.get(pid) ?? {};
      carries.set(pid, {
        exited: this.#sum(exited, more.exited),
        pendingOfExited: this.#sum(pendingOfExited, more.pendingOfExited),
        pending: this.#sum(pending, more.pending),
      });
    };
    for (const [pid, member] of this.#members) {
      const pending = this.#pending.get(pid);
      if (members.get(pid)?.start === member.start) {
        if (pending !== undefined) add(pid, { pending });
        continue;
      }
      const total = this.#sum(member.own, member.reaped);
      const ancestor = this.#remainingAncestor(pid, members, reparented);
      if (ancestor === undefined) this.#carried = this.#sum(this.#carried, total);
      else add(ancestor, { exited: total, pendingOfExited: pending ?? this.#zero });
    }
    return carries;
  }

  /** The nearest ancestor that is still a member; undefined where the process left the tree alive. */
  #remainingAncestor(
    pid: number,
    members: Members<Name>,
    reparented: Tree['reparented'],
  ): number | undefined {
    for (let at = pid; !reparented.has(at); ) {
      const member = this.#members.get(at);
      if (member === undefined) return undefined;
      if (members.get(at)?.start === member.start) return at;
      at = member.parent;
    }
    return undefined;
  }

  #each(value: (name: Name) => number): Counters<Name> {
    return Object.fromEntries(this.#names.map((name) => [name, value(name)])) as Counters<Name>;
  }

  #sum(one = this.#zero, other = this.#zero): Counters<Name> {
    return this.#each((name) => one[name] + other[name]);
  }

  #subtract(one = this.#zero, other = this.#zero): Counters<Name> {
    return this.#each((name) => one[name] - other[name]);
  }

  #minimum(one: Counters<Name>, other: Counters<Name>): Counters<Name> {
    return this.#each((name) => Math.min(one[name], other[name]));
  }

  #notNegative(counters: Counters<Name>): Counters<Name> {
    return this.#each((name) => Math.max(counters[name], 0));
  }
}

interface Carry<Name extends string> {
  /** Of descendants that exited since the last reading. */
  readonly exited: Counters<Name>;
  /** What was pending for those descendants themselves: they may have included it before they exited. */
  readonly pendingOfExited: Counters<Name>;
  /** What was pending for the member itself. */
  readonly pending: Counters<Name>;
}
