/**
 * Which alerts hold, and when to say so. Pure: the process table and the time come with
 * each call.
 *
 * The alerts are the two that cannot wait, with the labels that the rules of
 * prometheus-rules/alerts.yml give them, so that Alertmanager holds one alert where the
 * rules bring it as well. Each is resolved later here than there: an alert that one sender
 * resolves while the other goes on sending it would be told twice.
 */

import type { Process } from '../processes/process.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';

export type AlertName = 'SupervisorProcessFatal' | 'SupervisorProcessUnexpectedExit';

/** An alert as it is to be told now. All times are epoch seconds. */
export interface Alert {
  readonly name: AlertName;
  readonly process: ProcessId;
  readonly startsAt: number;
  /** When it is over, if nothing more is said of it. */
  readonly endsAt: number;
}

/** An alert that holds is told again this often: Alertmanager forgets what it has when it restarts. */
export const RESEND_SECONDS = 30;

/** How long an alert outlives us. */
export const EXPIRY_SECONDS = 3 * RESEND_SECONDS;

/** The rule holds for as long after an unexpected exit. */
const UNEXPECTED_EXIT_SECONDS = 60;

/** The rule's `keep_firing_for`. */
const FATAL_KEEP_FIRING_SECONDS = 120;

/** Longer than a scrape and an evaluation of the rules take together, at sensible settings. */
const LATER_THAN_RULE_SECONDS = 30;

type View = Readonly<Process>;

interface Held {
  readonly alert: Omit<Alert, 'endsAt'>;
  /** When it ceased, or will cease, to hold; undefined as long as that is open. */
  readonly holdsUntil: number | undefined;
  /** When to be over, once `holdsUntil` is known. */
  readonly endsAt: number | undefined;
  /** Undefined: it has changed, and is to be told. */
  readonly toldAt: number | undefined;
}

export class Board {
  readonly #held = new Map<string, Held>();
  readonly #reasonPatience: number;
  #isWaiting = false;

  /** `reasonPatience`: seconds for which nothing is told as long as its reason is not known. */
  constructor(reasonPatience: number) {
    this.#reasonPatience = reasonPatience;
  }

  /** Whether the last review held something back. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Takes the processes as they are at `at`, and returns the alerts that are to be told now. */
  review(processes: Iterable<View>, at: number): Alert[] {
    this.#isWaiting = false;
    const present = new Set<ProcessKey>();
    for (const process of processes) {
      present.add(keyOf(process.id));
      if (process.state === 'FATAL') this.#openFatal(process, at);
      else this.#closeFatal(keyOf(process.id), at);
      this.#noteExit(process, at);
    }
    for (const { alert } of [...this.#held.values()]) {
      if (!present.has(keyOf(alert.process))) this.#closeFatal(keyOf(alert.process), at);
    }
    return this.#due(at);
  }

  #openFatal(process: View, at: number): void {
    const key = fatalKey(keyOf(process.id));
    const held = this.#held.get(key);
    if (held !== undefined && held.holdsUntil === undefined) return;
    const startsAt = process.lastTransitionTime ?? at;
    if (process.spawnError === undefined && this.#isWorthWaiting(startsAt, at)) return;
    this.#held.set(key, {
      alert: held?.alert ?? {
        name: 'SupervisorProcessFatal',
        process: process.id,
        startsAt,
      },
      holdsUntil: undefined,
      endsAt: undefined,
      toldAt: undefined,
    });
  }

  #closeFatal(process: ProcessKey, at: number): void {
    const key = fatalKey(process);
    const held = this.#held.get(key);
    if (held === undefined || held.holdsUntil !== undefined) return;
    const endsAt = at + FATAL_KEEP_FIRING_SECONDS + LATER_THAN_RULE_SECONDS;
    this.#held.set(key, { ...held, holdsUntil: at, endsAt, toldAt: undefined });
  }

  /**
   * A further exit while it holds only makes it last: it is told again in its turn, and not
   * for each exit. Once it has ceased to hold, an exit is a new alert.
   */
  #noteExit(process: View, at: number): void {
    const exit = process.lastUnexpectedExit;
    if (exit === undefined) return;
    const exitedAt = exit.finishedAt;
    if (exit.reason.kind === 'pending' && this.#isWorthWaiting(exitedAt, at)) return;
    const holdsUntil = exitedAt + UNEXPECTED_EXIT_SECONDS;
    const key = exitKey(keyOf(process.id));
    const held = this.#held.get(key);
    if (holdsUntil <= at || held?.holdsUntil === holdsUntil) return;
    const isOngoing = held?.holdsUntil !== undefined && held.holdsUntil > exitedAt;
    this.#held.set(key, {
      alert: isOngoing
        ? held.alert
        : { name: 'SupervisorProcessUnexpectedExit', process: process.id, startsAt: exitedAt },
      holdsUntil,
      endsAt: holdsUntil + LATER_THAN_RULE_SECONDS,
      toldAt: isOngoing ? held.toldAt : undefined,
    });
  }

  /** Whether the reason of what happened then may still be found out. */
  #isWorthWaiting(happenedAt: number, at: number): boolean {
    const isWorthIt = at < happenedAt + this.#reasonPatience;
    this.#isWaiting ||= isWorthIt;
    return isWorthIt;
  }

  #due(at: number): Alert[] {
    const due: Alert[] = [];
    for (const [key, held] of this.#held) {
      if (held.endsAt !== undefined && held.endsAt <= at) {
        this.#held.delete(key);
        continue;
      }
      const holds = held.holdsUntil === undefined || held.holdsUntil > at;
      const isDue = held.toldAt === undefined || (holds && at - held.toldAt >= RESEND_SECONDS);
      if (!isDue) continue;
      this.#held.set(key, { ...held, toldAt: at });
      due.push({ ...held.alert, endsAt: held.endsAt ?? at + EXPIRY_SECONDS });
    }
    return due;
  }
}

function fatalKey(process: ProcessKey): string {
  return `fatal ${process}`;
}

function exitKey(process: ProcessKey): string {
  return `exit ${process}`;
}
