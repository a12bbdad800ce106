/**
 * Where the kernel shows the memory control group of this process: cgroup v2 and v1. Source: the
 * kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, proc(5) for the mounts.
 */

import { readFileSync } from 'node:fs';
import { ifReadable } from './errno.ts';

export interface MemoryCgroup {
  readonly version: 1 | 2;
  /** As /proc/PID/cgroup names the group. */
  readonly path: string;
  /** The folder of the group, then those of its ancestors up to the mount. */
  readonly folders: readonly [string, ...string[]];
}

/** Finds the memory cgroup of this process; undefined where there is none, or it cannot be read. */
export function findMemoryCgroup(root: string): MemoryCgroup | undefined {
  const group = readMemoryGroup(`${root}/proc/self/cgroup`);
  if (group === undefined) return undefined;
  const { version, path } = group;
  const mount = readLines(`${root}/proc/self/mountinfo`)
    .map(readMount)
    .find(({ type, options }) =>
      version === 2 ? type === 'cgroup2' : type === 'cgroup' && options.includes('memory'),
    );
  if (mount === undefined) return undefined;
  const [own = '', ...above] = ancestorsOf(pathBelow(mount.root, path));
  const folderOf = (each: string) => `${root}${mount.point}${each}`;
  return { version, path, folders: [folderOf(own), ...above.map(folderOf)] };
}

/**
 * Reads the memory cgroup from /proc/PID/cgroup. The one of v1 wins if it has the memory
 * controller, since the controller can be in only one hierarchy.
 */
export function readMemoryGroup(file: string): Pick<MemoryCgroup, 'version' | 'path'> | undefined {
  const groups = readLines(file).map((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return { controllers: controllers.split(','), path };
  });
  const v1 = groups.find(({ controllers }) => controllers.includes('memory'));
  if (v1 !== undefined) return { version: 1, path: v1.path };
  const v2 = groups.find(({ controllers, path }) => controllers.join() === '' && path !== '');
  return v2 && { version: 2, path: v2.path };
}

interface Mount {
  /** The folder of the file system that is mounted. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** `36 35 98:0 /root /point rw,noatime shared:1 - type source options`; optional fields precede the dash. */
function readMount(line: string): Mount {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root = '', point = ''] = before.split(' ');
  const [type = '', , options = ''] = after.split(' ');
  return { root, point, type, options: options.split(',') };
}

/** A container without a cgroup namespace sees the path of the host, and mounts its own group alone. */
function pathBelow(root: string, path: string): string {
  if (root !== '/' && (path === root || path.startsWith(`${root}/`))) {
    return path.slice(root.length);
  }
  return root === '/' ? path.replace(/\/$/, '') : '';
}

/** A path and those above it, `/a/b`, `/a` and the mount itself. */
function ancestorsOf(path: string): string[] {
  const paths = [path];
  for (let at = path; at !== ''; ) {
    at = at.slice(0, at.lastIndexOf('/'));
    paths.push(at);
  }
  return paths;
}

/** The value of a key in lines of `KEY VALUE`; undefined where it cannot be read. */
export function readCounter(file: string, key: string): number | undefined {
  const line = readLines(file).find((each) => each.startsWith(`${key} `));
  return line === undefined ? undefined : toNumber(line.slice(key.length));
}

/** undefined where there is no such file, or no number in it (`max`). */
export function readNumber(file: string): number | undefined {
  return toNumber(readText(file) ?? '');
}

function toNumber(text: string): number | undefined {
  return /^\s*\d+\s*$/.test(text) ? Number(text) : undefined;
}

function readLines(file: string): string[] {
  return readText(file)?.split('\n') ?? [];
}

/** undefined where there is no such file, or it may not be read. */
function readText(file: string): string | undefined {
  return ifReadable(() => readFileSync(file, 'utf8'));
}
