/**
 * Which line of supervisord's log reports a given termination. Pure.
 *
 * supervisord writes the line of an end before it sends the event, both in the same order. So the
 * true line is among those after any point that is known to precede the end, as long as no line
 * since that point is missing. Where it is also known that no other run of this name ended in
 * between, it is the first of them. Otherwise the reason is known only if all of them agree.
 * The time at which an event was received decides nothing: it may have waited for the exporter.
 *
 * The log can be forged: at loglevel=debug supervisord copies the output of processes into it.
 * A line is `isCertain` where it cannot be part of such a copy.
 */

import type { TimeWindow } from '../processes/termination.ts';
import { dropOldest } from '../util/drop-oldest.ts';
import type { LogMessage } from './log-lines.ts';
import {
  agreed,
  CONTRADICTORY,
  type EndLine,
  type Finding,
  firstOfRun,
  INCOMPLETE,
  isEnd,
  isOfKind,
  NOTHING,
  type Query,
  type RunLine,
  startOf,
  upToFirstCertain,
} from './run-lines.ts';

/** A line that reports something, and how far it can be trusted. */
export interface LogEntry {
  /** Epoch seconds. */
  readonly at: number;
  readonly message: LogMessage;
  readonly isCertain: boolean;
}

/** As many as a storm of half a minute writes: about 1 MB. */
const MAX_ENTRIES = 8_192;
const MAX_SPAWN_ERRORS = 256;
const MAX_KILLS = 1_024;
/** Of each name. */
const MAX_RUNS_SEEN = 8;
const MAX_NAMES_SEEN = 8_192;
const NONE_ALIVE = { place: 0, pids: new Set<number>() };

export class LogEvidence {
  /** By name: the lines of starts and ends, oldest first. */
  readonly #lines = new Map<string, RunLine[]>();
  /** The name of each of these lines, oldest first from #oldest on. */
  #names: string[] = [];
  #oldest = 0;
  #spawnErrors: { readonly order: number; readonly text: string }[] = [];
  /** By name: the last runs that were seen to exist, and a place that precedes the end of each. */
  readonly #existed = new Map<
    string,
    readonly { readonly pid: number; readonly place: number }[]
  >();
  /** By name: the last kill at a stop. */
  readonly #kills = new Map<string, { readonly pid: number; readonly isCertain: boolean }>();
  /** By name, while there are lines of it: the last line that was matched to a termination. */
  readonly #used = new Map<string, number>();
  /** By name: the place up to which the events of all ends of this name were received. */
  readonly #passed = new Map<string, number>();
  /** Names whose next end is reported by the first line after the one in #used. */
  readonly #aligned = new Set<string>();
  /** Counts the lines; a place in the log is the number of lines before it. */
  #order = 0;
  /** The lines of ends whose events are still to be received come after this place. */
  #settled = 0;
  /** Lines before this place may be missing. */
  #gap = 0;
  /** Children of supervisord that existed after the gap: the lines of their ends come after this place. */
  #alive: { readonly place: number; readonly pids: ReadonlySet<number> } = NONE_ALIVE;
  /** All lines from this time on are known, in epoch seconds. */
  #completeSince = Number.POSITIVE_INFINITY;

  /** Forgets all lines. `at`: the time of the first line that follows, in epoch seconds; 0 where no line before it is missing. */
  beginAt(at: number): void {
    this.#lines.clear();
    this.#names = [];
    this.#oldest = 0;
    this.#spawnErrors = [];
    this.#existed.clear();
    this.#kills.clear();
    this.#used.clear();
    this.unalign();
    this.#alive = NONE_ALIVE;
    if (at > 0) this.#gapHere();
    else this.#gap = 0;
    this.#completeSince = at;
  }

  /** The log was truncated at `at`, in epoch seconds: lines since the last read may be missing. */
  truncatedAt(at: number): void {
    this.#gapHere();
    this.#completeSince = Math.max(at, this.#completeSince);
  }

  /** These children of supervisord exist, as listed after all lines were read. */
  childrenExist(pids: ReadonlySet<number>): void {
    this.#alive = { place: this.#order, pids };
  }

