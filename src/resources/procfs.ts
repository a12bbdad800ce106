/** Reads /proc: the only place that does. Nothing here takes longer than a file of one process does. */

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
import {
  type ProcStat,
  parseChildren,
  parseMaxFds,
  parsePageSize,
  parseResidentPages,
  parseStat,
} from './formats.ts';

/** node:fs/promises has it, and loads ten modules more. */
const listFolder = promisify(readdir);

/** A folder that may hold more names than this is read in parts of as many, 0.2 ms each. */
const PART_OF_FOLDER = 256;

/** Work that is done in steps, with room for others between them. */
export type Steps<Result> = Generator<undefined, Result>;

export class ProcFs {
  readonly #root: string;
  readonly #onDenied: (file: string) => void;
  #buffer = Buffer.allocUnsafeSlow(16 * 1024);

  /** Whether the kernel tells the children of a thread (CONFIG_PROC_CHILDREN). */
  readonly tellsChildren: boolean;
  /** Whether the kernel tells how many descriptors are open without listing them (since Linux 6.2). */
  readonly #countsFds: boolean;
  readonly #pageSize: number | undefined;

  /** `onDenied` is told the name of each file that may not be read. */
  constructor(root: string, onDenied: (file: string) => void) {
    this.#root = root;
    this.#onDenied = onDenied;
    this.tellsChildren = existsSync(`${root}/thread-self/children`);
    this.#countsFds = this.#canCountFds();
    const auxv = this.#read('self/auxv');
    this.#pageSize = auxv && parsePageSize(auxv);
  }

  /** Whether this is Linux' /proc at all. */
  get isThere(): boolean {
    const own = this.#read('self/stat');
    return own !== undefined && parseStat(own) !== undefined;
  }

  /** How many processes there are, about: each is a folder, and a few are none. */
  get processes(): number {
    return lstatSync(this.#root).nlink;
  }

  /** Every pid there is. */
  async pids(): Promise<number[]> {
    return (await listFolder(this.#root)).map(Number).filter((pid) => pid > 0);
  }

  /** undefined where the process is gone, here and below. */
  stat(pid: number): ProcStat | undefined {
    const bytes = this.#read(`${pid}/stat`);
    return bytes && parseStat(bytes);
  }

  /** The children of all threads: each thread may have started some. */
  *children(pid: number, threads: number): Steps<number[]> {
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
   * By `statm`: what `stat` says of it is off by dozens of pages, and by more the more CPUs
   * there are. undefined where it can't be told.
   */
  residentBytes(pid: number): number | undefined {
    const bytes = this.#read(`${pid}/statm`);
    const pages = bytes === undefined ? 0 : parseResidentPages(bytes);
    return pages === undefined || this.#pageSize === undefined ? undefined : pages * this.#pageSize;
  }

  /** `expected`: how many there are, about. undefined where it can't be told; what is gone has none. */
  *openFds(pid: number, expected: number): Steps<number | undefined> {
    const folder = `${pid}/fd`;
    if (this.#countsFds) return this.#attempt(folder, 0, (path) => lstatSync(path).size);
    return (yield* this.#list(folder, expected))?.length;
  }

  /** undefined where there is no limit, too. */
  maxFds(pid: number): number | undefined {
    const bytes = this.#read(`${pid}/limits`);
    return bytes && parseMaxFds(bytes);
  }

  #childrenOfThread(pid: number, thread: number | string): number[] {
    const bytes = this.#read(`${pid}/task/${thread}/children`);
    return bytes === undefined ? [] : parseChildren(bytes);
  }

  /** Where the kernel counts them, that is the size of the folder. */
  #canCountFds(): boolean {
    const folder = 'self/fd';
    const size = this.#attempt(folder, 0, (path) => lstatSync(path).size);
    // Listing it takes a descriptor, which is in the list.
    const listed = this.#attempt(folder, [], (path) => readdirSync(path));
    return size !== 0 && size === (listed?.length ?? 0) - 1;
  }

  *#list(folder: string, expected: number): Steps<readonly string[] | undefined> {
    if (expected <= PART_OF_FOLDER) {
      return this.#attempt(folder, [], (path) => readdirSync(path));
    }
    const names: string[] = [];
    const dir = this.#attempt(folder, 'gone', (path) =>
      opendirSync(path, { bufferSize: PART_OF_FOLDER }),
    );
    if (dir === undefined || dir === 'gone') return dir && names;
    try {
      for (;;) {
        const entry = this.#attempt(folder, null, () => dir.readSync());
        if (entry === undefined || entry === null) return names;
        names.push(entry.name);
        if (names.length % PART_OF_FOLDER === 0) yield;
      }
    } finally {
      dir.closeSync();
    }
  }

  /** The bytes of a file, good until the next one is read; undefined where there is none to read. */
  #read(file: string): Buffer | undefined {
    return this.#attempt(file, undefined, (path) => {
      const fd = openSync(path, 'r');
      try {
        return this.#readAll(fd);
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Until nothing more comes: a list of children is handed out a page at a time. */
  #readAll(fd: number): Buffer {
    let length = 0;
    for (;;) {
      if (length === this.#buffer.length) {
        this.#buffer = Buffer.concat([this.#buffer, Buffer.allocUnsafeSlow(length)]);
      }
      const read = readSync(fd, this.#buffer, length, this.#buffer.length - length, null);
      if (read === 0) return this.#buffer.subarray(0, length);
      length += read;
    }
  }

  /**
   * What `action` makes of a file; `gone` where its process has ended; undefined where it may
   * not be read. Anything else, such as no descriptor left to read it with, is thrown.
   */
  #attempt<Result, Gone>(
    file: string,
    gone: Gone,
    action: (path: string) => Result,
  ): Result | Gone | undefined {
    try {
      return action(`${this.#root}/${file}`);
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
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
