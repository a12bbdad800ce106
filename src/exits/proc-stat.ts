/** Reads /proc/PID/stat. */

import { readFileSync } from 'node:fs';
import { ifReadable } from '../util/errno.ts';

/**
 * The first fields of /proc/PID/stat after the name, which may hold blanks and parentheses; all of
 * them without `count`. See proc(5): the state is the first of them.
 */
export function fieldsAfterName(stat: string, count?: number): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ', count);
}

/** Index of `starttime` among these fields. It is in clock ticks since the boot: 100 a second on every architecture. */
const START = 19;
const TICKS_PER_SECOND = 100;

/**
 * When a process was started, in epoch seconds, compared with our own start, which `ownStart` gives;
 * undefined where it cannot be read.
 */
export function startedAt(
  pid: number,
  ownStart = performance.timeOrigin / 1000,
): number | undefined {
  return ifReadable(() => {
    const [own = 0, other = 0] = ['self', pid].map((name) =>
      Number(fieldsAfterName(readFileSync(`/proc/${name}/stat`, 'latin1'))[START]),
    );
    return ownStart - (own - other) / TICKS_PER_SECOND;
  });
}
