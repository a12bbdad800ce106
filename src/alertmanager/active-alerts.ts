/**
 * Which alerts are active, and which of them to send now. Pure: the process table and the time
 * are arguments of each call.
 *
 * The alerts are those that cannot wait for a scrape, with the labels that the rules of
 * prometheus-rules/alerts.yml give them, so that Alertmanager merges a pushed alert with that of
 * the rule. Each is resolved later here than by the rule: if one sender resolved an alert while
 * the other still sent it, Alertmanager would notify twice.
 */

import { lastTermination, type Process } from '../processes/process.ts';
import { type ExitReason, isReasonPending } from '../processes/termination.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import { RecentCounts } from './recent-counts.ts';

/** An alert to be sent now. All times are epoch seconds. */
export type Alert = AlertCause & {
  readonly startsAt: number;
  /** When Alertmanager resolves it, unless it is sent again. */
  readonly endsAt: number;
};

export type AlertCause =
  | {
      readonly name: 'SupervisorProcessFatal';
      readonly process: ProcessId;
      readonly failure: StartFailure;
      /** What ended it; undefined while the process is FATAL. */
      readonly end: 'started' | 'removed' | undefined;
    }
  | {
      readonly name: 'SupervisorProcessUnexpectedExit';
      readonly process: ProcessId;
      readonly exit: UnexpectedExit;
      /** Unexpected exits of the process within ten minutes, this one included. */
      readonly recentExits: number;
    }
  | {
      readonly name: 'SupervisorProcessOomKilled';
      readonly process: ProcessId;
      readonly at: number;
      /** OOM kills of the process within ten minutes, this one included. */
      readonly recentKills: number;
    }
  | {
      readonly name: 'SupervisorProcessKilledAtStop';
      readonly process: ProcessId;
      readonly at: number;
      /** Kills of the process at a stop within ten minutes, this one included. */
      readonly recentKills: number;
      readonly stopWaitSeconds: number | undefined;
    }
  /** Latest first. */
  | { readonly name: 'SupervisorManyExits'; readonly exits: readonly UnexpectedExit[] };

export type AlertName = AlertCause['name'];

/** Why the last start failed, as the metrics have it. */
export interface StartFailure {
  readonly spawnError: string | undefined;
  /** undefined where it is not established. */
  readonly reason: ExitReason | undefined;
  /** When the run ended, in epoch seconds; undefined where there was none. */
  readonly at: number | undefined;
}

export interface UnexpectedExit {
  readonly process: ProcessId;
  readonly at: number;
  readonly reason: ExitReason;
}

/** An active alert is sent again this often, since Alertmanager loses its alerts when it restarts. */
export const RESEND_SECONDS = 30;

/** How long an alert outlives the exporter. */
export const EXPIRY_SECONDS = 3 * RESEND_SECONDS;

/** How long the alert of an unexpected exit or a kill fires. The rules have the same number. */
export const UNEXPECTED_EXIT_SECONDS = 120;

/** Different processes that make SupervisorManyExits. */
export const MANY_EXITS = 4;

/** `keep_firing_for` of the rule SupervisorProcessFatal. */
export const FATAL_KEEP_FIRING_SECONDS = 120;

/** Longer than one scrape and one evaluation of the rules, at the shipped intervals. */
export const LATER_THAN_RULE_SECONDS = 30;

export interface ActiveAlertsOptions {
  /** Seconds for which an alert is not sent while its reason is being looked up. */
  readonly reasonTimeout: number;
}

interface ActiveAlert {
  readonly cause: AlertCause;
  readonly startsAt: number;
  /** When its condition ended, or will end; undefined as long as that is open. */
  readonly conditionEndsAt: number | undefined;
  /** When it is resolved; set together with `conditionEndsAt`. */
  readonly resolvedAt: number | undefined;
  /** Undefined: it has changed since it was last sent. */
  readonly lastSentAt: number | undefined;
}

const MANY_EXITS_KEY = 'many exits';

export class ActiveAlerts {
  readonly #active = new Map<string, ActiveAlert>();
  readonly #recentExits = new RecentCounts();
  readonly #recentOomKills = new RecentCounts();
  readonly #recentStopKills = new RecentCounts();
  readonly #options: ActiveAlertsOptions;
  #isWaitingForReason = false;

  constructor(options: ActiveAlertsOptions) {
    this.#options = options;
  }

  /** Whether the last evaluation held an alert back because its reason is being looked up. */
  get isWaitingForReason(): boolean {
    return this.#isWaitingForReason;
  }

