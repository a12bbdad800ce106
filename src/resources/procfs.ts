/** Reads procfs for the collector "resources". No call blocks for longer than one file of one process takes. */

import {
  closeSync,
  existsSync,
  lstatSync,
  opendirSync,
  openSync,
  readdir,
  readdirSync,
  readSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { errorCode } from '../util/errno.ts';
import type { PausableWork } from '../util/time-slice.ts';
import {
  type IoBytes,
  type ProcStat,
  type ProcStatus,
  parseChildren,
  parseIo,
  parseMaxFds,
  parseStat,
  parseStatm,
  parseStatus,
  parseUptime,
} from './formats.ts';

/** node:fs/promises would load ten more modules. */
const listFolder = promisify(readdir);

/** A folder is read in parts of so many entries, 0.2 ms each. */
const FOLDER_PART = 256;

export class ProcFs {
  readonly #root: string;
  readonly #onDenied: (file: string) => void;
  #buffer = Buffer.allocUnsafeSlow(16 * 1024);

  /** Whether the kernel lists the children of a thread (CONFIG_PROC_CHILDREN). */
  readonly listsChildren: boolean;
  /** Whether the size of the folder `fd` is the number of open descriptors (since Linux 6.2). */
  readonly #countsFds: boolean;
  readonly #pageSize: number | undefined;

  /** `onDenied` is called with the name of each file that may not be read. */
  constructor(root: string, onDenied: (file: string) => void) {
    this.#root = root;
    this.#onDenied = onDenied;
    this.listsChildren = existsSync(`${root}/thread-self/children`);
    this.#countsFds = this.#canCountFds();
    this.#pageSize = this.#readPageSize();
  }

  /** Of the exporter itself; undefined where this is not Linux' procfs. */
  ownStat(): ProcStat | undefined {
    return this.#read('self/stat', parseStat);
  }

  /** Seconds since boot; undefined where they cannot be read. */
  uptime(): number | undefined {
    return this.#read('uptime', parseUptime);
  }

  /** Approximate number of processes: a few of the folders are of something else. */
  processCount(): number {
    return lstatSync(this.#root).nlink;
  }

  /** All pids. */
  async pids(): Promise<number[]> {
    return (await listFolder(this.#root)).map(Number).filter((pid) => pid > 0);
  }

  /** undefined where the process is gone or its file may not be read. */
  stat(pid: number): ProcStat | undefined {
    return this.#read(`${pid}/stat`, parseStat);
  }

  /** The children of all threads: any thread may have forked. */
  *children(pid: number, threads: number): PausableWork<number[]> {
    if (threads === 1) {
      yield;
      return this.#childrenOfThread(pid, pid);
    }
    const children: number[] = [];
    for (const thread of (yield* this.#list(`${pid}/task`)) ?? []) {
      for (const child of this.#childrenOfThread(pid, thread)) children.push(child);
      yield;
    }
    return children;
  }

  /**
   * From `statm`: the value in `stat` is off by dozens of pages, and by more on more CPUs. 0
   * where the process is gone, undefined where the file may not be read.
   */
  residentBytes(pid: number): number | undefined {
    const statm = this.#readOf(`${pid}/statm`, parseStatm);
    if (statm === 'gone') return 0;
    if (statm === undefined || this.#pageSize === undefined) return undefined;
    return statm.resident * this.#pageSize;
  }

  /** 0 where the process is gone, undefined where the folder may not be read. */
  *openFds(pid: number): PausableWork<number | undefined> {
    const folder = `${pid}/fd`;
    if (this.#countsFds) return this.#attempt(folder, 0, (path) => lstatSync(path).size);
    return (yield* this.#list(folder))?.length;
  }

  /** `gone` where the process has exited, undefined where the file may not be read. */
  io(pid: number): IoBytes | 'gone' | undefined {
    return this.#readOf(`${pid}/io`, parseIo);
  }

  /** `gone` where the process has exited, undefined where the file may not be read. */
  status(pid: number): ProcStatus | 'gone' | undefined {
    return this.#readOf(`${pid}/status`, parseStatus);
  }

  /**
   * Whether the kernel accounts the time that processes wait for block I/O: since Linux 5.14 only
   * with the sysctl kernel.task_delayacct. Older kernels do not report whether they do.
   */
  accountsIoWait(): boolean {
    return this.#read('sys/kernel/task_delayacct', (text) => text.startsWith('1')) ?? false;
  }

  /** undefined where there is no limit, the process is gone or the file may not be read. */
  maxFds(pid: number): number | undefined {
    return this.#read(`${pid}/limits`, parseMaxFds);
  }

  #childrenOfThread(pid: number, thread: number | string): number[] {
    return this.#read(`${pid}/task/${thread}/children`, parseChildren) ?? [];
  }

  /** The kernel reports the size of a process in kB and in pages. Its size may change between the two reads, hence the rounding. */
  #readPageSize(): number | undefined {
    const bytes = this.#read('self/status', parseStatus)?.virtualBytes;
    const pages = this.#read('self/statm', parseStatm)?.size;
    if (!bytes || !pages) return undefined;
    return 2 ** Math.round(Math.log2(bytes / pages));
  }

  #canCountFds(): boolean {
    const folder = 'self/fd';
    const size = this.#attempt(folder, 0, (path) => lstatSync(path).size);
    // The list includes the descriptor that listing takes.
    const listed = this.#attempt(folder, [], (path) => readdirSync(path));
    return size !== 0 && size === (listed?.length ?? 0) - 1;
  }

  /** Empty where the process is gone, undefined where the folder may not be read. */
  *#list(folder: string): PausableWork<readonly string[] | undefined> {
    const names: string[] = [];
    const dir = this.#attempt(folder, 'gone', (path) =>
      opendirSync(path, { bufferSize: FOLDER_PART }),
    );
    if (dir === undefined || dir === 'gone') return dir && names;
    try {
      for (;;) {
        const entry = this.#attempt(folder, null, () => dir.readSync());
        if (entry === undefined || entry === null) return names;
        names.push(entry.name);
        if (names.length % FOLDER_PART === 0) yield;
      }
    } finally {
      dir.closeSync();
    }
  }

  /** undefined where the file does not exist or may not be read. */
  #read<Content>(file: string, parse: (text: string) => Content | undefined): Content | undefined {
    const content = this.#readOf(file, parse);
    return content === 'gone' ? undefined : content;
  }

  /** `gone` where the process has exited, undefined where its file may not be read. */
  #readOf<Content>(
    file: string,
    parse: (text: string) => Content | undefined,
  ): Content | 'gone' | undefined {
    return this.#attempt(file, 'gone', (path) => {
      const fd = openSync(path, 'r');
      try {
        return parse(this.#readAll(fd));
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Reads to the end: the kernel returns a list of children one memory page at a time. */
  #readAll(fd: number): string {
    let length = 0;
    for (;;) {
      if (length === this.#buffer.length) {
        this.#buffer = Buffer.concat([this.#buffer, Buffer.allocUnsafeSlow(length)]);
      }
      const read = readSync(fd, this.#buffer, length, this.#buffer.length - length, null);
      if (read === 0) return this.#buffer.toString('latin1', 0, length);
      length += read;
    }
  }

  /**
   * Returns the result of `action`, `gone` where the process has exited, and undefined where
   * the file may not be read. Any other error is thrown, such as no descriptor left.
   */
  #attempt<Result, const Gone>(
    file: string,
    gone: Gone,
    action: (path: string) => Result,
  ): Result | Gone | undefined {
    try {
      return action(`${this.#root}/${file}`);
    } catch (error) {
      switch (errorCode(error)) {
        case 'ENOENT':
        case 'ESRCH':
          return gone;
        case 'EACCES':
        case 'EPERM':
          this.#onDenied(file.slice(file.lastIndexOf('/') + 1));
          return undefined;
        default:
          throw error;
      }
    }
  }
}
