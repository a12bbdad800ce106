/**
 * The process table: two sources, one rule. Events own the transitions and the counters;
 * a snapshot owns which processes exist and the facts that events lack. A snapshot never
 * counts a transition.
 *
 * No I/O and no clock: what time it is comes with each call.
 */

import type { ProcessStateEvent } from '../supervisor/events.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../supervisor/process-id.ts';
import type { ProcessInfo, ProcessSettings, Snapshot } from '../supervisor/snapshot.ts';
import type { Finding, RunEnd } from './ending.ts';
import {
  agreesWith,
  countTransition,
  enterState,
  explainEnd,
  newProcess,
  type Process,
  takeSnapshot,
} from './process.ts';
import { RecentTransitions } from './recent.ts';

/** Groups whose removal is remembered, so that a late event does not bring them back. */
const MAX_REMOVED_GROUPS = 1024;

export class ProcessTable {
  /** Transitions of processes that are gone since are among them. */
  readonly recent = new RecentTransitions();
  readonly #processes = new Map<ProcessKey, Process>();
  /** How many groups have a process of this name. */
  readonly #namesakes = new Map<string, number>();
  /** The serial of the event that removed a group. */
  readonly #removedGroups = new Map<string, number>();

  /** Processes whose last end has no reason yet, and nobody has been told. */
  readonly #unexplained = new Set<Process>();
  #hasNewcomers = false;

  #version = 0;
  /** The latest transition that has come; -1 before the first. */
  #latestSerial = -1;
  /** The serial at which the last placed snapshot was taken; -1 before the first. */
  #snapshotSerial = -1;
  /** Whether the snapshot last taken has yet to be placed, so that events older than it may still come. */
  #isAhead = false;

