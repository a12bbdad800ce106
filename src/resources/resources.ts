/** The collector "resources": what each process of Supervisor uses, from procfs. */

import { livePid, type Process } from '../processes/process.ts';
import { ALL_PROCESSES, type Selection } from '../processes/selection.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { CollectorStats } from '../util/collector-stats.ts';
import { describeSystemError } from '../util/errno.ts';
import type { Logger } from '../util/log.ts';
import { type PausableWork, runInSlices } from '../util/time-slice.ts';
import { childrenByScan, childrenFromProc } from './children.ts';
import type { ProcStat } from './formats.ts';
import { ProcessTree, type ResourceUsage } from './process-tree.ts';
import { ProcFs } from './procfs.ts';
import { RunIdentity } from './run-identity.ts';

export type { ResourceUsage } from './process-tree.ts';

/** An event waits at most this long for its turn during a reading. */
const SLICE_MS = 1;

/** A more recent reading is shared: CPU time has a resolution of 10 ms. */
const FRESH_MS = 10;

/**
 * How many lists of children may be read for each process of the machine before a scan of all
 * stat files is faster: reading one of those takes twice as long.
 */
const LISTS_PER_PROCESS = 2;

/** Between supervisord and the exporter there may be a shell, a container's init or sudo. */
const MAX_ANCESTORS = 64;

export interface UsageSource {
  /** At the last reading; undefined where the process did not run then or does not run now. */
  usageOf(process: Readonly<Process>): ResourceUsage | undefined;
}

export interface ResourcesOptions {
  readonly table: ProcessTable;
  readonly log: Logger;
  /** Which processes to measure. */
  readonly selection?: Selection;
  /** Whether to read bytes, swap and context switches as well, which takes two more files of each process. */
  readonly readsIo?: boolean;
  /** Of the exporter, in its own PID namespace. */
  readonly ownPid: number;
  /** Where procfs is mounted. */
  readonly root?: string;
  /** In milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** In epoch seconds. */
  readonly wallClock?: () => number;
}

/** Logs the reason and returns undefined where procfs cannot be used. */
export function openResources(options: ResourcesOptions): Resources | undefined {
  const { log, ownPid, root = '/proc' } = options;
  const denied = new Set<string>();
  const proc = new ProcFs(root, (file) => {
    if (denied.has(file)) return;
    denied.add(file);
    log.info('no permission to read a file of some processes; metrics that need it are omitted', {
      file: `${root}/PID/${file}`,
    });
  });
  const own = proc.ownStat();
  if (own === undefined) {
    log.info('the collector "resources" is off: there is no Linux procfs', { path: root });
    return undefined;
  }
  if (own.pid !== ownPid) {
    log.info('the collector "resources" is off: procfs belongs to another PID namespace', {
      path: root,
      own_pid: ownPid,
      own_pid_in_procfs: own.pid,
    });
    return undefined;
  }
  return new Resources(options, proc, own);
}

export class Resources implements UsageSource {
  readonly #table: ProcessTable;
  readonly #log: Logger;
  readonly #selection: Selection;
  readonly #readsIo: boolean;
  readonly #now: () => number;
  readonly #wallClock: () => number;
  readonly #proc: ProcFs;
  readonly #identity: RunIdentity;
  /** The exporter, its parent and so on. */
  readonly #ancestors: readonly ProcStat[];
  /** By the record: a process that was removed and added again has a new one. */
  readonly #trees = new WeakMap<Readonly<Process>, ProcessTree>();
  #latest: ReadonlyMap<Readonly<Process>, ResourceUsage> = new Map();
  #stats: CollectorStats = { success: undefined, durationSeconds: undefined };
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  /** Why the last reading failed; undefined where it did not. */
  #failure: string | undefined;

  constructor(options: ResourcesOptions, proc: ProcFs, own: ProcStat) {
    const { now = () => performance.now(), wallClock = () => Date.now() / 1000 } = options;
    this.#table = options.table;
    this.#log = options.log;
    this.#selection = options.selection ?? ALL_PROCESSES;
    this.#readsIo = options.readsIo ?? false;
    this.#now = now;
    this.#wallClock = wallClock;
    this.#proc = proc;
    this.#identity = new RunIdentity(own, wallClock(), proc.uptime());
    this.#ancestors = ancestorsOf(own, proc);
  }

  get stats(): CollectorStats {
    return this.#stats;
  }

