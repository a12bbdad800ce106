/** Files and users of this host. */

import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describeSystemError, errorCode } from '../util/errno.ts';
import type { Files, FileText } from './configuration.ts';
import type { Node, SocketFacts, User } from './facts.ts';

export const FILES: Files = {
  read(path): FileText {
    try {
      return { kind: 'text', text: readFileSync(path, 'utf8') };
    } catch (error) {
      return { kind: 'unreadable', reason: describeSystemError(error) };
    }
  },
  list(folder) {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },
};

/** The paths that supervisord searches for its configuration, in its order (its options.py). */
export function searchPaths(cwd: string, path: string): string[] {
  const executable = findExecutable('supervisord', path);
  const prefix = executable === undefined ? undefined : dirname(dirname(executable));
  return [
    ...(prefix === undefined
      ? []
      : [join(prefix, 'etc/supervisord.conf'), join(prefix, 'supervisord.conf')]),
    join(cwd, 'supervisord.conf'),
    join(cwd, 'etc/supervisord.conf'),
    '/etc/supervisord.conf',
    '/etc/supervisor/supervisord.conf',
  ];
}

export function exists(path: string): boolean {
  return existsSync(path);
}

/** Resolves links; returns the path unchanged where it does not exist. */
export function withoutLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Modification time in epoch seconds; undefined where the file does not exist. */
export function writtenAt(path: string): number | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && stats.mtimeMs / 1000;
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
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export function inspectSocket(path: string): SocketFacts {
  try {
    const socket = nodeOf(path, statSync(path));
    const folders: Node[] = [];
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      folders.unshift(nodeOf(folder, statSync(folder)));
      if (folder === dirname(folder)) return { kind: 'present', socket, folders };
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'absent' };
    return { kind: 'hidden', reason: describeSystemError(error) };
  }
}

function nodeOf(path: string, { mode, uid, gid }: Stats): Node {
  return { path, mode: mode & 0o7777, uid, gid };
}

/** Finds a user by name or number, with the groups that supervisord sets for a process of that user. */
export function findUser(wanted: string): User | undefined {
  for (const line of linesOf('/etc/passwd')) {
    const [name = '', , uid, gid] = line.split(':');
    if (name !== wanted && uid !== wanted) continue;
    const groups = linesOf('/etc/group')
      .map((group) => group.split(':'))
      .filter(([, , , members = '']) => members.split(',').includes(name))
      .map(([, , id]) => Number(id));
    return { name, uid: Number(uid), gids: [Number(gid), ...groups] };
  }
  return undefined;
}

function linesOf(path: string): string[] {
  const content = FILES.read(path);
  return content.kind === 'text' ? content.text.split('\n') : [];
}
