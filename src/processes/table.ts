/**
 * The process table: two sources, one rule. Events own the transitions and the counters;
 * snapshots own which processes exist and the facts that events lack. A snapshot never counts a
 * transition.
 *
 * No I/O and no clock: the time comes with each call. Each call returns the changes it made, for
 * the caller to publish.
 */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo, ProcessSettings, Snapshot } from '../supervisor/snapshot.ts';
import { dropOldest } from '../util/drop-oldest.ts';
import { completeSnapshot, countTransition, enterState, terminationOf } from './apply-event.ts';
import { setStartFacts, setTerminationFacts } from './apply-lookup.ts';
import { snapshotUpdate } from './apply-snapshot.ts';
import type { Change } from './changes.ts';
import { Process } from './process.ts';
import type {
  ExitReason,
  NewTermination,
  StartFacts,
  Termination,
  TerminationFacts,
} from './termination.ts';

/** Groups whose removal is remembered, so that a late event does not bring them back. */
const MAX_REMOVED_GROUPS = 1024;

export interface SnapshotResult {
  readonly changes: readonly Change[];
  /** States that events had left wrong. */
  readonly corrections: number;
}

export interface ProcessTableOptions {
  /** Whether exit reasons are looked up; where they are not, each is unknown from the start. */
  readonly looksUpReasons?: boolean;
}

export class ProcessTable {
  readonly #processes = new Map<ProcessKey, Process>();
  /** The serial of the event that removed a group. */
  readonly #removedGroups = new Map<string, number>();
  /** Snapshots applied. */
  #snapshots = 0;
  #terminations = 0;
  /** The latest transition received; -1 before the first. */
  #latestSerial = -1;
  /** The serial at which the last ordered snapshot was taken; -1 before the first. */
  #snapshotSerial = -1;
  /** Whether the last snapshot has no place yet, so that events older than it may still be received. */
  #isUnordered = false;
  readonly #initialReason: ExitReason;
  /** Of the call that is being made. */
  #changes: Change[] = [];

  constructor({ looksUpReasons = true }: ProcessTableOptions = {}) {
    this.#initialReason = { kind: looksUpReasons ? 'pending' : 'unknown' };
  }

  get latestSerial(): number {
    return this.#latestSerial;
  }

  get size(): number {
    return this.#processes.size;
  }

  get(id: ProcessId): Readonly<Process> | undefined {
    return this.#processes.get(keyOf(id));
  }

  values(): IterableIterator<Readonly<Process>> {
    return this.#processes.values();
  }