  usageOf(process: Readonly<Process>): ResourceUsage | undefined {
    const usage = this.#latest.get(process);
    return usage !== undefined && usage.pid === livePid(process) ? usage : undefined;
  }

  /** Reads the usage of all processes, or waits for the reading in progress. Never rejects. */
  read(): Promise<void> {
    if (this.#reading === undefined && this.#now() - this.#readAt >= FRESH_MS) {
      this.#reading = this.#read();
    }
    return this.#reading ?? Promise.resolve();
  }

  async #read(): Promise<void> {
    const began = this.#now();
    try {
      this.#latest = await runInSlices(this.#measure(await this.#pidsToScan()), SLICE_MS);
      this.#failure = undefined;
    } catch (error) {
      // No descriptor may be left, for example.
      this.#latest = new Map();
      this.#logFailure(describeSystemError(error));
    }
    this.#readAt = this.#now();
    this.#stats = {
      success: this.#failure === undefined,
      durationSeconds: (this.#readAt - began) / 1000,
    };
    this.#reading = undefined;
  }

  *#measure(
    pidsToScan: readonly number[] | undefined,
  ): PausableWork<Map<Readonly<Process>, ResourceUsage>> {
    const lookup =
      pidsToScan === undefined
        ? childrenFromProc(this.#proc)
        : yield* childrenByScan(this.#proc, pidsToScan);
    const usages = new Map<Readonly<Process>, ResourceUsage>();
    this.#identity.updateClock(this.#wallClock(), this.#proc.uptime());
    const processes = liveProcesses(this.#table);
    const supervisord = this.#supervisordPid(new Set(processes.map(({ pid }) => pid)));
    const hasIoWait = this.#proc.accountsIoWait();
    for (const { pid, process } of processes) {
      if (!this.#selection.isSelected(process.id)) continue;
      const stat = lookup.stat(pid);
      yield;
      if (stat === undefined) continue;
      const runStart = process.startTime ?? process.lastTransitionTime;
      if (!this.#identity.matches(stat, supervisord, runStart)) continue;
      const tree = this.#treeOf(process);
      const options = { now: this.#now(), hasIoWait, readsIo: this.#readsIo };
      usages.set(process, yield* tree.measure(pid, stat, lookup, this.#proc, options));
    }
    return usages;
  }

  /**
   * The parent of the process that supervisord started as the exporter: of the first ancestor that the
   * process table lists, or of the exporter itself until it lists one.
   */
  #supervisordPid(listedPids: ReadonlySet<number>): number {
    const listed = this.#ancestors.find(({ pid }) => listedPids.has(pid));
    return (listed ?? this.#ancestors[0])?.parent ?? 0;
  }

  /** undefined where reading the lists of children is faster than scanning all processes. */
  async #pidsToScan(): Promise<readonly number[] | undefined> {
    if (this.#proc.listsChildren) {
      let lists = 0;
      for (const { threads } of this.#latest.values()) lists += threads;
      if (lists <= LISTS_PER_PROCESS * this.#proc.processCount()) return undefined;
    }
    return this.#proc.pids();
  }

  #treeOf(process: Readonly<Process>): ProcessTree {
    const known = this.#trees.get(process);
    if (known !== undefined) return known;
    const tree = new ProcessTree();
    this.#trees.set(process, tree);
    return tree;
  }

  /** Logs a failure once and not at each reading. */
  #logFailure(reason: string): void {
    if (this.#failure !== reason) {
      this.#log.warn('cannot read procfs; the metrics of the collector "resources" are omitted', {
        reason,
      });
    }
    this.#failure = reason;
  }
}

function ancestorsOf(own: ProcStat, proc: ProcFs): ProcStat[] {
  const ancestors = [own];
  for (let pid = own.parent; pid !== 0 && ancestors.length < MAX_ANCESTORS; ) {
    const stat = proc.stat(pid);
    if (stat === undefined) break;
    ancestors.push(stat);
    pid = stat.parent;
  }
  return ancestors;
}

interface LiveProcess {
  readonly pid: number;
  readonly process: Readonly<Process>;
}

function liveProcesses(table: ProcessTable): LiveProcess[] {
  const processes: LiveProcess[] = [];
  for (const process of table.values()) {
    const pid = livePid(process);
    if (pid !== undefined) processes.push({ pid, process });
  }
  return processes;
}
