/** Measures one process of Supervisor with its descendants, repeatedly. */

import type { PausableWork } from '../util/time-slice.ts';
import { CounterAccumulator } from './counter-accumulator.ts';
import { type ProcStat, STAT_COUNTERS, TICKS_PER_SECOND } from './formats.ts';
import { IoAccount, type IoUsage } from './io-usage.ts';
import type { ProcFs } from './procfs.ts';
import { findTree, type Members, type ProcessLookup } from './tree.ts';

/** Of the main process, which supervisord started, and its descendants. */
export interface ResourceUsage {
  /** The main process. */
  readonly pid: number;
  /** Includes descendants that have exited. It never decreases while the main process is the same. */
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  /** Counted like the CPU time. */
  readonly majorPageFaults: number;
  /** Of the main threads; undefined where the kernel does not account it. */
  readonly ioWaitSeconds: number | undefined;
  /** undefined: not asked for. */
  readonly io: IoUsage | undefined;
  /** Shared memory counts once for each process; undefined where it cannot be read of all of them. */
  readonly residentBytes: number | undefined;
  readonly virtualBytes: number;
  readonly threads: number;
  /** undefined where they cannot be read of all of them. */
  readonly openFds: number | undefined;
  /** Soft limit of the main process; undefined where it is unlimited or cannot be read. */
  readonly maxFds: number | undefined;
  /** Includes the main process and zombies. */
  readonly processes: number;
}

export interface MeasureOptions {
  /** Milliseconds of a monotonic clock. */
  readonly now: number;
  /** Whether the kernel accounts the time that processes wait for block I/O. */
  readonly hasIoWait: boolean;
  /** Whether to read the files of `io`. */
  readonly readsIo: boolean;
}

/** The limit hardly ever changes, and reading it takes a tenth of the time of a reading. */
const MAX_FDS_VALID_MS = 60_000;

export class ProcessTree {
  /** The pid alone does not identify the main process, since pids are reused. */
  #main: Pick<ProcStat, 'pid' | 'start'> | undefined;
  #counters = new CounterAccumulator(STAT_COUNTERS);
  #io = new IoAccount();
  #maxFds: number | undefined;
  #maxFdsReadAt = Number.NEGATIVE_INFINITY;
  /** At the last reading. */
  #openFds = Number.POSITIVE_INFINITY;

  *measure(
    pid: number,
    main: ProcStat,
    lookup: ProcessLookup,
    proc: ProcFs,
    options: MeasureOptions,
  ): PausableWork<ResourceUsage> {
    if (this.#main?.pid !== pid || this.#main.start !== main.start) this.#reset(pid, main);
    const tree = yield* findTree(pid, main, this.#counters.members, lookup);
    const counters = this.#counters.add(tree.members, tree.reparented);
    const { residentBytes, openFds } = yield* this.#measureEach(tree.members, proc);
    if (openFds !== undefined) this.#openFds = openFds;
    return {
      pid,
      cpuUserSeconds: counters.user / TICKS_PER_SECOND,
      cpuSystemSeconds: counters.system / TICKS_PER_SECOND,
      majorPageFaults: counters.majorFaults,
      ioWaitSeconds: options.hasIoWait ? counters.ioWait / TICKS_PER_SECOND : undefined,
      io: options.readsIo ? yield* this.#io.measure(tree, proc) : undefined,
      residentBytes,
      virtualBytes: sumOf(tree.members, ({ virtualBytes }) => virtualBytes),
      threads: sumOf(tree.members, ({ isZombie, threads }) => (isZombie ? 0 : threads)),
      openFds,
      maxFds: this.#readMaxFds(pid, proc, options.now),
      processes: tree.members.size,
    };
  }

  #reset(pid: number, { start }: ProcStat): void {
    this.#main = { pid, start };
    this.#counters = new CounterAccumulator(STAT_COUNTERS);
    this.#io = new IoAccount();
    this.#maxFdsReadAt = Number.NEGATIVE_INFINITY;
  }

  /** Reads the values that have a file of their own in each process. */
  *#measureEach(
    members: Members,
    proc: ProcFs,
  ): PausableWork<{ residentBytes: number | undefined; openFds: number | undefined }> {
    let residentBytes: number | undefined = 0;
    let openFds: number | undefined = 0;
    for (const [pid, { isZombie }] of members) {
      // A zombie has neither, and its folder may be unreadable.
      if (isZombie) continue;
      residentBytes = add(residentBytes, proc.residentBytes(pid));
      openFds = add(openFds, yield* proc.openFds(pid, this.#openFds));
      yield;
    }
    return { residentBytes, openFds };
  }

  #readMaxFds(pid: number, proc: ProcFs, now: number): number | undefined {
    if (now - this.#maxFdsReadAt >= MAX_FDS_VALID_MS) {
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