  /** Takes the processes as they are at `at`, and returns the alerts that are to be sent now. */
  evaluate(processes: Iterable<Readonly<Process>>, at: number): Alert[] {
    this.#isWaitingForReason = false;
    const present = new Set<ProcessKey>();
    const exits: UnexpectedExit[] = [];
    for (const process of processes) {
      const key = keyOf(process.id);
      present.add(key);
      this.#recentExits.observe(key, process.unexpectedExits, at);
      if (process.state === 'FATAL') this.#openFatal(process, at);
      else this.#closeFatal(key, 'started', at);
      this.#evaluateKills(process, at);
      const exit = this.#currentExit(process, at);
      if (exit !== undefined) exits.push(exit);
    }
    for (const counts of [this.#recentExits, this.#recentOomKills, this.#recentStopKills]) {
      counts.retain(present);
    }
    for (const { cause } of [...this.#active.values()]) {
      if (cause.name !== 'SupervisorProcessFatal') continue;
      const key = keyOf(cause.process);
      if (!present.has(key)) this.#closeFatal(key, 'removed', at);
    }
    this.#evaluateExits(exits, at);
    return this.#toSend(at);
  }

  #openFatal(process: Readonly<Process>, at: number): void {
    const key = fatalKey(keyOf(process.id));
    const active = this.#active.get(key);
    const cause = {
      name: 'SupervisorProcessFatal',
      process: process.id,
      failure: failureOf(process),
      end: undefined,
    } as const;
    if (active !== undefined && active.conditionEndsAt === undefined) {
      // A reason that is found late is in the text from the next send on.
      this.#active.set(key, { ...active, cause });
      return;
    }
    const startsAt = pastTime(process.lastTransitionTime, at);
    if (isFailurePending(process) && this.#waitsForReason(startsAt, at)) return;
    this.#active.set(key, {
      cause,
      startsAt: active?.startsAt ?? startsAt,
      conditionEndsAt: undefined,
      resolvedAt: undefined,
      lastSentAt: undefined,
    });
  }