  /** Changes whenever anything in the table may have. */
  get version(): number {
    return this.#version;
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

  /** Whether more than one group has a process of this name, so that the name alone does not say which. */
  isShared(name: string): boolean {
    return (this.#namesakes.get(name) ?? 0) > 1;
  }

  /** Takes an event that came for the first time, whatever its place in the order. */
  transition(event: ProcessStateEvent, at: number): void {
    this.#version += 1;
    this.#latestSerial = Math.max(this.#latestSerial, event.serial);
    const recent = this.recent.push(event, at);
    const process = this.#find(event);
    if (process === undefined) return;
    process.revision = this.#version;
    countTransition(process, event, at);

    if (process.ordered !== undefined && event.serial <= process.ordered.serial) return;
    process.ordered = { source: 'event', serial: event.serial, state: event.to, event, at };
    // Behind a snapshot that has no place yet, older events change nothing or lead in a
    // circle back to the same state; newer ones start from it.
    if (this.#isAhead && event.from !== process.state) {
      // It led to where the snapshot found the process, which did not say when that was.
      if (event.to === process.state) process.lastTransitionTime ??= at;
      return;
    }
    const { end } = process;
    this.#change(process, () => enterState(process, event, at));
    if (process.end !== end) recent.end = process.end;
  }

  /** Drops a group's processes, but for those that a later event has named. */
  removeGroup(group: string, serial: number): void {
    this.#version += 1;
    this.#removedGroups.delete(group);
    this.#removedGroups.set(group, serial);
    const [oldest] = this.#removedGroups.keys();
    if (this.#removedGroups.size > MAX_REMOVED_GROUPS && oldest !== undefined) {
      this.#removedGroups.delete(oldest);
    }
    for (const process of this.#processes.values()) {
      if (process.id.group === group && !isLater(process, serial)) this.#drop(process);
    }
  }

  /**
   * Takes a snapshot whose place in the order of events is not known yet, but that it is
   * behind the event `since`. It tells what events still queued will lead to, so it is taken
   * at once; but a process that a later event has set may be ahead of it, and is left alone.
   */
  takeAhead(snapshot: Snapshot, since: number): void {
    this.#version += 1;
    this.#isAhead = true;
    for (const info of snapshot.processes) {
      const process = this.#name(info);
      if (!isLater(process, since)) this.#takeOver(process, info);
    }
    this.#dropUnnamed(since);
  }

  /**
   * Takes a snapshot that was made right behind the event `serial`: each process takes its
   * state unless a later event has set it, and goes if it is missing, unless a later event
   * has named it. Returns how many states of ours it had to correct.
   */
  takeAt(snapshot: Snapshot, serial: number): number {
    this.#version += 1;
    this.#isAhead = false;
    this.#snapshotSerial = Math.max(this.#snapshotSerial, serial);
    let corrections = 0;
    for (const info of snapshot.processes) {
      const process = this.#name(info);
      const { ordered } = process;
      if (ordered?.source === 'event' && ordered.serial > serial) {
        // It may have come while a snapshot was ahead, and have changed nothing then.
        if (process.state !== ordered.state) {
          this.#change(process, () => enterState(process, ordered.event, ordered.at));
        }
        continue;
      }
      if (ordered !== undefined && ordered.state !== info.state) corrections += 1;
      this.#takeOver(process, info);
      process.ordered = { source: 'snapshot', serial, state: info.state };
    }
    this.#dropUnnamed(serial);
    return corrections;
  }

  /** The events have caught up with the snapshot that was ahead of them, though its place was never told. */
  settle(): void {
    this.#isAhead = false;
  }

  /** The ends whose reason is not known, each told once. */
  takeUnexplained(): { readonly id: ProcessId; readonly end: RunEnd }[] {
    const ends = [...this.#unexplained].flatMap(({ id, end }) => (end ? [{ id, end }] : []));
    this.#unexplained.clear();
    return ends;
  }

  /** Takes what was found out of an end; for the process of no use any more if that was not its last. */
  explain(id: ProcessId, end: RunEnd, finding: Finding): void {
    if (finding.ending !== undefined) this.recent.explain(end, finding.ending);
    const process = this.#processes.get(keyOf(id));
    if (process === undefined) return;
    this.#version += 1;
    process.revision = this.#version;
    explainEnd(process, end, finding);
  }

  /** Takes what was found out of the end of the run `pid`, whose event may have yet to come. */
  foretell(id: ProcessId, pid: number, finding: Finding): void {
    const process = this.#processes.get(keyOf(id));
    if (process === undefined) return;
    if (process.pid === pid) process.foretold = { pid, ...finding };
    else if (process.end?.pid === pid) this.explain(id, process.end, finding);
  }

  /** Whether there are processes whose settings have not been asked for; told once. */
  takeNewcomers(): boolean {
    const had = this.#hasNewcomers;
    this.#hasNewcomers = false;
    return had;
  }

  /** Takes what the configuration says of a process. */
  configure(id: ProcessId, settings: ProcessSettings): void {
    const process = this.#processes.get(keyOf(id));
    if (process === undefined) return;
    this.#version += 1;
    process.revision = this.#version;
    process.settings = settings;
  }

  /** Leaves a process alone of which there is nothing new to say: nothing of it is shown anew then. */
  #takeOver(process: Process, info: ProcessInfo): void {
    if (!agreesWith(process, info)) this.#change(process, () => takeSnapshot(process, info));
  }

  /** Does what may be the end of a run. */
  #change(process: Process, change: () => void): void {
    const { end } = process;
    process.revision = this.#version;
    change();
    if (process.end !== end && process.end?.ending === undefined) this.#unexplained.add(process);
  }

  /** The process an event is about; undefined where it is known to be gone since. */
  #find(event: ProcessStateEvent): Process | undefined {
    const known = this.#processes.get(keyOf(event.process));
    if ((this.#removedGroups.get(event.process.group) ?? -1) > event.serial) return undefined;
    if (known !== undefined) return known;
    if (event.serial <= this.#snapshotSerial) return undefined;
    return this.#ensure(event.process, event.from);
  }

  #ensure(id: ProcessId, state: Process['state']): Process {
    const key = keyOf(id);
    const known = this.#processes.get(key);
    if (known !== undefined) return known;
    const born = newProcess(id, state, this.#version);
    this.#processes.set(key, born);
    this.#namesakes.set(id.name, (this.#namesakes.get(id.name) ?? 0) + 1);
    this.#hasNewcomers = true;
    return born;
  }

  #drop(process: Process): void {
    const { name } = process.id;
    const left = (this.#namesakes.get(name) ?? 0) - 1;
    if (left > 0) this.#namesakes.set(name, left);
    else this.#namesakes.delete(name);
    this.#processes.delete(keyOf(process.id));
    this.#unexplained.delete(process);
  }

  /** The process that the snapshot of this version tells of. */
  #name(info: ProcessInfo): Process {
    const process = this.#ensure(info, info.state);
    process.namedIn = this.#version;
    return process;
  }

  /** Drops what the snapshot of this version does not name, but for what an event behind `serial` does. */
  #dropUnnamed(serial: number): void {
    for (const process of this.#processes.values()) {
      if (process.namedIn !== this.#version && !isLater(process, serial)) this.#drop(process);
    }
  }
}

/** Whether a process was last set, or named, behind the event `serial`. */
function isLater(process: Process, serial: number): boolean {
  return process.ordered !== undefined && process.ordered.serial > serial;
}
