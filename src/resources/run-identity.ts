/**
 * Decides whether the process that has a pid now is the one that supervisord started for a run.
 *
 * The kernel does not reuse the pid of a child before its parent has reaped it. A process that
 * reused a pid therefore started after supervisord reported that pid to the exporter:
 *
 * - A child of supervisord that is older than the exporter is the right one, since supervisord
 *   reported its pid to this exporter. (If that event was queued earlier, the event of the exit
 *   follows it in the queue.)
 * - Any other process must have started no later than the known start of the run.
 *
 * The start of a run is in epoch seconds and /proc counts from the boot, so a step of the
 * clock moves one against the other. The earliest of the boot times calculated since the exporter
 * started is used: a step may accept a wrong process, but never rejects the right one.
 */

import { type ProcStat, TICKS_PER_SECOND } from './formats.ts';

/**
 * XML-RPC gives whole seconds, rounded down; the rest is for a fork that is slow on a busy machine,
 * which is more likely than a pid that is reused so soon.
 */
const TOLERANCE_SECONDS = 5;

export class RunIdentity {
  readonly #ownStart: number;
  /** Seconds by which /proc/uptime is less than in the stat files: LXCFS shows the uptime of a container in it. */
  readonly #uptimeLag: number;
  /** Epoch seconds. */
  #earliestBoot: number;

  /** `own`: of the exporter itself. `uptime` is in seconds; undefined where it cannot be read. */
  constructor(own: Pick<ProcStat, 'start'>, now: number, uptime: number | undefined) {
    this.#ownStart = own.start;
    const ownStartSeconds = own.start / TICKS_PER_SECOND;
    this.#uptimeLag = uptime === undefined ? 0 : Math.max(0, ownStartSeconds - uptime);
    this.#earliestBoot = now - Math.max(uptime ?? 0, ownStartSeconds);
  }

  /** Follows steps of the clock; `now` in epoch seconds. */
  updateClock(now: number, uptime: number | undefined): void {
    if (uptime === undefined) return;
    this.#earliestBoot = Math.min(this.#earliestBoot, now - uptime - this.#uptimeLag);
  }

  /** `runStart`: in epoch seconds, not before the actual start; undefined where it is not known. */
  matches({ parent, start }: ProcStat, supervisord: number, runStart: number | undefined): boolean {
    if (parent !== supervisord) return false;
    if (start <= this.#ownStart) return true;
    if (runStart === undefined) return false;
    return this.#earliestBoot + start / TICKS_PER_SECOND <= runStart + TOLERANCE_SECONDS;
  }
}
