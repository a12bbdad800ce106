/**
 * The memory of the control group of the exporter, which is that of the container or service in
 * which supervisord runs: cgroup v2 and v1.
 */

import { findMemoryCgroup, readNumber } from '../util/memory-cgroup.ts';

export interface CgroupMemory {
  /** Includes the page cache; undefined where there is no memory controller. */
  readonly usageBytes: number | undefined;
  /** The lowest limit of the group and of its ancestors that are visible; undefined: unlimited. */
  readonly limitBytes: number | undefined;
}

const FILES = {
  1: { usage: 'memory.usage_in_bytes', limit: 'memory.limit_in_bytes' },
  2: { usage: 'memory.current', limit: 'memory.max' },
} as const;

/** v1 reports its highest value, rounded to a page, where there is no limit. */
const UNLIMITED = 2 ** 62;

/** Returns a reader of the present values; undefined where there is no memory controller. */
export function openCgroupMemory(root = '/'): (() => CgroupMemory) | undefined {
  const cgroup = findMemoryCgroup(root);
  if (cgroup === undefined) return undefined;
  const { version, folders } = cgroup;
  const files = FILES[version];
  const read = () => {
    const [own] = folders;
    const limits = folders
      .map((folder) => readNumber(`${folder}/${files.limit}`))
      .filter((limit): limit is number => limit !== undefined && limit < UNLIMITED);
    return {
      usageBytes: readNumber(`${own}/${files.usage}`),
      limitBytes: limits.length === 0 ? undefined : Math.min(...limits),
    };
  };
  // The root group of v2 has no usage, and a folder may not be mounted.
  return read().usageBytes === undefined ? undefined : read;
}
