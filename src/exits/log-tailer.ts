/**
 * Follows supervisord's own log across every kind of rotation. Reading is synchronous: an exit
 * is in the file before its event can be sent, so that one read finds it.
 *
 * With `logfile_backups=0` supervisord writes the line that fills its log and opens the same file
 * with truncation within some 50 µs (doRollover in its loggers.py), so that line cannot be read in
 * time. Lines between the last read and any other truncation may be lost as well.
 *
 * Watched with inotify through `fs.watch(FILE)`, which follows the inode. The folder is not
 * watched, since the logs of all processes may be in it.
 */

import {
  closeSync,
  type FSWatcher,
  fstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  watch,
} from 'node:fs';
import { dropOldest } from '../util/drop-oldest.ts';
import { errorCode } from '../util/errno.ts';
import type { Chunk } from './log-records.ts';

const CHUNK_BYTES = 64 * 1024;
/** Read at the start, of what was written before. */
const LOOK_BACK_BYTES = 64 * 1024;
/** Of what was written since the last read, more than this is skipped. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;
/** Backups that may have been written between two reads. */
const MAX_BACKUPS = 32;
/** Enough to recognize the time of the last line. */
const TAIL_BYTES = 128;

export interface LogTailerOptions {
  readonly path: string;
  /** Where to open a file that no longer has its path; undefined: at `path`. */
  readonly openAt?: string | undefined;
  /** What follows does not continue what was read before. */
  readonly onBegin: (isStartOfFile: boolean, isComplete: boolean) => void;
  /** What was written since the last read may have been erased. */
  readonly onTruncated: () => void;
  readonly onChunk: (chunk: Chunk) => void;
  /** The log may have been written to. */
  readonly onChange: () => void;
  /** It can no longer be watched; reading works. */
  readonly onWatchError: (error: unknown) => void;
}

const NO_BYTES = Buffer.alloc(0);

interface OpenLog {
  readonly fd: number;
  readonly inode: number;
  readonly device: number;
  /** What has been read. */
  offset: number;
  /** The end of what has been read. */
  tail: Buffer;
  /** Of the file at the last read. */
  modifiedMs: number;
}

export class LogTailer {
  readonly #options: LogTailerOptions;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #log: OpenLog;
  /** The file at the path if it is another one, as long as it is empty. */
  #next: OpenLog | undefined;
  /** By inode: the file that supervisord writes to, and one at the path that is still empty. */
  readonly #watchers = new Map<number, FSWatcher>();
  /** Files that were read to their end: backups of them are not read again. The oldest first. */
  readonly #finished = new Set<string>();
  #isWatching = false;

