/**
 * Decides which alerts are firing and when each is to be sent. Pure: the processes and the
 * time are arguments.
 *
 * There are two alerts, with the labels of the same rules in prometheus-rules/alerts.yml, so
 * that Alertmanager holds one alert where both routes send it. An alert ends later here than
 * in the rules: if one sender resolves it while the other still sends it, Alertmanager
 * notifies twice.
 */

import type { Process } from '../processes/process.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';

export type AlertName = 'SupervisorProcessFatal' | 'SupervisorProcessUnexpectedExit';

/** An alert that is to be sent now. All times are epoch seconds. */
export interface Alert {
  readonly name: AlertName;
  readonly process: ProcessId;
  readonly startsAt: number;
  /** When Alertmanager is to resolve it unless it is sent again. */
  readonly endsAt: number;
}

/** A firing alert is sent again this often, since Alertmanager loses its alerts at a restart. */
export const RESEND_SECONDS = 30;

/** How long a firing alert stays active after it was last sent. */
export const EXPIRY_SECONDS = 3 * RESEND_SECONDS;

/** An unexpected exit is alerted for this long from its own time on, as in the rule. */
export const UNEXPECTED_EXIT_SECONDS = 120;

/** The `keep_firing_for` of the rule. */
export const FATAL_KEEP_FIRING_SECONDS = 120;

/** Longer than one scrape and one evaluation of the rules, at the shipped intervals. */
const LATER_THAN_RULE_SECONDS = 30;

type ReadonlyProcess = Readonly<Process>;

interface ActiveAlert {
  readonly alert: Omit<Alert, 'endsAt'>;
  /** When its condition ended or will end; undefined while that is open. */
  readonly resolvedAt: number | undefined;
  /** When Alertmanager is to resolve it; known once `resolvedAt` is. */
  readonly expiresAt: number | undefined;
  /** Undefined: it is new or has changed, and has to be sent. */
  readonly lastSentAt: number | undefined;
}

export class ActiveAlerts {
  readonly #alerts = new Map<string, ActiveAlert>();
  readonly #reasonTimeout: number;
  #isAwaitingReason = false;

  /** `reasonTimeout`: seconds that a new alert waits for the reason of what happened. */
  constructor(reasonTimeout: number) {
    this.#reasonTimeout = reasonTimeout;
  }

  /** Whether the last evaluation held an alert back because its reason is not known yet. */
  get isAwaitingReason(): boolean {
    return this.#isAwaitingReason;
  }

  /** Evaluates the processes as they are at `at` and returns the alerts to send now. */
  evaluate(processes: Iterable<ReadonlyProcess>, at: number): Alert[] {
    this.#isAwaitingReason = false;
    const present = new Set<ProcessKey>();
    for (const process of processes) {
      present.add(keyOf(process.id));
      if (process.state === 'FATAL') this.#fireFatal(process, at);
      else this.#resolveFatal(keyOf(process.id), at);
      this.#recordExit(process, at);
    }
    for (const { alert } of [...this.#alerts.values()]) {
      if (!present.has(keyOf(alert.process))) this.#resolveFatal(keyOf(alert.process), at);
    }
    return this.#needsSending(at);
  }

  #fireFatal(process: ReadonlyProcess, at: number): void {
    const key = fatalKey(keyOf(process.id));
    const active = this.#alerts.get(key);
    if (active !== undefined && active.resolvedAt === undefined) return;
    const startsAt = pastTime(process.lastTransitionTime, at);
    if (process.spawnError === undefined && this.#awaitsReason(startsAt, at)) return;
    this.#alerts.set(key, {
      alert: active?.alert ?? { name: 'SupervisorProcessFatal', process: process.id, startsAt },
      resolvedAt: undefined,
      expiresAt: undefined,
      lastSentAt: undefined,
    });
  }

  #resolveFatal(process: ProcessKey, at: number): void {
    const key = fatalKey(process);
    const active = this.#alerts.get(key);
    if (active === undefined || active.resolvedAt !== undefined) return;
    const expiresAt = at + FATAL_KEEP_FIRING_SECONDS + LATER_THAN_RULE_SECONDS;
    this.#alerts.set(key, { ...active, resolvedAt: at, expiresAt, lastSentAt: undefined });
  }

  /**
   * A further exit while the alert is firing only extends it: it is sent again at its next
   * turn and not for each exit. An exit after `resolvedAt` is a new alert.
   */
  #recordExit(process: ReadonlyProcess, at: number): void {
    const exit = process.lastUnexpectedExit;
    if (exit === undefined) return;
    const exitedAt = pastTime(exit.finishedAt, at);
    if (exit.reason.kind === 'pending' && this.#awaitsReason(exitedAt, at)) return;
    const resolvedAt = exitedAt + UNEXPECTED_EXIT_SECONDS;
    const key = exitKey(keyOf(process.id));
    const active = this.#alerts.get(key);
    if (resolvedAt <= at || active?.resolvedAt === resolvedAt) return;
    const isFiring = active?.resolvedAt !== undefined && active.resolvedAt > exitedAt;
    this.#alerts.set(key, {
      alert: isFiring
        ? active.alert
        : { name: 'SupervisorProcessUnexpectedExit', process: process.id, startsAt: exitedAt },
      resolvedAt,
      expiresAt: resolvedAt + LATER_THAN_RULE_SECONDS,
      lastSentAt: isFiring ? active.lastSentAt : undefined,
    });
  }

  /** Whether the reason of what happened at that time may still become known. */
  #awaitsReason(happenedAt: number, at: number): boolean {
    const awaits = at < happenedAt + this.#reasonTimeout;
    this.#isAwaitingReason ||= awaits;
    return awaits;
  }

  #needsSending(at: number): Alert[] {
    const alerts: Alert[] = [];
    for (const [key, active] of this.#alerts) {
      if (active.expiresAt !== undefined && active.expiresAt <= at) {
        this.#alerts.delete(key);
        continue;
      }
      const isFiring = active.resolvedAt === undefined || active.resolvedAt > at;
      const { lastSentAt } = active;
      const isDue = lastSentAt === undefined || (isFiring && at - lastSentAt >= RESEND_SECONDS);
      if (!isDue) continue;
      this.#alerts.set(key, { ...active, lastSentAt: at });
      alerts.push({ ...active.alert, endsAt: active.expiresAt ?? at + EXPIRY_SECONDS });
    }
    return alerts;
  }
}

/** supervisord may report any number as a time; one that cannot be right is replaced by now. */
function pastTime(seconds: number | undefined, now: number): number {
  return seconds !== undefined && seconds > 0 && seconds <= now ? seconds : now;
}

function fatalKey(process: ProcessKey): string {
  return `fatal ${process}`;
}

function exitKey(process: ProcessKey): string {
  return `exit ${process}`;
}
