/** The lines of supervisord's log about the runs of one name, and which of them may report an end. Pure. */

import type { TimeWindow } from '../processes/termination.ts';
import type { LoggedReason, LogMessage } from './log-lines.ts';

export interface Query {
  readonly name: string;
  /** Whether several groups have a process of this name, so that a line may report any of them. */
  readonly isShared: boolean;
  readonly pid: number | undefined;
  /** Set where only a snapshot has reported the end, with its time. */
  readonly window: TimeWindow | undefined;
  /** The place in the log that precedes the end, as known when its event was received. */
  readonly since: number;
  readonly end: 'expected' | 'unexpected' | 'stopped' | 'failed-start' | 'any';
  /** What XML-RPC reported already: an exit code, or that it was a signal. */
  readonly known: number | 'signal' | undefined;
  /** Whether XML-RPC was asked: later ends of this name may have been matched meanwhile. */
  readonly isReply: boolean;
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
  /** Lines may be missing, among them the true one. */
  | { readonly kind: 'incomplete' }
  /** The log has no line of it. */
  | { readonly kind: 'nothing' };

interface LinePosition {
  /** Counts the lines. */
  readonly order: number;
  readonly at: number;
  readonly isCertain: boolean;
}

type StartLine = Extract<LogMessage, { readonly kind: 'spawned' }> & LinePosition;
export type EndLine = Extract<LogMessage, { readonly kind: 'ended' }> & LinePosition;
export type RunLine = StartLine | EndLine;

export const NOTHING: Finding = { kind: 'nothing' };
export const INCOMPLETE: Finding = { kind: 'incomplete' };
export const CONTRADICTORY: Finding = { kind: 'contradictory' };

/** The start of the run with this pid: where no certain line reports it, the earliest one that may be its own. */
export function startOf(lines: readonly RunLine[], pid: number): RunLine | undefined {
  const isStart = (line: RunLine) => line.kind === 'spawned' && line.pid === pid;
  return lines.findLast((line) => isStart(line) && line.isCertain) ?? lines.find(isStart);
}

/**
 * The lines that may report the end of the run that began, or still existed, at this place: those up
 * to the first certain one, before the next certain start. Where starts are logged and no other start
 * may precede it, that certain line alone.
 */
export function firstOfRun(
  lines: readonly RunLine[],
  ends: readonly EndLine[],
  place: number,
  areStartsLogged: boolean,
): readonly EndLine[] {
  const isNextStart = ({ kind, order }: RunLine) => kind === 'spawned' && order > place;
  const nextStart = lines.find((line) => isNextStart(line) && line.isCertain)?.order;
  const own = upToFirstCertain(ends.filter(({ order }) => order < (nextStart ?? order + 1)));
  const last = own.at(-1);
  if (last?.isCertain !== true || !areStartsLogged) return own;
  return lines.some((line) => isNextStart(line) && line.order < last.order) ? own : [last];
}

export function upToFirstCertain(ends: readonly EndLine[]): readonly EndLine[] {
  const certain = ends.findIndex(({ isCertain }) => isCertain);
  return certain < 0 ? ends : ends.slice(0, certain + 1);
}

/** The time is known only where there is a single line. */
export function agreed([first, ...others]: readonly EndLine[]): Finding {
  if (first === undefined) return NOTHING;
  if (!others.every((line) => agree(line.reason, first.reason))) return CONTRADICTORY;
  return { kind: 'found', reason: first.reason, at: others.length === 0 ? first.at : undefined };
}

/** Whether the line does not contradict what the event and XML-RPC report. */
export function isOfKind({ expected, reason }: EndLine, { end, known }: Query): boolean {
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

export function isEnd(line: RunLine): line is EndLine {
  return line.kind === 'ended';
}