  #closeFatal(process: ProcessKey, end: 'started' | 'removed', at: number): void {
    const key = fatalKey(process);
    const active = this.#active.get(key);
    if (active === undefined || active.conditionEndsAt !== undefined) return;
    if (active.cause.name !== 'SupervisorProcessFatal') return;
    this.#active.set(key, {
      ...active,
      cause: { ...active.cause, end },
      conditionEndsAt: at,
      resolvedAt: at + FATAL_KEEP_FIRING_SECONDS + LATER_THAN_RULE_SECONDS,
      lastSentAt: undefined,
    });
  }

  #evaluateKills(process: Readonly<Process>, at: number): void {
    const { id, oomKills, lastOomKillAt, stopKills, lastStopKillAt, settings } = process;
    const key = keyOf(id);
    this.#recentOomKills.observe(key, oomKills, at);
    this.#recentStopKills.observe(key, stopKills, at);
    if (lastOomKillAt !== undefined) {
      const cause = {
        name: 'SupervisorProcessOomKilled',
        process: id,
        at: pastTime(lastOomKillAt, at),
        recentKills: this.#recentOomKills.count(key, at),
      } as const;
      this.#openKill(cause, at);
    }
    if (lastStopKillAt !== undefined) {
      const cause = {
        name: 'SupervisorProcessKilledAtStop',
        process: id,
        at: pastTime(lastStopKillAt, at),
        recentKills: this.#recentStopKills.count(key, at),
        stopWaitSeconds: settings?.stopWaitSeconds,
      } as const;
      this.#openKill(cause, at);
    }
  }

  #openKill(
    cause: AlertCause & {
      readonly name: 'SupervisorProcessOomKilled' | 'SupervisorProcessKilledAtStop';
    },
    at: number,
  ): void {
    const conditionEndsAt = cause.at + UNEXPECTED_EXIT_SECONDS;
    if (conditionEndsAt > at) this.#open(`${cause.name} ${keyOf(cause.process)}`, cause, cause.at);
  }

  /** The last unexpected exit, while it counts and its reason is not awaited. */
  #currentExit(process: Readonly<Process>, at: number): UnexpectedExit | undefined {
    const { id, lastUnexpectedExit: exit } = process;
    if (exit === undefined) return undefined;
    const exitedAt = pastTime(exit.finishedAt, at);
    if (exitedAt + UNEXPECTED_EXIT_SECONDS <= at) return undefined;
    if (isReasonPending(exit.reason) && this.#waitsForReason(exitedAt, at)) return undefined;
    return { process: id, at: exitedAt, reason: exit.reason };
  }

  /** The first of many exits are alerts of their own, because they are sent before the others are known. */
  #evaluateExits(exits: readonly UnexpectedExit[], at: number): void {
    const oldestFirst = [...exits].sort((a, b) => a.at - b.at);
    for (const exit of oldestFirst.slice(0, MANY_EXITS - 1)) this.#openExit(exit, at);
    this.#openManyExits(oldestFirst);
    for (const exit of oldestFirst.slice(MANY_EXITS - 1)) this.#openExit(exit, at);
  }

  #openManyExits(oldestFirst: readonly UnexpectedExit[]): void {
    const reached = oldestFirst[MANY_EXITS - 1];
    const lastNeeded = oldestFirst.at(-MANY_EXITS);
    if (reached === undefined || lastNeeded === undefined) return;
    const active = this.#active.get(MANY_EXITS_KEY);
    const isOngoing = isConditionOpen(active, reached.at);
    const conditionEndsAt = lastNeeded.at + UNEXPECTED_EXIT_SECONDS;
    this.#active.set(MANY_EXITS_KEY, {
      cause: { name: 'SupervisorManyExits', exits: [...oldestFirst].reverse() },
      startsAt: isOngoing ? active.startsAt : reached.at,
      conditionEndsAt,
      resolvedAt: conditionEndsAt + LATER_THAN_RULE_SECONDS,
      lastSentAt: isOngoing ? active.lastSentAt : undefined,
    });
  }

  /**
   * A further exit while the condition holds prolongs the alert, which is sent again at its next
   * turn and not for each exit. Once the condition has ended, an exit is a new alert, unless
   * SupervisorManyExits covers it.
   */
  #openExit(exit: UnexpectedExit, at: number): void {
    const key = exitKey(keyOf(exit.process));
    const active = this.#active.get(key);
    const conditionEndsAt = exit.at + UNEXPECTED_EXIT_SECONDS;
    if (active?.conditionEndsAt === conditionEndsAt) return;
    const isOngoing = isConditionOpen(active, exit.at);
    if (!isOngoing && isConditionOpen(this.#active.get(MANY_EXITS_KEY), at)) return;
    const cause = {
      name: 'SupervisorProcessUnexpectedExit',
      process: exit.process,
      exit,
      recentExits: this.#recentExits.count(keyOf(exit.process), at),
    } as const;
    this.#open(key, cause, exit.at);
  }

  /** Opens the alert, or prolongs it if its condition still held at `happenedAt`. */
  #open(key: string, cause: AlertCause, happenedAt: number): void {
    const active = this.#active.get(key);
    const conditionEndsAt = happenedAt + UNEXPECTED_EXIT_SECONDS;
    if (active?.conditionEndsAt === conditionEndsAt) return;
    const isOngoing = isConditionOpen(active, happenedAt);
    this.#active.set(key, {
      cause,
      startsAt: isOngoing ? active.startsAt : happenedAt,
      conditionEndsAt,
      resolvedAt: conditionEndsAt + LATER_THAN_RULE_SECONDS,
      lastSentAt: isOngoing ? active.lastSentAt : undefined,
    });
  }

  #waitsForReason(happenedAt: number, at: number): boolean {
    const waits = at < happenedAt + this.#options.reasonTimeout;
    this.#isWaitingForReason ||= waits;
    return waits;
  }

  #toSend(at: number): Alert[] {
    const alerts: Alert[] = [];
    for (const [key, active] of this.#active) {
      if (active.resolvedAt !== undefined && active.resolvedAt <= at) {
        this.#active.delete(key);
        continue;
      }
      if (!needsSending(active, at)) continue;
      this.#active.set(key, { ...active, lastSentAt: at });
      const { cause, startsAt, resolvedAt } = active;
      alerts.push({ ...cause, startsAt, endsAt: resolvedAt ?? at + EXPIRY_SECONDS });
    }
    return alerts;
  }
}

/** Once its condition has ended, Alertmanager knows when to resolve the alert. */
function needsSending(active: ActiveAlert, at: number): boolean {
  if (active.lastSentAt === undefined) return true;
  return isConditionOpen(active, at) && at - active.lastSentAt >= RESEND_SECONDS;
}

function isConditionOpen(active: ActiveAlert | undefined, at: number): active is ActiveAlert {
  if (active === undefined) return false;
  return active.conditionEndsAt === undefined || active.conditionEndsAt > at;
}

/** supervisord may report any number as a time; one that cannot be right is replaced by now. */
function pastTime(seconds: number | undefined, now: number): number {
  return seconds !== undefined && seconds > 0 && seconds <= now ? seconds : now;
}

/** Whether the reason of the failed start, or the part about the OOM killer, is being looked up. */
function isFailurePending({ failedStart, termination }: Readonly<Process>): boolean {
  if (failedStart !== undefined) return isReasonPending(failedStart.reason);
  // Once the signal of a failed start is known, it is the last termination.
  return termination?.reason.kind === 'signalled' && isReasonPending(termination.reason);
}

function failureOf(process: Readonly<Process>): StartFailure {
  const termination = lastTermination(process);
  return {
    spawnError: process.spawnError,
    reason: termination?.reason,
    at: termination?.finishedAt,
  };
}

function fatalKey(process: ProcessKey): string {
  return `fatal ${process}`;
}

function exitKey(process: ProcessKey): string {
  return `exit ${process}`;
}
