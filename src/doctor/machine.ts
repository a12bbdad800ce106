/** Files, users and disks of this host. */

import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { describeSystemError, errorCode } from '../util/errno.ts';
import type { FileKind, Node, SocketFacts, User } from './facts.ts';

export function exists(path: string): boolean {
  return fs.existsSync(path);
}

/** Resolves links; returns the path unchanged where it does not exist. */
export function withoutLinks(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}

/** Undefined where it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

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

/** Searches PATH for a command; a name with a slash is a path already. */
export function findExecutable(name: string, path: string): string | undefined {
  const candidates = name.includes('/')
    ? [name]
    : path
        .split(':')
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, name));
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.X_OK);
    return fs.statSync(path).isFile();
  } catch {
    return false;
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
