/**
 * The memory of the control group of the exporter, which is that of the container or service in
 * which supervisord runs: cgroup v2 and v1. Source: the kernel's Documentation/admin-guide/cgroup-v2.rst
 * and cgroup-v1/memory.rst, proc(5) for the mounts.
 */

import { readFileSync } from 'node:fs';
import { errorCode } from '../util/errno.ts';

export interface CgroupMemory {
  /** Includes the page cache; undefined where there is no memory controller. */
  readonly usageBytes: number | undefined;
  /** The lowest limit of the group and of its ancestors that are visible; undefined: unlimited. */
  readonly limitBytes: number | undefined;
}

interface Controller {
  readonly mount: string;
  /** Path of the group below the mount, without a slash at its end. */
  readonly path: string;
  readonly usageFile: string;
  readonly limitFile: string;
}

/** v1 reports its highest value, rounded to a page, where there is no limit. */
const UNLIMITED = 2 ** 62;

/** Returns a reader of the present values; undefined where there is no memory controller. */
export function openCgroupMemory(root = '/'): (() => CgroupMemory) | undefined {
  const controller = findController(root);
  if (controller === undefined) return undefined;
  const { mount, path, usageFile, limitFile } = controller;
  const folders = ancestorsOf(path).map((each) => `${root}${mount}${each}`);
  const read = () => {
    const [usage] = folders.map((folder) => readNumber(`${folder}/${usageFile}`));
    const limits = folders
      .map((folder) => readNumber(`${folder}/${limitFile}`))
      .filter((limit): limit is number => limit !== undefined && limit < UNLIMITED);
    return {
      usageBytes: usage,
      limitBytes: limits.length === 0 ? undefined : Math.min(...limits),
    };
  };
  // The root group of v2 has no usage, and a folder may not be mounted.
  return read().usageBytes === undefined ? undefined : read;
}

/** v1 where it has the memory controller, since the controller can be in one hierarchy alone. */
function findController(root: string): Controller | undefined {
  const groups = readLines(`${root}/proc/self/cgroup`).map((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return { controllers: controllers.split(','), path };
  });
  const mounts = readLines(`${root}/proc/self/mountinfo`).map(readMount);
  const v1 = groups.find(({ controllers }) => controllers.includes('memory'));
  const v2 = groups.find(({ controllers }) => controllers.join() === '');
  const group = v1 ?? v2;
  const mount = mounts.find(({ type, options }) =>
    v1 === undefined ? type === 'cgroup2' : type === 'cgroup' && options.includes('memory'),
  );
  if (group === undefined || mount === undefined) return undefined;
  return {
    mount: mount.point,
    path: pathBelow(mount.root, group.path),
    ...(v1 === undefined
      ? { usageFile: 'memory.current', limitFile: 'memory.max' }
      : { usageFile: 'memory.usage_in_bytes', limitFile: 'memory.limit_in_bytes' }),
  };
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

/** undefined where there is no such file, or no number in it (`max`). */
function readNumber(file: string): number | undefined {
  const text = read(file)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function readLines(file: string): string[] {
  return read(file)?.split('\n') ?? [];
}

/** undefined where there is no such file, or it may not be read. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}
