/** Runs that supervisord's log tells of, in its order. Pure. */

import type { LogLine } from './log.ts';
import type { Ending } from './match.ts';

/** As many as a storm makes in half a minute, and fewer than there are pids. */
const MAX_REMEMBERED = 4_096;

/**
 * Ends that the log has told of and nobody has asked about yet: in a storm supervisord's
 * events are far behind its log.
 */
export class ToldRuns {
  /** The pid of the latest run of each program. */
  readonly #latest = new Map<string, number>();
  readonly #endings = new Map<string, Ending>();

  add(lines: readonly LogLine[]): void {
    for (const line of lines) {
      if (line.kind === 'spawned') this.#latest.set(line.name, line.pid);
      else this.#end(line.name, line.ending);
    }
  }

  /** Why the run `pid` ended; undefined where the log has not told, or was asked before. */
  take(name: string, pid: number): Ending | undefined {
    const key = keyOf(name, pid);
    const ending = this.#endings.get(key);
    this.#endings.delete(key);
    return ending;
  }

  #end(name: string, ending: Ending): void {
    const pid = this.#latest.get(name);
    if (pid === undefined) return;
    this.#latest.delete(name);
    const key = keyOf(name, pid);
    // A pid that is used again is a later run.
    this.#endings.delete(key);
    this.#endings.set(key, ending);
    const [oldest] = this.#endings.keys();
    if (this.#endings.size > MAX_REMEMBERED && oldest !== undefined) this.#endings.delete(oldest);
  }
}

function keyOf(name: string, pid: number): string {
  return `${name} ${pid}`;
}
