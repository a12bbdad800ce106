/**
 * Counts the seconds that each process was up (in STARTING or RUNNING), from the changes of the
 * process table. Pure.
 *
 * Durations are differences of a monotonic clock, so a step of the system's clock does not count.
 * Two corrections follow from supervisord's log, once it has been read: the begin and the end of a
 * run precede their events by up to a second, and by more on a busy machine. They are differences
 * of the system's clock, and are ignored where that clock was set in between. The log does not say
 * when a stop began, except that it was before the end of the run.
 *
 * A process that is up when it is first seen counts from then on.
 */

import type { ProcessId } from '../supervisor/process-id.ts';
import { isUp } from '../supervisor/states.ts';
import { dropOldest } from '../util/drop-oldest.ts';
import type { Change } from './changes.ts';
import type { Process } from './process.ts';
import type { ProcessTable } from './table.ts';

interface UpTime {
  /** Of the periods that are over. */
  seconds: number;
  /** Monotonic seconds since when it is up; undefined while it is down. */
  upSince: number | undefined;
  /** When the event of the last begin was received, until the log has corrected it. */
  begunAt: Moment | undefined;
  /** The last period, until the event of the end of its run: a stop ends it before that. */
  ended: Ended | undefined;
  /** The highest value that was read: a correction may be negative, and a counter never decreases. */
  shown: number;
}

/** One moment by both clocks, in seconds. */
export interface Moment {
  readonly monotonic: number;
  readonly epoch: number;
}

/** A period that was counted until its event was received. */
interface Ended {
  readonly upTime: UpTime;
  /** When the event was received. */
  readonly at: Moment;
  readonly seconds: number;
}

/** Where the log is not read, no time is ever received. */
const MAX_ENDED = 1024;

/** Events that are older when they are received waited for something other than a busy machine. */
const LONGEST_DELAY_SECONDS = 60;
/** The clocks differ by less between two events, unless one was set. */
const CLOCK_TOLERANCE_SECONDS = 0.1;

export class UpTimes {
  readonly #table: ProcessTable;
  readonly #upTimes = new WeakMap<Readonly<Process>, UpTime>();
  /** By the id of the termination: ends whose time by the log is not known yet. */
  readonly #ended = new Map<number, Ended>();

  /** Of the last change: what the system's clock is ahead of the monotonic one. */
  #offset: number | undefined;
  /** When it was last noticed that the system's clock was set, in monotonic seconds. */
  #clockSetAt = Number.NEGATIVE_INFINITY;

  constructor(table: ProcessTable) {
    this.#table = table;
  }

  record(change: Change, now: Moment): void {
    this.#watchClock(now);
    switch (change.kind) {
      case 'transition': {
        const { event, termination } = change;
        this.#enterState(event.process, now, 'event');
        if (termination) this.#expectEnd(event.process, termination.id);
        break;
      }
      case 'updated':
      case 'exited':
        this.#enterState(change.process.id, now, 'snapshot');
        break;
      case 'started':
        this.#correctBegin(change.id, change.facts.startedAt);
        break;
      case 'reason':
        this.#correctEnd(change.terminationId, change.facts.finishedAt);
        break;
      // The state of a new process follows as a transition or an update.
      case 'added':
      case 'removed':
        break;
      default: {
        const unhandled: never = change;
        throw new Error(`unhandled change ${JSON.stringify(unhandled)}`);
      }
    }
  }

  /** At `now` (monotonic seconds); never less than at an earlier call. */
  secondsOf(process: Readonly<Process>, now: number): number {
    const upTime = this.#upTimes.get(process);
    if (upTime === undefined) return 0;
    const { seconds, upSince } = upTime;
    const current = seconds + (upSince === undefined ? 0 : now - upSince);
    upTime.shown = Math.max(upTime.shown, current);
    return upTime.shown;
  }

  #watchClock({ monotonic, epoch }: Moment): void {
    const offset = epoch - monotonic;
    const step = offset - (this.#offset ?? offset);
    if (Math.abs(step) > CLOCK_TOLERANCE_SECONDS) this.#clockSetAt = monotonic;
    this.#offset = offset;
  }

  #enterState(id: ProcessId, now: Moment, source: 'event' | 'snapshot'): void {
    const process = this.#table.get(id);
    if (process === undefined) return;
    const upTime = this.#upTimeOf(process);
    const { upSince } = upTime;
    if (isUp(process.state) === (upSince !== undefined)) return;
    upTime.ended = undefined;
    if (upSince === undefined) {
      upTime.upSince = now.monotonic;
      upTime.begunAt = source === 'event' ? now : undefined;
      return;
    }
    const seconds = now.monotonic - upSince;
    upTime.seconds += seconds;
    upTime.upSince = undefined;
    if (source === 'event') upTime.ended = { upTime, at: now, seconds };
  }

  /** The run of the last period is over, and the time of its end is being looked up. */
  #expectEnd(id: ProcessId, terminationId: number): void {
    const process = this.#table.get(id);
    const upTime = process && this.#upTimes.get(process);
    if (upTime?.ended === undefined) return;
    this.#ended.set(terminationId, upTime.ended);
    upTime.ended = undefined;
    dropOldest(this.#ended, MAX_ENDED);
  }

  #correctBegin(id: ProcessId, startedAt: number): void {
    const process = this.#table.get(id);
    const upTime = process && this.#upTimes.get(process);
    if (upTime?.begunAt === undefined) return;
    const delay = this.#delayOf(upTime.begunAt, startedAt);
    if (upTime.upSince === undefined) upTime.seconds += delay;
    else upTime.upSince -= delay;
    upTime.begunAt = undefined;
  }

  #correctEnd(terminationId: number, finishedAt: number | undefined): void {
    const ended = this.#ended.get(terminationId);
    this.#ended.delete(terminationId);
    if (ended === undefined || finishedAt === undefined) return;
    ended.upTime.seconds -= Math.min(this.#delayOf(ended.at, finishedAt), ended.seconds);
  }

  /** Seconds from what the log reports to the reception of its event; 0 where the clock was set between them. */
  #delayOf(received: Moment, loggedAt: number): number {
    const delay = received.epoch - loggedAt;
    const wasSet = received.monotonic - delay <= this.#clockSetAt;
    return delay > 0 && delay < LONGEST_DELAY_SECONDS && !wasSet ? delay : 0;
  }

  #upTimeOf(process: Readonly<Process>): UpTime {
    const known = this.#upTimes.get(process);
    if (known !== undefined) return known;
    const upTime: UpTime = {
      seconds: 0,
      upSince: undefined,
      begunAt: undefined,
      ended: undefined,
      shown: 0,
    };
    this.#upTimes.set(process, upTime);
    return upTime;
  }
}