  /** Opens the log and reads the end of it. Throws system errors. */
  constructor(options: LogTailerOptions) {
    this.#options = options;
    this.#log = open(options.openAt ?? options.path);
    const { size } = fstatSync(this.#log.fd);
    this.#log.offset = Math.max(0, size - LOOK_BACK_BYTES);
    // Lines may also be missing before the start of the file: it may have been rotated or truncated.
    options.onBegin(this.#log.offset === 0, false);
    this.#readToEnd(this.#log, false);
  }

  /** The path that is followed. */
  get path(): string {
    return this.#options.path;
  }

  /** Calls `onChange` when the log is written to, from now on. */
  startWatching(): void {
    this.#isWatching = true;
    this.#watch(this.#log.inode, this.#options.openAt ?? this.path);
  }

  close(): void {
    this.#isWatching = false;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    closeSync(this.#log.fd);
    if (this.#next !== undefined) closeSync(this.#next.fd);
  }

  /** Reads what has been written since the last read. */
  read(): void {
    this.#readToEnd(this.#log, true);
    for (let rotations = 0; rotations < MAX_BACKUPS; rotations++) {
      this.#next ??= this.#openReplacement(this.#log);
      if (this.#next === undefined) return;
      // As long as the new file is empty, supervisord may still write to the old one.
      const isInUse = fstatSync(this.#next.fd).size > 0 || this.#wasRotatedTwice(this.#next);
      if (isInUse) this.#switch(this.#next);
      else if (this.#isReplaced(this.#next)) closeSync(this.#next.fd);
      else {
        this.#watch(this.#next.inode, this.path);
        return;
      }
      this.#next = undefined;
    }
  }

  /** Opens the file at the path if it is another one. */
  #openReplacement(log: OpenLog): OpenLog | undefined {
    const current = statAt(this.path);
    if (current === undefined || isSame(current, log)) return undefined;
    try {
      return open(this.path);
    } catch {
      return undefined; // It was renamed in the meantime: the next read finds the new one.
    }
  }

  /** Whether another file is at the path by now. */
  #isReplaced(log: OpenLog): boolean {
    const current = statAt(this.path);
    return current !== undefined && !isSame(current, log);
  }

  /** Whether the latest backup is of a file that was never read. */
  #wasRotatedTwice(next: OpenLog): boolean {
    const backup = statAt(`${this.path}.1`);
    if (backup === undefined || isSame(backup, this.#log) || isSame(backup, next)) return false;
    if (this.#finished.has(identityOf(backup))) return false;
    return backup.mtimeMs >= fstatSync(this.#log.fd).mtimeMs;
  }

  #switch(next: OpenLog): void {
    const previous = this.#log;
    // What was written to it between the read and the rotation.
    this.#readToEnd(previous, true);
    const isComplete = this.#readBackups(previous, next);
    this.#finish(previous);
    this.#log = next;
    this.#options.onBegin(true, isComplete);
    this.#readToEnd(next, false);
    for (const [inode, watcher] of this.#watchers) {
      if (inode === next.inode) continue;
      watcher.close();
      this.#watchers.delete(inode);
    }
    this.#watch(next.inode, this.path);
  }

  /**
   * Reads the files that were current between the two. Returns whether these are all: `previous`
   * is one of the backups, or there was no further rotation.
   */
  #readBackups(previous: OpenLog, next: OpenLog): boolean {
    const between: string[] = [];
    for (let number = 1; number <= MAX_BACKUPS; number++) {
      const path = `${this.path}.${number}`;
      const backup = statAt(path);
      if (backup === undefined) return between.length === 0;
      if (isSame(backup, previous) || this.#finished.has(identityOf(backup))) break;
      if (isSame(backup, next)) {
        between.length = 0;
        continue;
      }
      // Older than the file that is followed: renamed by something else than supervisord.
      if (backup.mtimeMs < fstatSync(previous.fd).mtimeMs) break;
      between.unshift(path);
      if (number === MAX_BACKUPS) return false;
    }
    return between.every((path) => this.#readBackup(path));
  }

  #readBackup(path: string): boolean {
    try {
      const backup = open(path);
      this.#options.onBegin(true, true);
      this.#readToEnd(backup, false);
      this.#finish(backup);
      return true;
    } catch {
      return false;
    }
  }

  #finish({ fd }: OpenLog): void {
    this.#finished.add(identityOf(fstatSync(fd)));
    closeSync(fd);
    dropOldest(this.#finished, MAX_BACKUPS);
  }

  #readToEnd(log: OpenLog, followsEnd: boolean): void {
    const { size, mtimeMs } = fstatSync(log.fd);
    let isContinued = followsEnd;
    if (size < log.offset || !this.#isContinued(log, mtimeMs)) {
      log.offset = 0;
      log.tail = NO_BYTES;
      isContinued = false;
      this.#options.onTruncated();
      this.#options.onBegin(true, true);
    } else if (size - log.offset > MAX_UNREAD_BYTES) {
      log.offset = size - LOOK_BACK_BYTES;
      log.tail = NO_BYTES;
      isContinued = false;
      this.#options.onBegin(false, false);
    }
    log.modifiedMs = mtimeMs;
    // Not beyond: it may be written to as fast as it is read. What follows is announced.
    while (log.offset < size) {
      const wanted = Math.min(CHUNK_BYTES, size - log.offset);
      const length = readSync(log.fd, this.#buffer, 0, wanted, log.offset);
      if (length === 0) return;
      const bytes = this.#buffer.subarray(0, length);
      const { offset } = log;
      log.offset += length;
      log.tail = Buffer.from(bytes.subarray(-TAIL_BYTES));
      const modifiedAt = mtimeMs / 1000;
      this.#options.onChunk({ bytes, offset, followsEnd: isContinued, modifiedAt });
      isContinued = false;
    }
  }

  /** Whether the end of what was read is still there: the file may have been truncated and written again. */
  #isContinued({ fd, offset, tail, modifiedMs }: OpenLog, mtimeMs: number): boolean {
    if (mtimeMs === modifiedMs) return true;
    const length = readSync(fd, this.#buffer, 0, tail.length, offset - tail.length);
    return tail.equals(this.#buffer.subarray(0, length));
  }

  #watch(inode: number, path: string): void {
    if (!this.#isWatching || this.#watchers.has(inode)) return;
    try {
      const watcher = watch(path, { persistent: false }, () => this.#options.onChange());
      watcher.on('error', (error) => this.#watchFailed(error));
      this.#watchers.set(inode, watcher);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#watchFailed(error);
    }
  }

  #watchFailed(error: unknown): void {
    if (!this.#isWatching) return;
    this.#isWatching = false;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#options.onWatchError(error);
  }
}

function open(path: string): OpenLog {
  const fd = openSync(path, 'r');
  const { ino: inode, dev: device } = fstatSync(fd);
  return { fd, inode, device, offset: 0, tail: NO_BYTES, modifiedMs: 0 };
}

function isSame({ ino, dev }: Stats, { inode, device }: OpenLog): boolean {
  return ino === inode && dev === device;
}

/** An inode is used again once its file is deleted, but not with the same time of birth. */
function identityOf({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev} ${ino} ${birthtimeMs}`;
}

function statAt(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
