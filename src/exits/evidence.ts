/**
 * Which line of supervisord's log reports a given termination. Pure.
 *
 * The log can be forged: at loglevel=debug supervisord copies the output of processes into it.
 * A line is `isCertain` where it cannot be part of such a copy. The true line is always among
 * the candidates, because supervisord writes it before it sends the event. So a reason is known
 * when all candidates agree, or all certain ones; candidates that disagree establish nothing.
 * A truncation may have erased the true line: after it, only certain lines establish a reason.
 */

import type { TimeWindow } from '../processes/termination.ts';
import { dropOldest } from '../util/drop-oldest.ts';
import type { LoggedReason, LogMessage } from './log-lines.ts';

/** A line that reports something, and how far it can be trusted. */
export interface LogEntry {
  /** Epoch seconds. */
  readonly at: number;
  readonly message: LogMessage;
  readonly isCertain: boolean;
}

export interface Query {
  readonly name: string;
  /** Whether several groups have a process of this name, so that a line may report any of them. */
  readonly isShared: boolean;
  readonly pid: number | undefined;
  readonly window: TimeWindow;
  /** `any`: only a snapshot has reported it. */
  readonly end: 'expected' | 'unexpected' | 'stopped' | 'failed-start' | 'any';
  /** What XML-RPC reported already: an exit code, or that it was a signal. */
  readonly known: number | 'signal' | undefined;
}

export type Finding =
  | {
      readonly kind: 'found';
      readonly reason: LoggedReason;
      /** Epoch seconds; undefined where several lines agree on the reason only. */
      readonly at: number | undefined;
    }
  /** The start failed before there was a process. */
  | { readonly kind: 'spawn-error'; readonly text: string }
  | { readonly kind: 'contradictory' }
  | { readonly kind: 'nothing' };

interface LinePosition {
  /** Counts the lines of starts and ends. */
  readonly order: number;
  readonly at: number;
  readonly isCertain: boolean;
}

type StartLine = Extract<LogMessage, { readonly kind: 'spawned' }> & LinePosition;
type EndLine = Extract<LogMessage, { readonly kind: 'ended' }> & LinePosition;
type RunLine = StartLine | EndLine;

/** As many as a storm of half a minute writes: about 1 MB. */
const MAX_ENTRIES = 8_192;
const MAX_SPAWN_ERRORS = 256;
const MAX_KILLS = 1_024;

/** The longest backlog in which a line is found by its pid. Time zones differ by at least this. */
const LONGEST_BACKLOG_SECONDS = 890;

export const NOTHING: Finding = { kind: 'nothing' };

export class LogEvidence {
  /** By name: the lines of starts and ends, oldest first. */
  readonly #lines = new Map<string, RunLine[]>();
  /** The name of each of these lines, oldest first from #oldest on. */
  #names: string[] = [];
  #oldest = 0;
  #spawnErrors: { readonly at: number; readonly text: string }[] = [];
  /** By name: the last kill at a stop. */
  readonly #kills = new Map<string, { readonly pid: number; readonly isCertain: boolean }>();
  /** By name: the last line that was matched to a termination without its pid. */
  readonly #used = new Map<string, number>();
  #order = 0;
  /** All lines from this time on are known, in epoch seconds. */
  #completeSince = Number.POSITIVE_INFINITY;
  /** Lines written up to this time may have been erased before they were read, in epoch seconds. */
  #truncatedAt = Number.NEGATIVE_INFINITY;

  /** Lines that follow were preceded by ones that are not known. `at`: the time of the first of them. */
  beginAt(at: number): void {
    this.#lines.clear();
    this.#names = [];
    this.#oldest = 0;
    this.#spawnErrors = [];
    this.#kills.clear();
    this.#used.clear();
    this.#completeSince = at;
  }

  /** The log was truncated at `at`, in epoch seconds: lines since the last read may be missing. */
  truncatedAt(at: number): void {
    this.#truncatedAt = at;
  }