  /** Applies an event that was received for the first time, whatever its place in the order. */
  apply(event: ProcessStateEvent, at: number): readonly Change[] {
    this.#latestSerial = Math.max(this.#latestSerial, event.serial);
    const process = this.#processOfEvent(event);
    const pid = event.pid ?? (process && this.#pidBefore(event, process));
    const termination = process && terminationOf(event, at, pid, this.#newTermination());
    const replaces = process && this.#applyTo(process, event, at, termination);
    this.#changes.push({ kind: 'transition', event, at, termination });
    if (process !== undefined && termination !== undefined) {
      this.#changes.push({ kind: 'exited', process, termination, replaces });
    }
    return this.#takeChanges();
  }

  /** Removes the processes of a group, except those that a later event has named. */
  removeGroup(group: string, serial: number): readonly Change[] {
    const latest = Math.max(serial, this.#removedGroups.get(group) ?? -1);
    this.#removedGroups.delete(group);
    this.#removedGroups.set(group, latest);
    dropOldest(this.#removedGroups, MAX_REMOVED_GROUPS);
    for (const process of this.#processes.values()) {
      if (process.id.group === group && !isLater(process, serial)) this.#remove(process);
    }
    return this.#takeChanges();
  }

  /**
   * Applies a snapshot whose place in the order of events is not known yet, except that it is
   * later than the event `since`. It reports what queued events will lead to, so it counts at
   * once; a process that a later event has set may be ahead of it and is left alone.
   */
  applyUnorderedSnapshot(snapshot: Snapshot, since: number): readonly Change[] {
    this.#snapshots += 1;
    this.#isUnordered = true;
    for (const info of snapshot.processes) {
      if (this.#wasRemovedAfter(info.group, since)) continue;
      const process = this.#processOfEntry(info);
      if (!isLater(process, since)) this.#update(process, info, false);
    }
    this.#removeUnnamed(since);
    return this.#takeChanges();
  }

  /**
   * Applies a snapshot that was taken directly after the event `serial`: each process takes its
   * state unless a later event has set it, and is removed if the snapshot lacks it, unless a
   * later event has named it.
   */
  applySnapshotAt(snapshot: Snapshot, serial: number): SnapshotResult {
    this.#snapshots += 1;
    this.#isUnordered = false;
    this.#snapshotSerial = Math.max(this.#snapshotSerial, serial);
    let corrections = 0;
    for (const info of snapshot.processes) {
      if (this.#wasRemovedAfter(info.group, serial)) continue;
      const process = this.#processOfEntry(info);
      if (isLater(process, serial)) continue;
      const { ordered } = process;
      if (ordered !== undefined && ordered.state !== info.state) corrections += 1;
      this.#update(process, info, true);
      process.ordered = { source: 'snapshot', serial, state: info.state };
    }
    this.#removeUnnamed(serial);
    this.#applyDeferred();
    return { changes: this.#takeChanges(), corrections };
  }

  /** Events have caught up with the unordered snapshot, though its marker was never received. */
  endUnordered(): void {
    this.#isUnordered = false;
  }

  /** Records what a lookup established about a termination, be it the last one of its process or not. */
  setTerminationFacts(
    id: ProcessId,
    terminationId: number,
    facts: TerminationFacts,
  ): readonly Change[] {
    const process = this.#processes.get(keyOf(id));
    if (process !== undefined) setTerminationFacts(process, terminationId, facts);
    this.#changes.push({ kind: 'reason', id, terminationId, facts });
    return this.#takeChanges();
  }

  /** Records what supervisord's log reports about the begin of a run; ignored where it is another run. */
  setStartFacts(id: ProcessId, facts: StartFacts): readonly Change[] {
    const process = this.#processes.get(keyOf(id));
    if (process === undefined || !setStartFacts(process, facts)) return [];
    this.#changes.push({ kind: 'started', id, facts });
    return this.#takeChanges();
  }

  /** Records what the configuration says of a process. */
  configure(id: ProcessId, settings: ProcessSettings): readonly Change[] {
    const process = this.#processes.get(keyOf(id));
    if (process === undefined) return [];
    process.settings = settings;
    this.#updated(process);
    return this.#takeChanges();
  }

  /** The pid of the run that the event ends; undefined where a later snapshot may have replaced it by that of another run. */
  #pidBefore({ from, serial }: ProcessStateEvent, process: Process): number | undefined {
    const { state, pid, ordered } = process;
    const isLater = this.#isUnordered || (ordered !== undefined && ordered.serial >= serial);
    return from === state && !isLater ? pid : undefined;
  }

  /** Returns the id of the termination if an unordered snapshot has reported it before. */
  #applyTo(
    process: Process,
    event: ProcessStateEvent,
    at: number,
    termination: Termination | undefined,
  ): number | undefined {
    countTransition(process, event, termination);
    const { serial, to: state } = event;
    if (process.ordered !== undefined && serial <= process.ordered.serial) return undefined;
    process.ordered = { source: 'event', serial, state, event, at, termination };
    // After an unordered snapshot, older events change nothing or lead in a circle back to the
    // same state; newer ones start from it.
    if (this.#isUnordered && event.from !== process.state) {
      return completeSnapshot(process, event, at, termination);
    }
    enterState(process, event, at, termination);
    return undefined;
  }

  /** The process of an event; undefined where it is known to have been removed since. */
  #processOfEvent(event: ProcessStateEvent): Process | undefined {
    if (this.#wasRemovedAfter(event.process.group, event.serial)) return undefined;
    const known = this.#processes.get(keyOf(event.process));
    if (known !== undefined || event.serial <= this.#snapshotSerial) return known;
    return this.#add(event.process, event.from);
  }

  #wasRemovedAfter(group: string, serial: number): boolean {
    return (this.#removedGroups.get(group) ?? -1) > serial;
  }

  #add(id: ProcessId, state: Process['state']): Process {
    const process = new Process(id, state);
    this.#processes.set(keyOf(id), process);
    this.#changes.push({ kind: 'added', process });
    return process;
  }

  #remove(process: Process): void {
    this.#processes.delete(keyOf(process.id));
    this.#changes.push({ kind: 'removed', process });
  }

  /** The process of an entry of the present snapshot. */
  #processOfEntry(info: ProcessInfo): Process {
    const process = this.#processes.get(keyOf(info)) ?? this.#add(info, info.state);
    process.namedIn = this.#snapshots;
    return process;
  }

  /** Removes what the present snapshot does not name, except what an event after `serial` does. */
  #removeUnnamed(serial: number): void {
    for (const process of this.#processes.values()) {
      if (process.namedIn !== this.#snapshots && !isLater(process, serial)) this.#remove(process);
    }
  }

  /**
   * Enters the states of events that changed nothing while a snapshot was unordered. Where an
   * event is still the last fact, it is later than the snapshot that has just been applied.
   */
  #applyDeferred(): void {
    for (const process of this.#processes.values()) {
      const { ordered } = process;
      if (ordered?.source !== 'event' || ordered.state === process.state) continue;
      enterState(process, ordered.event, ordered.at, ordered.termination);
      this.#updated(process);
    }
  }

  #update(process: Process, info: ProcessInfo, isOrdered: boolean): void {
    const before = process.termination;
    const update = snapshotUpdate(process, info, isOrdered, () => this.#newTermination());
    if (update === undefined) return;
    Object.assign(process, update);
    this.#updated(process);
    const { termination } = process;
    if (termination !== undefined && termination.id !== before?.id) {
      this.#changes.push({ kind: 'exited', process, termination, replaces: undefined });
    }
  }

  #updated(process: Process): void {
    this.#changes.push({ kind: 'updated', process });
  }

  #newTermination(): NewTermination {
    this.#terminations += 1;
    return { id: this.#terminations, reason: this.#initialReason };
  }

  #takeChanges(): readonly Change[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }
}

/** Whether a process was last set, or named, after the event `serial`. */
function isLater(process: Process, serial: number): boolean {
  return process.ordered !== undefined && process.ordered.serial > serial;
}
