/** Changes of the process table, and the feed that brings them to their consumers. */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import type { Process } from './process.ts';
import type { StartFacts, Termination, TerminationFacts } from './termination.ts';

export type Change =
  | { readonly kind: 'added' | 'removed'; readonly process: Readonly<Process> }
  /** A transition was counted, whether or not a later event had already set the state. */
  | {
      readonly kind: 'transition';
      readonly event: ProcessStateEvent;
      /** When the event was received, in epoch seconds. */
      readonly at: number;
      /** Set where the transition ended a run. */
      readonly termination: Termination | undefined;
    }
  /** A run ended, by an event or by a snapshot. */
  | {
      readonly kind: 'exited';
      readonly process: Readonly<Process>;
      readonly termination: Termination;
      /** The id of the same termination, if a snapshot has reported it before the event. */
      readonly replaces: number | undefined;
    }
  /** A lookup has finished. */
  | {
      readonly kind: 'reason';
      readonly id: ProcessId;
      readonly terminationId: number;
      readonly facts: TerminationFacts;
    }
  /** The log has reported when the present or last run began. */
  | { readonly kind: 'started'; readonly id: ProcessId; readonly facts: StartFacts }
  /** A snapshot or the configuration changed a process in another way. */
  | { readonly kind: 'updated'; readonly process: Readonly<Process> };

/** The process that a change is about. */
export function idOf(change: Change): ProcessId {
  switch (change.kind) {
    case 'transition':
      return change.event.process;
    case 'reason':
    case 'started':
      return change.id;
    default:
      return change.process.id;
  }
}

export type Consumer = (change: Change) => void;

export class ChangeFeed {
  readonly #consumers: Consumer[] = [];
  readonly #queue: Change[] = [];
  #isPublishing = false;

  /** Consumers receive each change in the order in which they subscribed. */
  subscribe(consumer: Consumer): void {
    this.#consumers.push(consumer);
  }

  /** A consumer may publish in turn: its changes follow those that are already queued. */
  publish(changes: readonly Change[]): void {
    for (const change of changes) this.#queue.push(change);
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    try {
      for (let change = this.#queue.shift(); change !== undefined; change = this.#queue.shift()) {
        for (const consumer of this.#consumers) consumer(change);
      }
    } finally {
      this.#isPublishing = false;
    }
  }
}
