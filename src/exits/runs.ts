/** Runs of programs, as supervisord's log has them. Pure. */

import type { Ending } from '../processes/ending.ts';
import type { LogLine } from './log.ts';

export type Ended = Extract<LogLine, { kind: 'ended' }>;

/** Its pid is not known where it began before the part of the log that was read. */
export interface Run {
  readonly pid: number | undefined;
  readonly ended: Ended | undefined;
}

/** Of one program, which is started, and ends, and only then is started again. */
export function partRuns(lines: readonly LogLine[]): Run[] {
  const runs: Run[] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (line.kind === 'spawned') runs.push({ pid: line.pid, ended: undefined });
    else if (last !== undefined && last.ended === undefined) {
      runs[runs.length - 1] = { ...last, ended: line };
    } else runs.push({ pid: undefined, ended: line });
  }
  return runs;
}

/** Few enough that no pid comes round again meanwhile. */
const MAX_REMEMBERED = 1_024;

/**
 * Runs whose end was read once. In a storm events are far behind the log, and when their
 * turn comes the end of the log is all about them.
 */
export class RememberedRuns {
  readonly #endings = new Map<string, Ending>();

  add(lines: readonly LogLine[]): void {
    for (const name of new Set(lines.map((line) => line.name))) {
      for (const { pid, ended } of partRuns(lines.filter((line) => line.name === name))) {
        if (pid !== undefined && ended !== undefined) this.#remember(name, pid, ended.ending);
      }
    }
  }

  endingOf(name: string, pid: number | undefined): Ending | undefined {
    return pid === undefined ? undefined : this.#endings.get(`${name} ${pid}`);
  }

  #remember(name: string, pid: number, ending: Ending): void {
    const key = `${name} ${pid}`;
    this.#endings.delete(key);
    this.#endings.set(key, ending);
    const [oldest] = this.#endings.keys();
    if (this.#endings.size > MAX_REMEMBERED && oldest !== undefined) this.#endings.delete(oldest);
  }
}