  /** This run exists, as seen after all lines were read. */
  runExists(name: string, pid: number): void {
    const others = (this.#existed.get(name) ?? []).filter((run) => run.pid !== pid);
    this.#existed.delete(name);
    this.#existed.set(name, [...others, { pid, place: this.#order }].slice(-MAX_RUNS_SEEN));
    dropOldest(this.#existed, MAX_NAMES_SEEN);
  }

  #gapHere(): void {
    this.unalign();
    // Counts as a line, so that what precedes it is not at its place.
    this.#order += 1;
    this.#gap = this.#order;
    this.#alive = NONE_ALIVE;
  }

  /** The place after all lines that were read. */
  get end(): number {
    return this.#order;
  }

  /** Ends of this name whose events are still to be received come after this place. */
  settledOf(name: string): number {
    return Math.max(this.#settled, this.#passed.get(name) ?? 0);
  }

  /** Every event was received whose line is before this place. */
  settle(place: number): void {
    this.#settled = Math.max(place, this.#settled);
  }

  /** Every event was received whose line has an earlier time than `at`, in epoch seconds. */
  settleBefore(at: number): void {
    const lines = [...this.#lines.values()].flat().sort((one, other) => one.order - other.order);
    // The clock may have been set back since.
    const next = lines.findIndex((line) => line.at >= at);
    const last = next < 0 ? lines.at(-1) : lines[next - 1];
    if (last !== undefined) this.settle(last.order);
  }

  /** Events of this name, or of all names, may be missing or out of order. */
  unalign(name?: string): void {
    for (const kept of [this.#aligned, this.#passed]) {
      if (name === undefined) kept.clear();
      else kept.delete(name);
    }
  }

  /** The next end of this name may have no line. */
  passOver(name: string): void {
    this.#aligned.delete(name);
  }

  /** Whether it is known which line reports the next end of a process of this name. */
  isAligned(name: string): boolean {
    return this.#aligned.has(name);
  }

  add({ at, message, isCertain }: LogEntry): void {
    this.#order += 1;
    if (message.kind === 'spawn-error') {
      this.#spawnErrors.push({ order: this.#order, text: message.text });
      if (this.#spawnErrors.length > MAX_SPAWN_ERRORS) this.#forgetSpawnError();
      return;
    }
    if (message.kind === 'killing') {
      this.#addKill(message.name, { pid: message.pid, isCertain });
      return;
    }
    if (message.kind !== 'spawned' && message.kind !== 'ended') return;
    const { name } = message;
    const lines = this.#lines.get(name) ?? [];
    if (lines.length === 0) this.#lines.set(name, lines);
    lines.push({ ...message, order: this.#order, at, isCertain });
    this.#names.push(name);
    if (this.#names.length - this.#oldest > MAX_ENTRIES) this.#forgetOldest();
  }

  find(query: Query): Finding {
    if (query.window !== undefined) return this.#findInWindow(query, query.window);
    const finding = this.#findEnd(query);
    if (finding.kind !== 'nothing' || query.end !== 'failed-start') return finding;
    return this.#findSpawnError(query);
  }

  /**
   * The line of an end where lines before it may be missing, in a log that reports starts. A call
   * made after `place` has found the process not running, and this to be its last end.
   *
   * If no start of the run was logged since the gap, it began before the gap. The run that went on
   * across the gap is another one only if it began after this one ended; it would then be the
   * last to end before the call, or still be running.
   */
  findAcrossGap(query: Query, place: number): Finding {
    const { name, pid, isShared } = query;
    const lines = this.#linesOf(name).filter(({ order }) => order > this.#gap);
    const began = lines.some((line) => line.kind === 'spawned' && line.pid === pid);
    const [first] = lines;
    if (isShared || pid === undefined || began || this.#gap > place) return INCOMPLETE;
    if (first?.kind !== 'ended' || !first.isCertain || !isOfKind(first, query)) return INCOMPLETE;
    return agreed([first]);
  }

  /**
   * The line of a stop in a log that may have none. Every event was received whose line is before
   * `place`, and this is the last end among them.
   */
  findStop(query: Query, place: number): Finding {
    const existedAt = this.#existedAt(query);
    if (query.isShared || existedAt === undefined) return INCOMPLETE;
    const from = Math.max(query.since, existedAt);
    if (from < this.#gap) return INCOMPLETE;
    const [first] = this.#endsAfter(query.name, from);
    const isOwn = first?.isCertain === true && first.order <= place && isOfKind(first, query);
    return isOwn ? agreed([first]) : NOTHING;
  }

  /** A place that precedes the end of the run; undefined where the run was not seen to exist. */
  #existedAt({ name, pid }: Query): number | undefined {
    if (pid === undefined) return undefined;
    const { place, pids } = this.#alive;
    const isAlive = pids.has(pid);
    const existed = this.#existed.get(name)?.findLast((run) => run.pid === pid);
    if (existed === undefined) return isAlive ? place : undefined;
    return isAlive ? Math.max(existed.place, place) : existed.place;
  }

  /** Whether there is a line of an end that was not matched to a termination yet. */
  hasUnmatchedEnd(name: string): boolean {
    const used = Math.max(this.#settled, this.#used.get(name) ?? 0);
    return this.#linesOf(name).some((line) => line.kind === 'ended' && line.order > used);
  }

  /** Whether the last line about the process reports its end, and is of this time. */
  isLastEnd(name: string, at: number): boolean {
    const last = this.#lines.get(name)?.at(-1);
    return last?.kind === 'ended' && last.at === at && last.order > this.#gap;
  }

  /** The pid of the run after the end whose line has this time, where that has just begun; undefined otherwise. */
  pidAfterEnd(name: string, at: number): number | undefined {
    const [end, start] = this.#linesOf(name).slice(-2);
    const isNext = end?.kind === 'ended' && end.at === at && end.order > this.#gap;
    return isNext && start?.kind === 'spawned' ? start.pid : undefined;
  }

  /** When a run began, in epoch seconds; undefined where no certain line reports it. */
  beganAt(name: string, pid: number): number | undefined {
    const lines = this.#linesOf(name);
    const isStart = (line: RunLine) =>
      line.kind === 'spawned' && line.pid === pid && line.isCertain;
    return lines.findLast(isStart)?.at;
  }

  /**
   * Whether supervisord killed this run because its stop took too long. An uncertain line counts
   * only if the run is known to have ended by SIGKILL.
   */
  wasKilledAtStop(name: string, pid: number, isKnownKill: boolean): boolean {
    const kill = this.#kills.get(name);
    return kill?.pid === pid && (kill.isCertain || isKnownKill);
  }

  /** The pid of the run whose end the line of this time reports; undefined where no certain line does. */
  pidOfEnd(name: string, at: number): number | undefined {
    const lines = this.#linesOf(name);
    const end = lines.findLastIndex((line) => line.kind === 'ended' && line.at === at);
    const start = end < 1 ? undefined : lines[end - 1];
    if (start?.kind !== 'spawned' || !start.isCertain) return undefined;
    const isWhole = start.order > this.#gap || (lines[end]?.order ?? 0) <= this.#gap;
    return isWhole || this.#alive.pids.has(start.pid) ? start.pid : undefined;
  }

  /** Of all starts that are known. */
  pids(): readonly number[] {
    return [...this.#lines.values()]
      .flat()
      .flatMap((line) => (line.kind === 'spawned' ? line.pid : []));
  }

  #linesOf(name: string): readonly RunLine[] {
    return this.#lines.get(name) ?? [];
  }

  #addKill(name: string, kill: { readonly pid: number; readonly isCertain: boolean }): void {
    this.#kills.delete(name);
    this.#kills.set(name, kill);
    dropOldest(this.#kills, MAX_KILLS);
  }

  #forgetOldest(): void {
    const name = this.#names[this.#oldest] ?? '';
    this.#oldest += 1;
    const lines = this.#lines.get(name);
    const dropped = lines?.shift();
    if (lines?.length === 0) {
      this.#lines.delete(name);
      this.#used.delete(name);
      this.#passed.delete(name);
    }
    if (dropped?.kind === 'ended') {
      this.#completeSince = Math.max(dropped.at, this.#completeSince);
      this.#forgetUpTo(dropped.order);
    }
    if (this.#oldest < MAX_ENTRIES) return;
    this.#names = this.#names.slice(this.#oldest);
    this.#oldest = 0;
  }

  #forgetSpawnError(): void {
    const dropped = this.#spawnErrors.shift();
    if (dropped !== undefined) this.#forgetUpTo(dropped.order);
  }

  #forgetUpTo(place: number): void {
    if (place <= this.#gap) return;
    this.#gap = place;
    this.#alive = NONE_ALIVE;
  }

  /** Where a snapshot has the second of the end. */
  #findInWindow(query: Query, window: TimeWindow): Finding {
    if (window.after < this.#completeSince) return INCOMPLETE;
    const ends = this.#endsAfter(query.name, 0);
    return agreed(
      ends.filter(
        (line) => line.at >= window.after && line.at < window.before && isOfKind(line, query),
      ),
    );
  }

  #findEnd(query: Query): Finding {
    const { name, pid, isShared, since } = query;
    const lines = this.#linesOf(name);
    const start = pid === undefined ? undefined : startOf(lines, pid);
    const existedAt = this.#existedAt(query);
    const known = Math.max(since, start?.order ?? 0, existedAt ?? 0);
    const isLogged = start?.isCertain === true;
    const isOwnNext = !isShared && (isLogged || existedAt !== undefined);
    const isTurn = !isOwnNext && !query.isReply && this.#aligned.has(name);
    const from = isTurn ? Math.max(known, this.#used.get(name) ?? 0) : known;
    if (from < this.#gap) return INCOMPLETE;
    const ends = this.#endsAfter(name, from);
    if (isOwnNext) return this.#take(firstOfRun(lines, ends, from, isLogged), query);
    if (!isTurn) return this.#take(ends, query);
    const next = upToFirstCertain(ends);
    const certain = next.at(-1);
    if (certain?.isCertain !== true || isOfKind(certain, query)) return this.#take(next, query);
    // It is of an end without an event.
    this.#aligned.delete(name);
    return this.#findEnd(query);
  }

  #endsAfter(name: string, place: number): readonly EndLine[] {
    return this.#linesOf(name)
      .filter(isEnd)
      .filter(({ order }) => order > place);
  }

  /** The true line is one of these. */
  #take(candidates: readonly EndLine[], query: Query): Finding {
    const { name } = query;
    const possible = candidates.filter((line) => isOfKind(line, query));
    const [first] = possible;
    if (first !== undefined && this.#mayHaveFailedToSpawn(query, first)) return CONTRADICTORY;
    const finding = agreed(possible);
    // Which of several lines it was is not known.
    if (first === undefined || finding.kind !== 'found' || possible.length > 1) {
      if (possible.length > 0) this.#aligned.delete(name);
      return finding;
    }
    if (first.order >= (this.#used.get(name) ?? 0)) {
      this.#used.set(name, first.order);
      this.#passed.set(name, first.order);
      this.#aligned.add(name);
    }
    return finding;
  }

  /** Whether the start may have failed without a run, so that the line is of a later one. */
  #mayHaveFailedToSpawn({ name, since, end }: Query, { order }: EndLine): boolean {
    if (end !== 'failed-start') return false;
    const from = Math.max(since, this.#used.get(name) ?? 0);
    return this.#spawnErrors.some((error) => error.order > from && error.order < order);
  }

  /** The line does not name the process: all that may be of this start have to agree. */
  #findSpawnError({ name, since }: Query): Finding {
    const from = Math.max(since, this.#used.get(name) ?? 0);
    const [first, ...others] = this.#spawnErrors.filter(({ order }) => order > from);
    if (first === undefined) return NOTHING;
    if (others.some(({ text }) => text !== first.text)) return CONTRADICTORY;
    this.#spawnErrors = this.#spawnErrors.filter((error) => error !== first);
    return { kind: 'spawn-error', text: first.text };
  }
}
