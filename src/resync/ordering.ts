/**
 * Finds the place of a snapshot in the order of events. Pure.
 *
 * One atomic call first sends a marker as an event of its own and then takes the snapshot, so
 * every event before the marker is in the snapshot and none after it is. Marker and reply travel
 * separately and may be received in either order:
 *
 *     request --- marker --- reply         the snapshot is applied at the marker's serial
 *     request --- reply --- marker         it is applied unordered at once, and at its serial later
 *     request --- reply --- later tick     the marker will not be received: not subscribed, or discarded
 */

import type { ProcessTable, SnapshotResult } from '../processes/table.ts';
import type { Snapshot } from '../supervisor/snapshot.ts';

/** A request without a reply yet, with the serial of its marker if that was received. */
interface Request {
  readonly marker: string;
  /** The latest event when it was made; the snapshot is later than that in any case. */
  readonly since: number;
  readonly serial: number | undefined;
}

/** A snapshot that was applied unordered and whose marker was not received yet. */
interface Unordered {
  readonly marker: string;
  readonly snapshot: Snapshot;
}

const NOTHING: SnapshotResult = { changes: [], corrections: 0 };

export class SnapshotOrdering {
  readonly #table: ProcessTable;
  #request: Request | undefined;
  #unordered: Unordered | undefined;
  #hasReceivedMarker = false;
  #areMarkersUnavailable = false;
  #orderedSerial = -1;

  constructor(table: ProcessTable) {
    this.#table = table;
  }

  /** Whether a marker is in flight: its snapshot includes every event received until it arrives. */
  get isMarkerDue(): boolean {
    if (this.#unordered !== undefined) return true;
    return this.#request !== undefined && this.#request.serial === undefined;
  }

  /** Whether any marker was ever received. */
  get hasReceivedMarker(): boolean {
    return this.#hasReceivedMarker;
  }

  /** Whether it is established that markers do not reach this listener. */
  get areMarkersUnavailable(): boolean {
    return this.#areMarkersUnavailable;
  }

  /** The highest serial at which a snapshot was applied; -1 before the first. */
  get orderedSerial(): number {
    return this.#orderedSerial;
  }

  /** A snapshot with this marker is being requested. */
  requested(marker: string): void {
    this.#request = { marker, since: this.#table.latestSerial, serial: undefined };
  }

  /** The last request has failed. Its marker may be received all the same, and is ignored. */
  requestFailed(): void {
    this.#request = undefined;
  }

  /** The reply to the last request was received. */
  replyReceived(snapshot: Snapshot): SnapshotResult {
    const request = this.#request;
    if (request === undefined) return NOTHING;
    this.#request = undefined;
    if (request.serial !== undefined) return this.#applyAt(snapshot, request.serial);
    this.#unordered = { marker: request.marker, snapshot };
    return { changes: this.#table.applyUnorderedSnapshot(snapshot, request.since), corrections: 0 };
  }

  /** A marker was received as the event `serial`. It may be another exporter's, or of an earlier request. */
  markerReceived(marker: string, serial: number): SnapshotResult {
    if (marker === this.#request?.marker) {
      this.#hasReceivedMarker = true;
      this.#request = { ...this.#request, serial };
    } else if (marker === this.#unordered?.marker) {
      this.#hasReceivedMarker = true;
      return this.#applyAt(this.#unordered.snapshot, serial);
    }
    return NOTHING;
  }

  /**
   * A tick of `when` (epoch seconds) was received in order. If supervisord created it after a
   * snapshot, and so after its marker, and the marker was not received, it never will be.
   */
  tickReceived(when: number): void {
    if (this.#unordered === undefined || when <= this.#unordered.snapshot.now) return;
    this.#unordered = undefined;
    this.#table.endUnordered();
    this.#areMarkersUnavailable = !this.hasReceivedMarker;
  }

  #applyAt(snapshot: Snapshot, serial: number): SnapshotResult {
    this.#unordered = undefined;
    this.#areMarkersUnavailable = false;
    this.#orderedSerial = Math.max(this.#orderedSerial, serial);
    return this.#table.applySnapshotAt(snapshot, serial);
  }
}
