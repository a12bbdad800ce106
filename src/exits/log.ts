/**
 * supervisord's own log, as far as it tells of runs:
 *
 *     2026-11-25 13:20:01,123 INFO spawned: 'web' with pid 4711
 *     2026-11-25 13:20:05,456 WARN exited: web (exit status 3; not expected)
 *     2026-11-25 13:20:07,789 WARN exited: web (terminated by SIGKILL (core dumped); not expected)
 *     2026-11-25 13:20:09,012 INFO stopped: web (exit status 0)
 *
 * A program is named without its group. Everything else in the log is passed over.
 */

import { signalNumber } from '../supervisor/signals.ts';
import type { Ending } from './match.ts';

export type LogLine =
  | { readonly kind: 'spawned'; readonly name: string; readonly pid: number }
  | {
      readonly kind: 'ended';
      readonly name: string;
      /** Epoch seconds. The log has local time: supervisord's is taken for ours, whose parent it is. */
      readonly at: number;
      readonly ending: Ending;
    };

const STAMP = String.raw`^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),(\d{3}) [A-Z]{4}`;
const SPAWNED = String.raw`spawned: '(\S+)' with pid (\d+)$`;
const ENDED = String.raw`(?:exited|stopped): (\S+) \((?:exit status (\d+)|terminated by (SIG\w+|signal \d+)|(unknown termination cause)).*\)$`;
const LINE = new RegExp(`${STAMP} (?:${SPAWNED}|${ENDED})`, 'gm');

/** Reads what there is of the log, which may begin inside a line and end in one that is being written. */
export function parseLog(text: string): LogLine[] {
  return [...text.matchAll(LINE)].map(readLine);
}

function readLine([, ...groups]: readonly string[]): LogLine {
  const [spawned, pid, name = '', status, signal] = groups.slice(7);
  if (spawned !== undefined) return { kind: 'spawned', name: spawned, pid: Number(pid) };
  return { kind: 'ended', name, at: readTime(groups), ending: readEnding(status, signal) };
}

function readTime(groups: readonly string[]): number {
  const [year = 0, month = 0, day, hour, minute, second, ms] = groups.slice(0, 7).map(Number);
  return new Date(year, month - 1, day, hour, minute, second, ms).getTime() / 1000;
}

function readEnding(status: string | undefined, signal: string | undefined): Ending {
  if (status !== undefined) return { status: Number(status), signal: 0 };
  return { status: -1, signal: signal === undefined ? undefined : signalNumber(signal) };
}
