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
      readonly end: FatalEnd | undefined;
    }
  | {
      readonly name: 'SupervisorProcessUnexpectedExit';
      readonly process: ProcessId;
      readonly exit: UnexpectedExit;
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

export type FatalEnd = 'started' | 'removed';

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
  /** Unexpected exits of the process within ten minutes, this one included. */
  readonly recentExits: number;
}

interface KnownExit extends UnexpectedExit {
  readonly terminationId: number;
}

/** An active alert is sent again this often, since Alertmanager loses its alerts when it restarts. */
export const RESEND_SECONDS = 30;

/** How long an alert outlives the exporter. */
const EXPIRY_SECONDS = 3 * RESEND_SECONDS;

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
  /** When its condition ended, or will end; Infinity as long as that is open. */
  readonly conditionEndsAt: number;
  /** Undefined: it has changed since it was last sent. */
  readonly lastSentAt: number | undefined;
}

const MANY_EXITS_KEY = 'SupervisorManyExits';

export class ActiveAlerts {
  readonly #active = new Map<string, ActiveAlert>();
  readonly #recentExits = new RecentCounts();
  readonly #recentOomKills = new RecentCounts();
  readonly #recentStopKills = new RecentCounts();
  /** By process: the termination of an exit that SupervisorManyExits covers, and that is no alert of its own, also once that has ended. */
  #coveredExits: ReadonlyMap<ProcessKey, number> = new Map();
  readonly #options: ActiveAlertsOptions;

  constructor(options: ActiveAlertsOptions) {
    this.#options = options;
  }

  /** Takes the processes as they are at `at`, and returns the alerts that are to be sent now. */
  evaluate(processes: Iterable<Readonly<Process>>, at: number): Alert[] {
    const present = new Map<ProcessKey, Readonly<Process>>();
    const exits: KnownExit[] = [];
    for (const process of processes) {
      present.set(keyOf(process.id), process);
      if (process.state === 'FATAL') this.#openFatal(process, at);
      this.#evaluateKills(process, at);
      const exit = this.#currentExit(process, at);
      if (exit !== undefined) exits.push(exit);
    }
    for (const counts of [this.#recentExits, this.#recentOomKills, this.#recentStopKills]) {
      counts.retain(present);
    }
    this.#closeFatal(present, at);
    this.#evaluateExits(exits, at);
    return this.#toSend(at);
  }

  #openFatal(process: Readonly<Process>, at: number): void {
    const { id, lastTransitionTime } = process;
    const name = 'SupervisorProcessFatal';
    const key = alertKey(name, id);
    const ongoing = this.#ongoing(key, at);
    const enteredAt = pastTime(lastTransitionTime, at);
    const isPending = ongoing === undefined && isFailurePending(process);
    if (isPending && this.#waitsForReason(enteredAt, at)) return;
    const cause = { name, process: id, failure: failureOf(process), end: undefined } as const;
    const startsAt = this.#active.get(key)?.startsAt ?? enteredAt;
    this.#open(key, { cause, startsAt, conditionEndsAt: Number.POSITIVE_INFINITY }, ongoing);
  }

  #closeFatal(present: ReadonlyMap<ProcessKey, Readonly<Process>>, at: number): void {
    for (const [key, active] of this.#active) {
      const { cause, startsAt } = active;
      if (cause.name !== 'SupervisorProcessFatal' || !isConditionOpen(active, at)) continue;
      const state = present.get(keyOf(cause.process))?.state;
      if (state === 'FATAL') continue;
      const end = state === undefined ? 'removed' : 'started';
      this.#open(key, { cause: { ...cause, end }, startsAt, conditionEndsAt: at }, undefined);
    }
  }

