/** Handles each event between the listener and the process table. */

import type { Exits } from './exits/exits.ts';
import type { MissingEvents } from './exits/reasons.ts';
import { LossDetector } from './listener/loss-detector.ts';
import type { Loss } from './listener/sequence.ts';
import type { Watchdog } from './listener/watchdog.ts';
import type { Change, ChangeFeed } from './processes/changes.ts';
import type { ProcessTable } from './processes/table.ts';
import { MARKER_TYPE } from './resync/fetch.ts';
import type { Resync } from './resync/resync.ts';
import type { EventStats } from './supervisor/event-stats.ts';
import {
  MALFORMED_REASONS,
  type MalformedEvent,
  type ProcessGroupEvent,
  type SupervisorEvent,
} from './supervisor/events.ts';
import { displayName } from './supervisor/process-id.ts';
import type { LogFields, Logger } from './util/log.ts';
import { zeroCounts } from './util/zero-counts.ts';

export interface EventHandlerOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly resync: Resync;
  readonly watchdog: Watchdog;
  /** Receives markers and ticks, and knows whether supervisord is stalled. */
  readonly exits: () => Pick<Exits, 'markerReceived' | 'tickReceived' | 'stalled'>;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export class EventHandler {
  readonly #options: EventHandlerOptions;
  readonly #losses: LossDetector;
  readonly #counts = {
    received: new Map<string, number>(),
    malformed: zeroCounts(MALFORMED_REASONS),
    redelivered: 0,
    lost: 0,
    lastEventAt: undefined as number | undefined,
    lastTickAt: undefined as number | undefined,
  };

  constructor(options: EventHandlerOptions) {
    this.#options = options;
    const { resync, exits, signal } = options;
    this.#losses = new LossDetector({
      onUnprovenGap: () => resync.requestUnlessCovered('gap', Date.now() / 1000),
      onLost: (loss) => this.#eventsLost(loss),
      hasMarkers: () => resync.hasMarkers,
      isStalled: () => exits().stalled === true,
      signal,
    });
  }

  get stats(): EventStats {
    return { ...this.#counts, gaps: this.#losses.gapCount };
  }

  /** Whether skipped serials may still be received, and how many events were lost. */
  get missing(): MissingEvents {
    return { isPending: this.#losses.hasPending, lost: this.#counts.lost };
  }

  /** This is the first life of the exporter: events that are missing from serial 0 on are lost. */
  expectFromZero(): void {
    this.#losses.expectFromZero();
  }

  /**
   * Applies an event that was received at `at` (epoch seconds): the acknowledgement waits for
   * this. Returns what is to be done after the acknowledgement.
   */
  handle(event: SupervisorEvent | MalformedEvent, at: number): () => void {
    const isFirst =
      event.serial === undefined || this.#losses.observe(event.serial, event.kind === 'tick');
    if (!isFirst) this.#counts.redelivered += 1;
    const afterAck = event.kind === 'malformed' || !isFirst ? undefined : this.#apply(event, at);
    return () => {
      this.#record(event, at);
      afterAck?.();
    };
  }

  /** Returns what the event leads to besides the table, for after the acknowledgement. */
  #apply(event: SupervisorEvent, at: number): (() => void) | undefined {
    const { table, resync, exits } = this.#options;
    switch (event.kind) {
      case 'process-state':
        return this.#publishLater(table.apply(event, at));
      case 'process-group':
        return this.#applyGroup(event, at);
      case 'tick': {
        const isInOrder = !this.#losses.mayHaveOvertaken(event.serial);
        return () => {
          resync.tickReceived(event, isInOrder);
          if (isInOrder) exits().tickReceived(event.when);
        };
      }
      case 'remote-communication':
        return () => {
          if (resync.remoteCommunicationReceived(event)) this.#losses.markerReceived(event.serial);
          else if (event.type === MARKER_TYPE) exits().markerReceived(event.data);
        };
      case 'supervisor-state':
        return () => resync.serverStateReceived(event.stateCode, at);
      case 'unused':
        return undefined;
      default: {
        const unhandled: never = event;
        throw new Error(`unhandled event ${JSON.stringify(unhandled)}`);
      }
    }
  }

  #applyGroup({ change, group, serial }: ProcessGroupEvent, at: number): () => void {
    const { table, resync } = this.#options;
    if (change === 'removed') return this.#publishLater(table.removeGroup(group, serial));
    return () => resync.requestUnlessCovered('group', at);
  }

  #publishLater(changes: readonly Change[]): () => void {
    return () => this.#options.changes.publish(changes);
  }

  #record(event: SupervisorEvent | MalformedEvent, at: number): void {
    const { watchdog, log } = this.#options;
    this.#counts.lastEventAt = at;
    watchdog.eventReceived();
    if (event.kind === 'malformed') {
      this.#counts.malformed[event.reason] += 1;
      log.warn('skipped a malformed event', { reason: event.reason, text: event.detail });
      return;
    }
    this.#counts.received.set(event.name, (this.#counts.received.get(event.name) ?? 0) + 1);
    if (event.kind === 'tick') {
      this.#counts.lastTickAt = at;
      watchdog.tickReceived(event.period);
    }
    log.debug?.('event', describeEvent(event));
  }

  #eventsLost({ count, last }: Loss): void {
    const { resync, log } = this.#options;
    this.#counts.lost += count;
    log.error('supervisord discarded events before delivering them: raise buffer_size', {
      lost: count,
    });
    resync.eventsLost(last, Date.now() / 1000);
  }
}

function describeEvent(event: SupervisorEvent): LogFields {
  const { serial, name } = event;
  if (event.kind !== 'process-state') return { serial, event: name };
  return { serial, event: name, process: displayName(event.process), from: event.from };
}
