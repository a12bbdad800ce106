/** What becomes of an event between the door and the process table. */

import { Losses } from './listener/loss-detector.ts';
import type { Watchdog } from './listener/watchdog.ts';
import type { ExporterMetrics } from './metrics/exporter.ts';
import type { ProcessTable } from './processes/table.ts';
import { TOKEN_TYPE } from './resync/fetch.ts';
import type { Reconciler } from './resync/ordering.ts';
import type { Snapshots } from './resync/resync.ts';
import type {
  MalformedEvent,
  RemoteCommunicationEvent,
  SupervisorEvent,
  TickEvent,
} from './supervisor/events.ts';
import { keyOf } from './supervisor/process-id.ts';
import type { LogFields, Logger } from './util/log.ts';

/** supervisord's codes for its own state, as its events tell it (supervisord.org/api.html, getState). */
const SERVER_STATE_CODES = { running: 1, stopping: -1 } as const;

export interface IntakeParts {
  readonly table: ProcessTable;
  readonly reconciler: Reconciler;
  readonly snapshots: Snapshots;
  readonly watchdog: Watchdog;
  readonly metrics: ExporterMetrics;
  readonly log: Logger;
  /** The process table has changed. */
  readonly onChange: () => void;
}

export class Intake {
  readonly #table: ProcessTable;
  readonly #reconciler: Reconciler;
  readonly #snapshots: Snapshots;
  readonly #watchdog: Watchdog;
  readonly #metrics: ExporterMetrics;
  readonly #log: Logger;
  readonly #onChange: () => void;
  #eventsLost = 0;
  readonly #losses = new Losses({
    onGap: (at) => this.#snapshots.requestUnlessCovered('gap', at),
    onLost: (count) => this.#takeLoss(count),
    isProvable: () => this.#snapshots.arePossible && !this.#reconciler.isDeaf,
  });

  constructor(parts: IntakeParts) {
    this.#table = parts.table;
    this.#reconciler = parts.reconciler;
    this.#snapshots = parts.snapshots;
    this.#watchdog = parts.watchdog;
    this.#metrics = parts.metrics;
    this.#log = parts.log;
    this.#onChange = parts.onChange;
  }

  /** Gaps in the serials that are remembered. */
  get gapCount(): number {
    return this.#losses.gapCount;
  }

  /** Events that supervisord discarded before they were delivered. */
  get eventsLost(): number {
    return this.#eventsLost;
  }

  /** This is the first life of the exporter: what is missing from serial 0 on is lost. */
  expectFromZero(): void {
    this.#losses.expectFromZero();
  }

  /** Applies an event that came at `at` (epoch seconds), in memory: its acknowledgement waits for this. */
  take(event: SupervisorEvent, at: number): void {
    if (!this.#isFirstDelivery(event.serial, at)) return;

    switch (event.kind) {
      case 'process-state':
        this.#table.transition(event, at);
        break;
      case 'process-group':
        if (event.change === 'removed') this.#table.removeGroup(event.group, event.serial);
        else this.#snapshots.requestUnlessCovered('group', at);
        break;
      case 'tick':
        this.#takeTick(event, at);
        break;
      case 'remote-communication':
        if (event.type === TOKEN_TYPE) this.#takeToken(event);
        break;
      case 'supervisor-state':
        this.#snapshots.takeServerState(SERVER_STATE_CODES[event.state]);
        break;
      case 'unused':
        break;
      default: {
        const unhandled: never = event;
        throw new Error(`unhandled event ${JSON.stringify(unhandled)}`);
      }
    }
  }

  /** Takes an event that can't be understood: counted, said, and otherwise skipped. */
  takeMalformed(event: MalformedEvent, at: number): void {
    this.#metrics.eventsMalformed.inc({ reason: event.reason });
    this.#log.warn('skipped an event that can not be understood', {
      reason: event.reason,
      text: event.detail,
    });
    if (event.serial !== undefined) this.#isFirstDelivery(event.serial, at);
  }

  /** Does what follows from an event that has been taken, and acknowledged. */
  followUp(event: SupervisorEvent | MalformedEvent, at: number): void {
    this.#metrics.lastEvent.set(at);
    this.#watchdog.hear();
    if (event.kind === 'malformed') return;
    this.#metrics.events.inc({ event: event.name });
    this.#log.debug?.('event', describeEvent(event));
    this.#onChange();
  }

  stop(): void {
    this.#losses.stop();
  }

  #isFirstDelivery(serial: number, at: number): boolean {
    const isFirst = this.#losses.note(serial, at);
    if (!isFirst) this.#metrics.eventsRedelivered.inc();
    return isFirst;
  }

  #takeTick(event: TickEvent, at: number): void {
    this.#metrics.lastTick.set(at);
    this.#watchdog.hearTick(event.period);
    const wasDeaf = this.#reconciler.isDeaf;
    this.#reconciler.tick(event.when);
    if (this.#reconciler.isDeaf && !wasDeaf) {
      this.#log.warn(
        'REMOTE_COMMUNICATION is not among the events of this listener: snapshots are placed by from_state alone',
      );
    }
    if (event.period === 60) this.#snapshots.request('tick');
  }

  #takeToken(event: RemoteCommunicationEvent): void {
    this.#metrics.resyncCorrections.inc(this.#reconciler.token(event.data, event.serial));
    if (!this.#snapshots.isOwnToken(event.data)) return;
    this.#losses.pass(event.serial);
    // What is still missing behind the token is not in its snapshot.
    if (this.#losses.isAwaitingBehind(event.serial)) this.#snapshots.request('gap');
  }

  #takeLoss(lost: number): void {
    this.#eventsLost += lost;
    this.#metrics.eventsLost.inc(lost);
    this.#log.error('supervisord discarded events before delivering them: raise buffer_size', {
      lost,
    });
  }
}

function describeEvent(event: SupervisorEvent): LogFields {
  const { serial, name } = event;
  if (event.kind !== 'process-state') return { serial, event: name };
  return { serial, event: name, process: keyOf(event.process), from: event.from };
}