  #evaluateKills(process: Readonly<Process>, at: number): void {
    const { id, oomKills, lastOomKillAt, stopKills, lastStopKillAt, settings } = process;
    const key = keyOf(id);
    const recentOomKills = this.#recentOomKills.observe(key, oomKills, at);
    const recentStopKills = this.#recentStopKills.observe(key, stopKills, at);
    if (lastOomKillAt !== undefined) {
      const cause = { process: id, at: pastTime(lastOomKillAt, at), recentKills: recentOomKills };
      this.#openKill({ name: 'SupervisorProcessOomKilled', ...cause }, at);
    }
    if (lastStopKillAt !== undefined) {
      const cause = { process: id, at: pastTime(lastStopKillAt, at), recentKills: recentStopKills };
      const stopWaitSeconds = settings?.stopWaitSeconds;
      this.#openKill({ name: 'SupervisorProcessKilledAtStop', ...cause, stopWaitSeconds }, at);
    }
  }

  #openKill(cause: Extract<AlertCause, { readonly recentKills: number }>, at: number): void {
    if (cause.at + UNEXPECTED_EXIT_SECONDS <= at) return;
    const key = alertKey(cause.name, cause.process);
    this.#open(key, { cause, ...lasting(cause.at) }, this.#ongoing(key, cause.at));
  }

  /** The last unexpected exit, while it counts and its reason is not awaited. */
  #currentExit(process: Readonly<Process>, at: number): KnownExit | undefined {
    const { id, lastUnexpectedExit: exit, unexpectedExits } = process;
    const recentExits = this.#recentExits.observe(keyOf(id), unexpectedExits, at);
    if (exit === undefined) return undefined;
    const exitedAt = pastTime(exit.finishedAt, at);
    if (exitedAt + UNEXPECTED_EXIT_SECONDS <= at) return undefined;
    if (isReasonPending(exit.reason) && this.#waitsForReason(exitedAt, at)) return undefined;
    const { id: terminationId, reason } = exit;
    return { process: id, at: exitedAt, reason, recentExits, terminationId };
  }

  /**
   * Up to three of many exits are alerts of their own: those that were sent before the others were
   * known. SupervisorManyExits comes first, so that it covers all that become known with it.
   */
  #evaluateExits(exits: readonly KnownExit[], at: number): void {
    const oldestFirst = [...exits].sort((a, b) => a.at - b.at);
    this.#openManyExits(oldestFirst);
    const isMany = this.#ongoing(MANY_EXITS_KEY, at) !== undefined;
    const covered = new Map<ProcessKey, number>();
    for (const exit of oldestFirst) {
      const key = keyOf(exit.process);
      const isCovered = isMany || this.#coveredExits.get(key) === exit.terminationId;
      if (!this.#openExit(exit, isCovered)) covered.set(key, exit.terminationId);
    }
    this.#coveredExits = covered;
  }

  #openManyExits(oldestFirst: readonly UnexpectedExit[]): void {
    const reached = oldestFirst[MANY_EXITS - 1];
    const lastNeeded = oldestFirst.at(-MANY_EXITS);
    if (reached === undefined || lastNeeded === undefined) return;
    const cause = { name: MANY_EXITS_KEY, exits: [...oldestFirst].reverse() } as const;
    const { conditionEndsAt } = lasting(lastNeeded.at);
    const ongoing = this.#ongoing(MANY_EXITS_KEY, reached.at);
    this.#open(MANY_EXITS_KEY, { cause, startsAt: reached.at, conditionEndsAt }, ongoing);
  }

  /**
   * A further exit while the condition holds prolongs the alert, which is sent again at its next
   * turn and not for each exit. Once the condition has ended, an exit is a new alert, unless
   * SupervisorManyExits covers it. Returns whether the exit is an alert of its own.
   */
  #openExit(exit: UnexpectedExit, isCovered: boolean): boolean {
    const name = 'SupervisorProcessUnexpectedExit';
    const key = alertKey(name, exit.process);
    const ongoing = this.#ongoing(key, exit.at);
    if (ongoing === undefined && isCovered) return false;
    const cause = { name, process: exit.process, exit } as const;
    this.#open(key, { cause, ...lasting(exit.at) }, ongoing);
    return true;
  }

  /** The alert, if its condition still holds at `at`. */
  #ongoing(key: string, at: number): ActiveAlert | undefined {
    const active = this.#active.get(key);
    return isConditionOpen(active, at) ? active : undefined;
  }

  /** Opens the alert, or prolongs the ongoing one. */
  #open(
    key: string,
    alert: Omit<ActiveAlert, 'lastSentAt'>,
    ongoing: ActiveAlert | undefined,
  ): void {
    const startsAt = ongoing?.startsAt ?? alert.startsAt;
    this.#active.set(key, { ...alert, startsAt, lastSentAt: ongoing?.lastSentAt });
  }

  #waitsForReason(happenedAt: number, at: number): boolean {
    return at < happenedAt + this.#options.reasonTimeout;
  }

  #toSend(at: number): Alert[] {
    const alerts: Alert[] = [];
    for (const [key, active] of this.#active) {
      const resolvedAt = resolvedAtOf(active);
      if (resolvedAt <= at) this.#active.delete(key);
      else if (needsSending(active, at)) {
        this.#active.set(key, { ...active, lastSentAt: at });
        const { cause, startsAt } = active;
        const endsAt = Number.isFinite(resolvedAt) ? resolvedAt : at + EXPIRY_SECONDS;
        alerts.push({ ...cause, startsAt, endsAt });
      }
    }
    return alerts;
  }
}

function alertKey(name: AlertName, id: ProcessId): string {
  return `${name} ${keyOf(id)}`;
}

/** The condition of an exit or a kill. */
function lasting(happenedAt: number): Pick<ActiveAlert, 'startsAt' | 'conditionEndsAt'> {
  return { startsAt: happenedAt, conditionEndsAt: happenedAt + UNEXPECTED_EXIT_SECONDS };
}

function resolvedAtOf({ cause, conditionEndsAt }: ActiveAlert): number {
  const keepFiring = cause.name === 'SupervisorProcessFatal' ? FATAL_KEEP_FIRING_SECONDS : 0;
  return conditionEndsAt + keepFiring + LATER_THAN_RULE_SECONDS;
}

/** Once its condition has ended, Alertmanager knows when to resolve the alert. */
function needsSending(active: ActiveAlert, at: number): boolean {
  if (active.lastSentAt === undefined) return true;
  return isConditionOpen(active, at) && at - active.lastSentAt >= RESEND_SECONDS;
}

function isConditionOpen(active: ActiveAlert | undefined, at: number): active is ActiveAlert {
  return active !== undefined && active.conditionEndsAt > at;
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
