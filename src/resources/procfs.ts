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
  parsePageSize,
  parseResidentPages,
  parseStat,
  parseStatus,
  parseUptime,
} from './formats.ts';

/** node:fs/promises would load ten more modules. */
const listFolder = promisify(readdir);

/** A folder with more entries is read in parts of this size, 0.2 ms each. */
const FOLDER_PART = 256;

const ONE = 0x31;

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
    const auxv = this.#read('self/auxv');
    this.#pageSize = auxv && parsePageSize(auxv);
  }

  /** Of the exporter itself; undefined where this is not Linux' procfs. */
  ownStat(): ProcStat | undefined {
    const bytes = this.#read('self/stat');
    return bytes && parseStat(bytes);
  }

  /** Seconds since boot; undefined where they cannot be read. */
  uptime(): number | undefined {
    const bytes = this.#read('uptime');
    return bytes && parseUptime(bytes);
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
    const bytes = this.#read(`${pid}/stat`);
    return bytes && parseStat(bytes);
  }

  /** The children of all threads: any thread may have forked. */
  *children(pid: number, threads: number): PausableWork<number[]> {
    if (threads === 1) {
      yield;
      return this.#childrenOfThread(pid, pid);
    }
    const children: number[] = [];
    for (const thread of (yield* this.#list(`${pid}/task`, threads)) ?? []) {
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
    const bytes = this.#attempt(`${pid}/statm`, 'gone', (path) => this.#readFile(path));
    if (bytes === 'gone') return 0;
    const pages = bytes && parseResidentPages(bytes);
    return pages === undefined || this.#pageSize === undefined ? undefined : pages * this.#pageSize;
  }

  /**
   * `expected`: their approximate number. 0 where the process is gone, undefined where the
   * folder may not be read.
   */
  *openFds(pid: number, expected: number): PausableWork<number | undefined> {
    const folder = `${pid}/fd`;
    if (this.#countsFds) return this.#attempt(folder, 0, (path) => lstatSync(path).size);
    return (yield* this.#list(folder, expected))?.length;
  }

  /** `gone` where the process has exited, undefined where the file may not be read. */
  io(pid: number): IoBytes | 'gone' | undefined {
    const bytes = this.#attempt(`${pid}/io`, 'gone', (path) => this.#readFile(path));
    return bytes === 'gone' ? bytes : bytes && parseIo(bytes);
  }

  /** `gone` where the process has exited, undefined where the file may not be read. */
  status(pid: number): ProcStatus | 'gone' | undefined {
    const bytes = this.#attempt(`${pid}/status`, 'gone', (path) => this.#readFile(path));
    return bytes === 'gone' ? bytes : bytes && parseStatus(bytes);
  }

  /**
   * Whether the kernel accounts the time that processes wait for block I/O: since Linux 5.14 only
   * with the sysctl kernel.task_delayacct. Older kernels do not report whether they do.
   */
  accountsIoWait(): boolean {
    const [digit] = this.#read('sys/kernel/task_delayacct') ?? [];
    return digit === ONE;
  }

  /** undefined where there is no limit, the process is gone or the file may not be read. */
  maxFds(pid: number): number | undefined {
    const bytes = this.#read(`${pid}/limits`);
    return bytes && parseMaxFds(bytes);
  }

  #childrenOfThread(pid: number, thread: number | string): number[] {
    const bytes = this.#read(`${pid}/task/${thread}/children`, 'in parts');
    return bytes === undefined ? [] : parseChildren(bytes);
  }

  #canCountFds(): boolean {
    const folder = 'self/fd';
    const size = this.#attempt(folder, 0, (path) => lstatSync(path).size);
    // The list includes the descriptor that listing takes.
    const listed = this.#attempt(folder, [], (path) => readdirSync(path));
    return size !== 0 && size === (listed?.length ?? 0) - 1;
  }

  *#list(folder: string, expected: number): PausableWork<readonly string[] | undefined> {
    if (expected <= FOLDER_PART) {
      return this.#attempt(folder, [], (path) => readdirSync(path));
    }
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
  #read(file: string, how: 'at once' | 'in parts' = 'at once'): Buffer | undefined {
    return this.#attempt(file, undefined, (path) => this.#readFile(path, how));
  }

  /** The bytes are valid until the next file is read. */
  #readFile(path: string, how: 'at once' | 'in parts' = 'at once'): Buffer {
    const fd = openSync(path, 'r');
    try {
      return this.#readAll(fd, how);
    } finally {
      closeSync(fd);
    }
  }

  /** The kernel returns a list of children one memory page at a time, and all of any other file that fits. */
  #readAll(fd: number, how: 'at once' | 'in parts'): Buffer {
    let length = 0;
    for (;;) {
      if (length === this.#buffer.length) {
        this.#buffer = Buffer.concat([this.#buffer, Buffer.allocUnsafeSlow(length)]);
      }
      const read = readSync(fd, this.#buffer, length, this.#buffer.length - length, null);
      length += read;
      const isEnd = read === 0 || (how === 'at once' && length < this.#buffer.length);
      if (isEnd) return this.#buffer.subarray(0, length);
    }
  }

  /**
   * Returns the result of `action`, `gone` where the process has exited, and undefined where
   * the file may not be read. Any other error is thrown, such as no descriptor left.
   */
  #attempt<Result, Gone>(
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
