/**
 * Lines of supervisord's own log that report what happened to a process. Pure.
 *
 *     2026-11-25 13:20:00,456 INFO supervisord started with pid 4242
 *     2026-11-25 13:20:01,123 INFO spawned: 'web' with pid 4711
 *     2026-11-25 13:20:02,124 INFO success: web entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)
 *     2026-11-25 13:20:05,456 WARN exited: web (exit status 3; not expected)
 *     2026-11-25 13:20:07,789 WARN exited: web (terminated by SIGKILL (core dumped); not expected)
 *     2026-11-25 13:20:09,012 INFO stopped: web (exit status 0)
 *     2026-11-25 13:20:11,345 INFO spawnerr: can't find command '/no/such/program'
 *     2026-11-25 13:20:12,678 INFO gave up: web entered FATAL state, too many start retries too quickly
 *     2026-11-25 13:20:13,901 WARN killing 'web' (4711) with SIGKILL
 *
 * A process is named without its group. A name may contain any character except a newline, so
 * that each pattern is anchored at both ends. A line ends at \n only: a listener's output may
 * bring \r and U+2028 into a line.
 */

import type { ExitReason } from '../processes/termination.ts';
import { signalNumber } from '../supervisor/signals.ts';

/** How a run ended, as the log reports it. No signal: an unknown one, or an unknown termination cause. */
export type LoggedReason = Extract<ExitReason, { readonly kind: 'exited' | 'signalled' }>;

export type LogMessage =
  /** supervisord itself, before it starts any process. */
  | { readonly kind: 'began'; readonly pid: number }
  | { readonly kind: 'spawned'; readonly name: string; readonly pid: number }
  | {
      readonly kind: 'ended';
      readonly name: string;
      /** Undefined for a deliberate stop. */
      readonly expected: boolean | undefined;
      readonly reason: LoggedReason;
    }
  | { readonly kind: 'spawn-error'; readonly text: string }
  /** Transitions whose event follows. */
  | { readonly kind: 'running' | 'gave-up'; readonly name: string }
  /** A stop took longer than `stopwaitsecs`. */
  | { readonly kind: 'killing'; readonly name: string; readonly pid: number }
  /** The output of a process follows, which supervisord copies into its log at loglevel=debug. */
  | {
      readonly kind: 'output';
      /** As Python's repr writes it, with quotes. */
      readonly name: string;
    };

export interface LogLine {
  /** Epoch seconds with milliseconds, the stamp being taken for local time. */
  readonly at: number;
  /** Undefined for anything else that supervisord logs. */
  readonly message: LogMessage | undefined;
}

const LINE = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),(\d{3}) ([A-Z]{4}) (.*)$/s;
const BEGAN = /^supervisord started with pid (\d+)$/;
const SPAWNED = /^spawned: '(.*)' with pid (\d+)$/s;
const STATUS = String.raw`exit status (\d+)|terminated by (SIG\w+|signal \d+)( \(core dumped\))?|unknown termination cause 0x[0-9a-f]+`;
const EXITED = new RegExp(`^exited: (.*) \\((?:${STATUS}); (not )?expected\\)$`, 's');
const STOPPED = new RegExp(`^stopped: (.*) \\((?:${STATUS})\\)$`, 's');
const SPAWN_ERROR = /^spawnerr: (.*)$/s;
const RUNNING = /^success: (.*) entered RUNNING state, process has stayed up for > than .*$/s;
const GAVE_UP = /^gave up: (.*) entered FATAL state, too many start retries too quickly$/s;
const KILLING = /^killing '(.*)' \((\d+)\) with SIGKILL$/s;
const OUTPUT = /^(.*) (?:stdout|stderr) output:$/s;

/** Undefined for a text that does not begin as a line of supervisord's log does. */
export function parseLogLine(text: string): LogLine | undefined {
  const [, year, month, day, hour, minute, second, ms, level, message = ''] = LINE.exec(text) ?? [];
  if (level === undefined) return undefined;
  const at = new Date(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    Number(ms),
  ).getTime();
  return { at: at / 1000, message: parseMessage(level, message) };
}

function parseMessage(level: string, text: string): LogMessage | undefined {
  // Most lines of a verbose log are of these levels.
  if (level === 'DEBG' || level === 'TRAC' || level === 'BLAT') {
    const [, name] = OUTPUT.exec(text) ?? [];
    return name === undefined ? undefined : { kind: 'output', name };
  }
  switch (text.slice(0, 4)) {
    case 'supe': {
      const [, pid] = BEGAN.exec(text) ?? [];
      return pid === undefined ? undefined : { kind: 'began', pid: Number(pid) };
    }
    case 'spaw':
      return parseSpawn(text);
    case 'exit':
      return parseEnd(EXITED.exec(text), true);
    case 'stop':
      return parseEnd(STOPPED.exec(text), false);
    case 'succ':
      return named('running', RUNNING.exec(text));
    case 'gave':
      return named('gave-up', GAVE_UP.exec(text));
    case 'kill':
      return parseKilling(text);
    default:
      return undefined;
  }
}

function parseSpawn(text: string): LogMessage | undefined {
  const [, name, pid] = SPAWNED.exec(text) ?? [];
  if (name !== undefined) return { kind: 'spawned', name, pid: Number(pid) };
  const [, error] = SPAWN_ERROR.exec(text) ?? [];
  return error === undefined ? undefined : { kind: 'spawn-error', text: error };
}

function parseKilling(text: string): LogMessage | undefined {
  const [, name, pid] = KILLING.exec(text) ?? [];
  return name === undefined ? undefined : { kind: 'killing', name, pid: Number(pid) };
}

function parseEnd(match: RegExpExecArray | null, isExit: boolean): LogMessage | undefined {
  const [, name, status, signal, core, unexpected] = match ?? [];
  if (name === undefined) return undefined;
  const reason: LoggedReason =
    status === undefined
      ? {
          kind: 'signalled',
          source: 'log',
          signal: signalNumber(signal ?? ''),
          coreDumped: core !== undefined,
        }
      : { kind: 'exited', source: 'log', exitCode: Number(status) };
  return { kind: 'ended', name, expected: isExit ? unexpected === undefined : undefined, reason };
}

function named(kind: 'running' | 'gave-up', match: RegExpExecArray | null): LogMessage | undefined {
  const [, name] = match ?? [];
  return name === undefined ? undefined : { kind, name };
}