  add({ at, message, isCertain }: LogEntry): void {
    if (message.kind === 'spawn-error') {
      this.#spawnErrors.push({ at, text: message.text });
      if (this.#spawnErrors.length > MAX_SPAWN_ERRORS) this.#spawnErrors.shift();
      return;
    }
    if (message.kind === 'killing') {
      this.#kills.delete(message.name);
      this.#kills.set(message.name, { pid: message.pid, isCertain });
      dropOldest(this.#kills, MAX_KILLS);
      return;
    }
    if (message.kind !== 'spawned' && message.kind !== 'ended') return;
    this.#order += 1;
    const { name } = message;
    const lines = this.#lines.get(name) ?? [];
    if (lines.length === 0) this.#lines.set(name, lines);
    lines.push({ ...message, order: this.#order, at, isCertain });
    this.#names.push(name);
    if (this.#names.length - this.#oldest > MAX_ENTRIES) this.#forgetOldest();
  }

  find(query: Query): Finding {
    const finding = this.#findEnd(query);
    if (finding.kind !== 'nothing' || query.end !== 'failed-start') return finding;
    return this.#findSpawnError(query);
  }

  /** Whether there is a line of an end that was not matched to a termination yet. */
  hasUnmatchedEnd(name: string): boolean {
    const used = this.#used.get(name) ?? 0;
    return this.#linesOf(name).some((line) => line.kind === 'ended' && line.order > used);
  }

  /** Whether the last line about the process reports its end, and is of this time. */
  isLastEnd(name: string, at: number): boolean {
    const last = this.#lines.get(name)?.at(-1);
    return last?.kind === 'ended' && last.at === at;
  }

  /** The pid of the run after the end whose line has this time, where that has just begun; undefined otherwise. */
  pidAfterEnd(name: string, at: number): number | undefined {
    const [end, start] = this.#linesOf(name).slice(-2);
    const isNext = end?.kind === 'ended' && end.at === at && start?.kind === 'spawned';
    return isNext ? start.pid : undefined;
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
    return start?.kind === 'spawned' && start.isCertain ? start.pid : undefined;
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

  #forgetOldest(): void {
    const name = this.#names[this.#oldest] ?? '';
    this.#oldest += 1;
    const lines = this.#lines.get(name);
    const dropped = lines?.shift();
    if (lines?.length === 0) this.#lines.delete(name);
    if (dropped?.kind === 'ended') this.#completeSince = Math.max(dropped.at, this.#completeSince);
    if (this.#oldest < MAX_ENTRIES) return;
    this.#names = this.#names.slice(this.#oldest);
    this.#oldest = 0;
  }

  #findEnd(query: Query): Finding {
    const { name, pid, isShared, window, end } = query;
    const lines = this.#linesOf(name);
    const longestBacklog = window.before - LONGEST_BACKLOG_SECONDS;
    const from = (after: number, ends: readonly EndLine[]) =>
      ends.filter((line) => line.at >= after && line.at < window.before && isOfKind(line, query));
    const isRunKnown = pid !== undefined && !isShared;
    const ofRun = isRunKnown ? endsOfRun(lines, pid) : undefined;
    if (ofRun !== undefined) {
      return this.#judge(from(longestBacklog, ofRun), query, longestBacklog);
    }
    if (window.after < this.#completeSince) return NOTHING;
    const used = isShared ? 0 : (this.#used.get(name) ?? 0);
    const unused = lines.filter(isEnd).filter(({ order }) => order > used);
    const inWindow = from(window.after, unused).filter(
      (line) => !isRunKnown || !isOfOtherRun(line, lines, pid),
    );
    if (inWindow.length > 0 || isShared || end === 'any') {
      return this.#judge(inWindow, query, window.after);
    }
    // An event that was received late: its line is the only one that is left.
    const left = from(longestBacklog, unused);
    if (left.length > 1) return { kind: 'contradictory' };
    return this.#judge(left, query, longestBacklog);
  }

  /** `after`: the earliest time of the true line. */
  #judge(candidates: readonly EndLine[], { name, isShared }: Query, after: number): Finding {
    const certain = candidates.filter(({ isCertain }) => isCertain);
    const needsCertain = certain.length > 0 || after <= this.#truncatedAt;
    const [first, ...others] = needsCertain ? certain : candidates;
    if (first === undefined) return NOTHING;
    if (!others.every((line) => agree(line.reason, first.reason))) return { kind: 'contradictory' };
    if (isShared) {
      return {
        kind: 'found',
        reason: first.reason,
        at: others.length === 0 ? first.at : undefined,
      };
    }
    this.#used.set(name, Math.max(first.order, this.#used.get(name) ?? 0));
    return { kind: 'found', reason: first.reason, at: first.at };
  }

  /** The line does not name the process: all that were written in this time have to agree. */
  #findSpawnError({ window }: Query): Finding {
    const [first, ...others] = this.#spawnErrors.filter(
      ({ at }) => at >= window.after && at < window.before,
    );
    if (first === undefined) return NOTHING;
    if (others.some(({ text }) => text !== first.text)) return { kind: 'contradictory' };
    return { kind: 'spawn-error', text: first.text };
  }
}

/**
 * The ends that may be of the run with this pid; undefined where its start is not known, as at
 * loglevel=warn. A start that is not certain neither begins nor ends the range where that could
 * exclude the true line.
 */
function endsOfRun(lines: readonly RunLine[], pid: number): readonly EndLine[] | undefined {
  const isStart = (line: RunLine) => line.kind === 'spawned' && line.pid === pid;
  const certain = lines.findLastIndex((line) => isStart(line) && line.isCertain);
  const start = certain >= 0 ? certain : lines.findIndex(isStart);
  if (start < 0) return undefined;
  const after = lines.slice(start + 1);
  const next = after.findIndex((line) => line.kind === 'spawned' && line.isCertain);
  return (next < 0 ? after : after.slice(0, next)).filter(isEnd);
}

/** Whether the end follows the certain start of a run with another pid. */
function isOfOtherRun(end: EndLine, lines: readonly RunLine[], pid: number): boolean {
  const before = lines.findLast(({ order }) => order < end.order);
  return before?.kind === 'spawned' && before.isCertain && before.pid !== pid;
}

/** Whether the line does not contradict what the event and XML-RPC report. */
function isOfKind({ expected, reason }: EndLine, { end, known }: Query): boolean {
  const isKnown =
    known === undefined ||
    (known === 'signal' ? reason.kind === 'signalled' : isCode(reason, known));
  if (!isKnown) return false;
  switch (end) {
    case 'expected':
      return expected === true;
    case 'unexpected':
    case 'failed-start':
      return expected === false;
    case 'stopped':
      return expected === undefined;
    case 'any':
      return true;
    default: {
      const unhandled: never = end;
      throw new Error(`unhandled end ${unhandled}`);
    }
  }
}

function isCode(reason: LoggedReason, code: number): boolean {
  return reason.kind === 'exited' && reason.exitCode === code;
}

function agree(one: LoggedReason, other: LoggedReason): boolean {
  if (one.kind === 'exited') return isCode(other, one.exitCode);
  return (
    other.kind === 'signalled' && one.signal === other.signal && one.coreDumped === other.coreDumped
  );
}

function isEnd(line: RunLine): line is EndLine {
  return line.kind === 'ended';
}
