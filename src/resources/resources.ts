/** What each program uses of the machine, as of the last reading of /proc. */

import { livePid, type Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { Logger } from '../util/log.ts';
import { askedKinship, scannedKinship } from './kinship.ts';
import { ProcFs, type Steps } from './procfs.ts';
import { Program, type Usage } from './program.ts';

export type { Usage } from './program.ts';

/** Reading goes on this long before others have their turn; an event waits for no more than that. */
const SLICE_MS = 1;

/** A reading that is no older is shared: CPU time has no finer steps than 10 ms. */
const FRESH_MS = 10;

/**
 * How many lists of children may be read for each process that the machine has, before it
 * is less work to look at them all: to read the stat of one takes twice as long.
 */
const LISTS_A_PROCESS = 2;

/** What shows usage needs to know. */
export interface UsageSource {
  /** Changes whenever anything may have that `usageOf` tells. */
  readonly readings: number;
  /** As of the last reading; undefined where the process has not run then, or runs no more. */
  usageOf(process: Readonly<Process>): Usage | undefined;
}

export interface ResourcesOptions {
  readonly table: ProcessTable;
  readonly log: Logger;
  /** Where procfs is mounted. */
  readonly root?: string;
  /** In milliseconds, of a clock that only runs on. */
  readonly now?: () => number;
}

/** undefined, and said, where there is no /proc as Linux has it. */
export function openResources(options: ResourcesOptions): Resources | undefined {
  const { table, log, root = '/proc', now = () => performance.now() } = options;
  const said = new Set<string>();
  const proc = new ProcFs(root, (file) => {
    if (said.has(file)) return;
    said.add(file);
    log.info('no permission to read a file of some processes, and what it tells is left out', {
      file: `${root}/PID/${file}`,
    });
  });
  if (proc.isThere) return new Resources(table, proc, log, now);
  log.info('there is no Linux /proc here, so the collector "resources" is off', { path: root });
  return undefined;
}

export class Resources implements UsageSource {
  readonly #table: ProcessTable;
  readonly #proc: ProcFs;
  readonly #log: Logger;
  readonly #now: () => number;
  /** By the record itself: a process that was removed and added back is another one. */
  readonly #programs = new WeakMap<Readonly<Process>, Program>();
  #latest: ReadonlyMap<Readonly<Process>, Usage> = new Map();
  #readings = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | undefined;
  /** Why the last reading failed; undefined where it has not. */
  #failure: string | undefined;

  constructor(table: ProcessTable, proc: ProcFs, log: Logger, now: () => number) {
    this.#table = table;
    this.#proc = proc;
    this.#log = log;
    this.#now = now;
  }

  get readings(): number {
    return this.#readings;
  }

  usageOf(process: Readonly<Process>): Usage | undefined {
    const usage = this.#latest.get(process);
    return usage !== undefined && usage.pid === livePid(process) ? usage : undefined;
  }

  /** Has everything read, or waits for the reading that is under way. Never rejects. */
  read(): Promise<void> {
    if (this.#underWay === undefined && this.#now() - this.#readAt >= FRESH_MS) {
      this.#underWay = this.#read();
    }
    return this.#underWay ?? Promise.resolve();
  }

  async #read(): Promise<void> {
    try {
      this.#latest = await this.#inSlices(this.#measure(await this.#pidsToScan()));
      this.#failure = undefined;
    } catch (error) {
      // Such as no descriptor left. What is not known is left out, and nothing else.
      this.#latest = new Map();
      this.#noteFailure(error instanceof Error ? error.message : String(error));
    }
    this.#readings += 1;
    this.#readAt = this.#now();
    this.#underWay = undefined;
  }

  *#measure(pidsToScan: readonly number[] | undefined): Steps<Map<Readonly<Process>, Usage>> {
    const kinship =
      pidsToScan === undefined
        ? askedKinship(this.#proc)
        : yield* scannedKinship(this.#proc, pidsToScan);
    const usages = new Map<Readonly<Process>, Usage>();
    for (const process of [...this.#table.values()]) {
      const pid = livePid(process);
      if (pid === undefined) continue;
      const program = this.#programOf(process);
      const usage = yield* program.measure(pid, kinship, this.#proc, this.#now());
      if (usage !== undefined) usages.set(process, usage);
    }
    return usages;
  }

  /** undefined where the kernel is better asked for the children of what we know. */
  async #pidsToScan(): Promise<readonly number[] | undefined> {
    if (this.#proc.tellsChildren) {
      let lists = 0;
      for (const { threads } of this.#latest.values()) lists += threads;
      if (lists <= LISTS_A_PROCESS * this.#proc.processes) return undefined;
    }
    return this.#proc.pids();
  }

  #programOf(process: Readonly<Process>): Program {
    const known = this.#programs.get(process);
    if (known !== undefined) return known;
    const program = new Program();
    this.#programs.set(process, program);
    return program;
  }

  /** Goes through the steps, and lets others have their turn in between. */
  async #inSlices<Result>(steps: Steps<Result>): Promise<Result> {
    for (;;) {
      const end = this.#now() + SLICE_MS;
      do {
        const step = steps.next();
        if (step.done === true) return step.value;
      } while (this.#now() < end);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Says a failure once, not at each reading. */
  #noteFailure(message: string): void {
    if (this.#failure !== message) {
      this.#log.warn('can not read /proc: what programs use is left out', { reason: message });
    }
    this.#failure = message;
  }
}
