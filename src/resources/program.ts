/** One program, measured again and again. */

import { CpuAccount } from './account.ts';
import { TICKS_A_SECOND } from './formats.ts';
import type { ProcFs, Steps } from './procfs.ts';
import { findTree, type Kinship, type Members } from './tree.ts';

/** What a program uses: its main process and all that have come of it. */
export interface Usage {
  /** The main process. */
  readonly pid: number;
  /** What has ended is in it. It never falls while the main process is the same. */
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  /** What several of them share counts for each; undefined where it can't be told. */
  readonly residentBytes: number | undefined;
  readonly virtualBytes: number;
  readonly threads: number;
  /** undefined where they can't be told of all of them. */
  readonly openFds: number | undefined;
  /** Soft limit of the main process; undefined where there is none, or it can't be told. */
  readonly maxFds: number | undefined;
  /** The main process and zombies included. */
  readonly processes: number;
}

/** It hardly ever changes, and is a tenth of the work if read each time. */
const MAX_FDS_GOOD_FOR_MS = 60_000;

export class Program {
  /** The present main process; its pid alone could be another one by now. */
  #main: { readonly pid: number; readonly start: number } | undefined;
  #account = new CpuAccount();
  #maxFds: number | undefined;
  #maxFdsReadAt = Number.NEGATIVE_INFINITY;
  /** As of the last time: about how long the list will be. */
  #openFds = Number.POSITIVE_INFINITY;

  /** undefined where the main process is gone. `now` is in milliseconds, of a clock that only runs on. */
  *measure(pid: number, kinship: Kinship, proc: ProcFs, now: number): Steps<Usage | undefined> {
    const before = this.#main?.pid === pid ? this.#account.members : new Map();
    const tree = yield* findTree(pid, before, kinship);
    const main = tree.members.get(pid);
    if (main === undefined) return undefined;
    if (this.#main?.pid !== pid || this.#main.start !== main.start)
      this.#startAnew(pid, main.start);
    const cpu = this.#account.take(tree);
    const { residentBytes, openFds } = yield* this.#measureEach(tree.members, proc);
    if (openFds !== undefined) this.#openFds = openFds;
    return {
      pid,
      cpuUserSeconds: cpu.user / TICKS_A_SECOND,
      cpuSystemSeconds: cpu.system / TICKS_A_SECOND,
      residentBytes,
      virtualBytes: sumOf(tree.members, ({ virtualBytes }) => virtualBytes),
      threads: sumOf(tree.members, ({ isZombie, threads }) => (isZombie ? 0 : threads)),
      openFds,
      maxFds: this.#readMaxFds(pid, proc, now),
      processes: tree.members.size,
    };
  }

  #startAnew(pid: number, start: number): void {
    this.#main = { pid, start };
    this.#account = new CpuAccount();
    this.#maxFdsReadAt = Number.NEGATIVE_INFINITY;
  }

  /** What is in files of its own. */
  *#measureEach(
    members: Members,
    proc: ProcFs,
  ): Steps<{ residentBytes: number | undefined; openFds: number | undefined }> {
    let residentBytes: number | undefined = 0;
    let openFds: number | undefined = 0;
    for (const [pid, { isZombie }] of members) {
      // It has neither any more, and its folder can't be read by everybody.
      if (isZombie) continue;
      residentBytes = add(residentBytes, proc.residentBytes(pid));
      openFds = add(openFds, yield* proc.openFds(pid, this.#openFds));
      yield;
    }
    return { residentBytes, openFds };
  }

  #readMaxFds(pid: number, proc: ProcFs, now: number): number | undefined {
    if (now - this.#maxFdsReadAt >= MAX_FDS_GOOD_FOR_MS) {
      this.#maxFds = proc.maxFds(pid);
      this.#maxFdsReadAt = now;
    }
    return this.#maxFds;
  }
}

function add(sum: number | undefined, term: number | undefined): number | undefined {
  return sum === undefined || term === undefined ? undefined : sum + term;
}

function sumOf<Item>(members: ReadonlyMap<number, Item>, value: (item: Item) => number): number {
  let sum = 0;
  for (const item of members.values()) sum += value(item);
  return sum;
}
