/** What the page shows of one process besides its row. */

import type { LogTail } from '../../processes/log-tail.ts';
import type { Process } from '../../processes/process.ts';
import { oomKilledOf } from '../../processes/termination.ts';
import type { ProcessId } from '../../supervisor/process-id.ts';
import type { ProcessSettings } from '../../supervisor/snapshot.ts';
import { describeReason, type SignalName } from '../exit-reason.ts';
import type { PastTermination, PastTransition, ProcessHistory } from './history.ts';

export interface Detail extends ProcessId {
  /** The latest first. */
  readonly terminations: readonly TerminationDetail[];
  /** The latest first. */
  readonly transitions: readonly PastTransition[];
  /** Undefined where supervisord has not reported the settings. */
  readonly settings: ProcessSettings | undefined;
  /** CPU time of the present run in seconds. */
  readonly cpuSeconds: number | undefined;
  /** Of the last unexpected exit or failed start, if one was kept and may be shown. */
  readonly logTail: LogTail | undefined;
}

/** The end of a run. */
export interface TerminationDetail {
  /** Epoch seconds. */
  readonly at: number;
  /** Seconds; undefined where it is not known when the run began. */
  readonly duration: number | undefined;
  readonly pid: number | undefined;
  readonly expected: boolean | undefined;
  /** Undefined where it could not be established. */
  readonly reason: string | undefined;
  /** Undefined where it is not known. */
  readonly oomKilled: boolean | undefined;
}

export interface DetailOptions {
  readonly process: Readonly<Process>;
  readonly history: Pick<ProcessHistory, 'terminations' | 'transitions'>;
  readonly cpuSeconds: number | undefined;
  readonly logTail: LogTail | undefined;
  readonly nameOf: SignalName;
}

export function detailOf({ process, history, cpuSeconds, logTail, nameOf }: DetailOptions): Detail {
  return {
    group: process.id.group,
    name: process.id.name,
    terminations: history.terminations
      .map((termination) => terminationDetail(termination, nameOf))
      .reverse(),
    transitions: history.transitions(),
    settings: process.settings,
    cpuSeconds,
    logTail,
  };
}

function terminationDetail(
  { pid, expected, startedAt, finishedAt, reason, spawnError }: PastTermination,
  nameOf: SignalName,
): TerminationDetail {
  return {
    at: finishedAt,
    duration: startedAt === undefined ? undefined : Math.max(0, finishedAt - startedAt),
    pid,
    expected,
    reason: [spawnError, describeReason(reason, nameOf)].filter(Boolean).join(', ') || undefined,
    oomKilled: oomKilledOf(reason),
  };
}
