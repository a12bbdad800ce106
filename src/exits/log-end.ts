/** Reads the end of the log of a process. Only regular files are opened. */

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { errorCode } from '../util/errno.ts';

export type LogEnd =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  /** There is no such file, or it is not a regular one. */
  | { readonly kind: 'none' }
  /** The exporter may not read it; supervisord may be able to. */
  | { readonly kind: 'denied' };

const NONE: LogEnd = { kind: 'none' };
const DENIED: LogEnd = { kind: 'denied' };

/** Names in these folders, such as /dev/stdout, mean a different file in each process. */
const PROCESS_FOLDERS = /^\/(?:dev|proc)\//;

/** `folder`: the working directory to which a relative path refers. */
export function readLogEnd(path: string, folder: string, maxBytes: number): LogEnd {
  if (PROCESS_FOLDERS.test(path)) return NONE;
  const file = path.startsWith('/') ? path : `${folder}/${path}`;
  const end = readEnd(file, maxBytes);
  const missing = end.kind === 'read' ? maxBytes - end.bytes.length : 0;
  if (end.kind !== 'read' || missing === 0) return end;
  // supervisord may just have rotated it.
  const rotated = readEnd(`${file}.1`, missing);
  if (rotated.kind !== 'read') return end;
  return { kind: 'read', bytes: Buffer.concat([rotated.bytes, end.bytes]) };
}

/** The last bytes of an open file of this size. Throws system errors. */
export function endOf(fd: number, size: number, maxBytes: number): Buffer {
  const bytes = Buffer.alloc(Math.min(size, maxBytes));
  const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
  return bytes.subarray(0, length);
}

/** Checks the file type before and after opening: opening a FIFO could block. */
function readEnd(file: string, maxBytes: number): LogEnd {
  let fd: number | undefined;
  try {
    if (!statSync(file).isFile()) return NONE;
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stats = fstatSync(fd);
    if (!stats.isFile()) return NONE;
    return { kind: 'read', bytes: endOf(fd, stats.size, maxBytes) };
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return code === 'EACCES' || code === 'EPERM' ? DENIED : NONE;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
