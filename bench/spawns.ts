/** Which process runs a program, by supervisord's log: asking supervisord would wake it. */

import { readFileSync } from 'node:fs';

export function pidsIn(log: string): ReadonlyMap<string, number> {
  const spawned = readFileSync(log, 'utf8').matchAll(/ spawned: '(\S+)' with pid (\d+)$/gm);
  // The last of a name wins.
  return new Map(Array.from(spawned, ([, name = '', pid]) => [name, Number(pid)]));
}

export function pidOf(program: string, log: string): number {
  const pid = pidsIn(log).get(program);
  if (pid === undefined) throw new Error(`${program} has never been started`);
  return pid;
}
