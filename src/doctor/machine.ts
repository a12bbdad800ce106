/** Files, users and disks of this host. */

import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { readText } from '../configuration/files.ts';
import { describeSystemError, errorCode } from '../util/errno.ts';
import type { FileKind, Node, SocketFacts, User } from './facts.ts';

/**
 * When the content, the name or the permissions of a file last changed, in epoch seconds. Unlike the
 * time of modification, no program can set it back. undefined where the file does not exist.
 */
export function changedAt(path: string): number | undefined {
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  return stats && stats.ctimeMs / 1000;
}

/** Linux' devices for memory, such as /dev/null, in which a program may seek as in a file. */
const MEMORY_DEVICES = 1;

export function kindOf(path: string): FileKind {
  try {
    const stats = fs.statSync(path);
    if (stats.isFile()) return 'plain';
    if (stats.isDirectory() || stats.isSocket()) return 'unusable';
    return stats.isCharacterDevice() && stats.rdev >> 8 === MEMORY_DEVICES ? 'plain' : 'stream';
  } catch {
    return 'absent';
  }
}

/** Bytes that a user without privileges may still write there; undefined where that is not known. */
export function freeBytes(folder: string): number | undefined {
  // Node 18.15 and later.
  if (fs.statfsSync === undefined) return undefined;
  try {
    const { bavail, bsize } = fs.statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

export function inspectSocket(path: string): SocketFacts {
  try {
    const socket = nodeOf(path, fs.statSync(path));
    const folders: Node[] = [];
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      folders.unshift(nodeOf(folder, fs.statSync(folder)));
      if (folder === dirname(folder)) return { kind: 'present', socket, folders };
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'absent' };
    return { kind: 'hidden', reason: describeSystemError(error) };
  }
}

function nodeOf(path: string, { mode, uid, gid }: fs.Stats): Node {
  return { path, mode: mode & 0o7777, uid, gid };
}

/** A user with the groups that supervisord sets for a process of that user. */
export function findUser(wanted: number): User {
  for (const line of linesOf('/etc/passwd')) {
    const [name = '', , uid, gid] = line.split(':');
    if (uid !== String(wanted)) continue;
    const groups = linesOf('/etc/group')
      .map((group) => group.split(':'))
      .filter(([, , , members = '']) => members.split(',').includes(name))
      .map(([, , id]) => Number(id));
    return { name, uid: wanted, gids: [Number(gid), ...groups] };
  }
  return { name: String(wanted), uid: wanted, gids: [] };
}

function linesOf(path: string): string[] {
  return (readText(path) ?? '').split('\n');
}
