/**
 * Resync: fetches snapshots by XML-RPC and applies them to the process table. Owns the marker
 * that gives a snapshot its place in the order of events.
 */

import type { ChangeFeed } from '../processes/changes.ts';
import type { ProcessTable, SnapshotResult } from '../processes/table.ts';
import { AdaptiveTimeout } from '../rpc/adaptive-timeout.ts';
import type { RpcClient } from '../rpc/client.ts';
import type { RemoteCommunicationEvent, TickEvent } from '../supervisor/events.ts';
import type { ServerInfo, Snapshot } from '../supervisor/snapshot.ts';
import { RpcError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { zeroCounts } from '../util/zero-counts.ts';
import { fetchSnapshot, MARKER_TYPE } from './fetch.ts';
import { SnapshotOrdering } from './ordering.ts';
import { RESYNC_TRIGGERS, ResyncScheduler, type ResyncTrigger } from './scheduler.ts';

/** Seconds after which a marker in flight may have been discarded, so that another request is made. */
const MARKER_TIMEOUT_SECONDS = 5;

/** `none`: supervisord has no HTTP server. `pending`: there was no reply yet. */
export type RpcHealth = 'works' | 'pending' | 'none' | { readonly failure: string };

export interface ResyncStats {
  readonly requests: Readonly<Record<ResyncTrigger, number>>;
  readonly failures: Readonly<Record<ResyncTrigger, number>>;
  /** States that events had left wrong and a snapshot corrected. */
  readonly corrections: number;
  /** Epoch seconds of the last snapshot; undefined before the first. */
  readonly lastAt: number | undefined;
  /** Seconds that the last snapshot took; undefined before the first. */
  readonly lastDuration: number | undefined;
}

export interface ResyncOptions {
  /** Undefined where supervisord has no HTTP server: there are no snapshots then. */
  readonly client: RpcClient | undefined;
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly log: Logger;
  /** Receives the first snapshot before it is applied. */
  readonly onFirst: (snapshot: Snapshot) => void;
  /** A marker was sent, and earlier ones have been received. */
  readonly onMarkerDue: () => void;
  readonly signal: AbortSignal;
}

export class Resync {
  readonly #options: ResyncOptions;
  readonly #ordering: SnapshotOrdering;
  readonly #scheduler: ResyncScheduler | undefined;
  /** Distinguishes our markers from those of other exporters and of earlier lives. */
  readonly #markerPrefix = `${Date.now()}-${Math.random()}`;
  #requestedAt = 0;
  #hasSnapshot = false;
  #server: ServerInfo | undefined;
  /** When an event last reported the state of supervisord, in epoch seconds. */
  #serverStateAt = Number.NEGATIVE_INFINITY;
  /** The highest serial that is lost and not covered by an ordered snapshot; -1 where there is none. */
  #lostThrough = -1;
  /** When the last loss was reported that no marker will cover, in epoch seconds. */
  #lostAt = Number.NEGATIVE_INFINITY;
  /** Why XML-RPC fails; undefined while it works. */
  #failure: Error | undefined;
  readonly #stats = {
    requests: zeroCounts(RESYNC_TRIGGERS),
    failures: zeroCounts(RESYNC_TRIGGERS),
    corrections: 0,
    lastAt: undefined as number | undefined,
    lastDuration: undefined as number | undefined,
  };

  constructor(options: ResyncOptions) {
    this.#options = options;
    const { client, table, signal } = options;
    this.#ordering = new SnapshotOrdering(table);
    if (client === undefined) return;
    const timeout = new AdaptiveTimeout(client.timeoutMs, () => table.size);
    this.#scheduler = new ResyncScheduler({
      fetch: (trigger) => this.#fetch(client, timeout, trigger),
      signal,
    });
  }

  get stats(): ResyncStats {
    return this.#stats;
  }

  /** What supervisord last reported of itself; undefined before the first snapshot. */
  get server(): ServerInfo | undefined {
    return this.#server;
  }

  get health(): RpcHealth {
    if (this.#options.client === undefined) return 'none';
    if (this.#failure !== undefined) return { failure: this.#failure.message };
    return this.#hasSnapshot ? 'works' : 'pending';
  }

  /** Whether a snapshot has filled the table and no lost event waits for a later one. */
  get isSynced(): boolean {
    return this.#hasSnapshot && this.#lostThrough < 0;
  }

  /** Whether markers can be received, as far as is known. */
  get hasMarkers(): boolean {
    return this.#options.client !== undefined && !this.#ordering.areMarkersUnavailable;
  }

  /** Why there is no snapshot yet; undefined once there is one, or if there never will be. */
  get whyNotReady(): string | undefined {
    if (this.#options.client === undefined || this.#hasSnapshot) return undefined;
    if (this.#failure !== undefined) return this.#failure.message;
    const waiting = 'waiting for the first snapshot of supervisord';
    if (this.#requestedAt === 0) return waiting;
    // A busy boot keeps supervisord from answering: it starts all of its processes first.
    const seconds = Math.max(0, Math.round(Date.now() / 1000 - this.#requestedAt));
    return `${waiting}, requested ${seconds} s ago`;
  }

  /** Why the process table is not complete; undefined while it is. */
  get whyNotSynced(): string | undefined {
    if (this.isSynced) return undefined;
    if (this.#options.client === undefined) {
      return 'supervisord has no HTTP server, so it is not known which processes exist';
    }
    return this.whyNotReady ?? 'events were lost; waiting for a later snapshot of supervisord';
  }

  /** Requests a snapshot soon; returns at once. */
  request(trigger: ResyncTrigger): void {
    this.#scheduler?.request(trigger);
  }

  /**
   * Requests a snapshot because of what was received at `at` (epoch seconds). Skipped while a
   * marker is in flight: the marker is later than what was received, so its snapshot includes it.
   */
  requestUnlessCovered(trigger: ResyncTrigger, at: number): void {
    const isCovered =
      this.#ordering.isMarkerDue &&
      !this.#ordering.areMarkersUnavailable &&
      at - this.#requestedAt < MARKER_TIMEOUT_SECONDS;
    if (!isCovered) this.request(trigger);
  }

  /** Events up to this serial are lost: the table is complete again once a later snapshot is applied. */
  eventsLost(lastSerial: number, at: number): void {
    if (lastSerial <= this.#ordering.orderedSerial) return;
    this.#lostThrough = Math.max(this.#lostThrough, lastSerial);
    this.#lostAt = at;
    this.request('gap');
  }

  /** Takes a REMOTE_COMMUNICATION event. Returns whether it is a marker of ours. */
  remoteCommunicationReceived({ type, data, serial }: RemoteCommunicationEvent): boolean {
    if (type !== MARKER_TYPE) return false;
    this.#apply(this.#ordering.markerReceived(data, serial));
    return data.startsWith(this.#markerPrefix);
  }

  /** `isInOrder`: every event that supervisord queued before the tick was received, or is lost. */
  tickReceived({ when, period }: TickEvent, isInOrder: boolean): void {
    const before = this.#ordering.areMarkersUnavailable;
    if (isInOrder) this.#ordering.tickReceived(when);
    if (this.#ordering.areMarkersUnavailable && !before) {
      this.#options.log.warn(
        'REMOTE_COMMUNICATION is not among the events of this listener: snapshots are ordered by from_state alone',
      );
    }
    if (period === 60) this.request('tick');
  }

  /** supervisord has reported its own state by an event that was received at `at` (epoch seconds). */
  serverStateReceived(stateCode: number, at: number): void {
    this.#serverStateAt = at;
    this.#server = { version: undefined, identifier: undefined, ...this.#server, stateCode };
  }

  async #fetch(
    client: RpcClient,
    timeout: AdaptiveTimeout,
    trigger: ResyncTrigger,
  ): Promise<boolean> {
    const began = performance.now();
    this.#requestedAt = Date.now() / 1000;
    const marker = `${this.#markerPrefix}#${this.#requestedAt}`;
    this.#stats.requests[trigger] += 1;
    this.#ordering.requested(marker);
    try {
      this.#snapshotReceived(await fetchSnapshot(client, marker, timeout));
      this.#stats.lastDuration = (performance.now() - began) / 1000;
      return true;
    } catch (error) {
      this.#ordering.requestFailed();
      this.#stats.failures[trigger] += 1;
      this.#rpcFailed(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #snapshotReceived(snapshot: Snapshot): void {
    const { log, onFirst, onMarkerDue } = this.#options;
    const isFirst = !this.#hasSnapshot;
    if (isFirst) onFirst(snapshot);
    // A snapshot that was requested before the event may be older than it.
    const isOlder = this.#requestedAt <= this.#serverStateAt;
    const stateCode = (isOlder ? this.#server?.stateCode : undefined) ?? snapshot.server.stateCode;
    this.#server = { ...snapshot.server, stateCode };
    this.#stats.lastAt = Date.now() / 1000;
    if (this.#failure !== undefined) log.info('XML-RPC works again');
    this.#failure = undefined;
    this.#hasSnapshot = true;
    this.#apply(this.#ordering.replyReceived(snapshot));
    if (this.#ordering.isMarkerDue && this.#ordering.hasReceivedMarker) onMarkerDue();
    if (isFirst) log.info('first snapshot received', { processes: snapshot.processes.length });
  }

  #apply({ changes, corrections }: SnapshotResult): void {
    this.#stats.corrections += corrections;
    const { orderedSerial, areMarkersUnavailable } = this.#ordering;
    const isCovered = areMarkersUnavailable
      ? this.#requestedAt > this.#lostAt
      : this.#lostThrough <= orderedSerial;
    if (isCovered) this.#lostThrough = -1;
    this.#options.changes.publish(changes);
  }

  /** Logs a failure once, not at each try. */
  #rpcFailed(error: Error): void {
    const before = this.#failure;
    this.#failure = error;
    // The message names the timeout, which becomes longer with each try.
    const isSame = isTimeout(error) ? isTimeout(before) : before?.message === error.message;
    if (isSame) return;
    this.#options.log.warn('XML-RPC fails; events are still counted', { reason: error.message });
  }
}

function isTimeout(error: Error | undefined): boolean {
  return error instanceof RpcError && error.code === 'ERR_RPC_TIMEOUT';
}
