/** Terminations: the record of how and when one run of a process ended. */

/** Where an exit reason was found. */
export type ReasonSource = 'log' | 'xml-rpc';

/** Why a run ended. Events do not carry this. */
export type ExitReason =
  /** The lookup has not finished. */
  | { readonly kind: 'pending' }
  /** The lookup has finished and established nothing. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'exited'; readonly source: ReasonSource; readonly exitCode: number }
  | {
      readonly kind: 'signalled';
      readonly source: ReasonSource;
      /** The number of the signal; undefined: XML-RPC reports -1 for any signal. */
      readonly signal: number | undefined;
      /** Whether the kernel wrote a core file; undefined: only the log reports it. */
      readonly coreDumped: boolean | undefined;
      /** Whether the kernel's OOM killer sent the signal; undefined: not established. */
      readonly oomKilled?: boolean | 'pending' | undefined;
    };

/** Of a termination before anything of it was looked up. */
export type NewTermination = Pick<Termination, 'id' | 'reason'>;

/** A range of supervisord's clock, in epoch seconds: from `after` up to, not including, `before`. */
export interface TimeWindow {
  readonly after: number;
  readonly before: number;
}

/** The end of one run of a process. */
export interface Termination {
  /** Unique within one process table. */
  readonly id: number;
  /** The serial of the event that reported it; undefined where a snapshot did. */
  readonly serial: number | undefined;
  /** Undefined where neither source carries it: the BACKOFF event and snapshots do not. */
  readonly pid: number | undefined;
  /** Epoch seconds, as precise as `timeSource`. */
  readonly finishedAt: number;
  /** `log`: milliseconds. `event`: when the event was received. `snapshot`: whole seconds. */
  readonly timeSource: 'log' | 'event' | 'snapshot';
  /** The run ended within this window; undefined where an event reported it, which may have waited for long. */
  readonly window: TimeWindow | undefined;
  /** Whether the exit code is one of `exitcodes`; undefined for a stop and for a snapshot. */
  readonly expected: boolean | undefined;
  readonly reason: ExitReason;
}

/** What a lookup established about a termination. */
export interface TerminationFacts {
  readonly reason: ExitReason;
  /** The log's time, epoch seconds with milliseconds. */
  readonly finishedAt?: number | undefined;
  /** Why supervisord could not start the process; counts in BACKOFF and FATAL only. */
  readonly spawnError?: string | undefined;
  /** The start failed before there was a process: no run ended. */
  readonly neverRan?: boolean | undefined;
  /** Whether supervisord killed the process because its stop took longer than `stopwaitsecs`. */
  readonly killedAtStop?: boolean | undefined;
  /** Whether only a snapshot has reported the end: its event may follow, and counts the kill. */
  readonly isUncounted?: boolean | undefined;
}

/** What supervisord's log reports about the begin of a run. */
export interface StartFacts {
  readonly pid: number;
  /** The log's time, epoch seconds with milliseconds. */
  readonly startedAt: number;
}

/** supervisord's error of a start that was a run, which ended within `startsecs`. */
export const EXITED_TOO_QUICKLY = 'Exited too quickly (process log may have details)';
const RAN = /^Exited too quickly/;

/** Whether there was a process before a start failed, as far as the error of supervisord shows. */
export function mayHaveRun(spawnError: string | undefined): boolean {
  return spawnError === undefined || RAN.test(spawnError);
}

/** Seconds that an event may be received after what it reports. */
export const EVENT_DELAY_SECONDS = 2;

/** supervisord takes the time of an exit first and writes its log line a little later. */
const LOG_DELAY_SECONDS = 0.5;

/** When a run ended whose `stop` is this whole second. */
export function windowOfSecond(stop: number): TimeWindow {
  return { after: stop, before: stop + 1 + LOG_DELAY_SECONDS };
}

/** The exit code, -1 for any signal as in XML-RPC; undefined while it is not established. */
export function exitStatusOf(reason: ExitReason): number | undefined {
  if (reason.kind === 'exited') return reason.exitCode;
  return reason.kind === 'signalled' ? -1 : undefined;
}

/** The number of the signal, 0 for none; undefined while it is not established. */
export function exitSignalOf(reason: ExitReason): number | undefined {
  if (reason.kind === 'exited') return 0;
  return reason.kind === 'signalled' ? reason.signal : undefined;
}

/** Whether the kernel wrote a core file; undefined while it is not established. */
export function coreDumpedOf(reason: ExitReason): boolean | undefined {
  if (reason.kind === 'exited') return false;
  return reason.kind === 'signalled' ? reason.coreDumped : undefined;
}

/** SIGKILL on every platform of Node (POSIX). */
export const SIGKILL = 9;

/** Whether the kernel's OOM killer ended the run; undefined while it is not established. */
export function oomKilledOf(reason: ExitReason): boolean | undefined {
  if (reason.kind === 'exited') return false;
  if (reason.kind !== 'signalled') return undefined;
  if (reason.signal !== undefined && reason.signal !== SIGKILL) return false;
  return reason.oomKilled === 'pending' ? undefined : reason.oomKilled;
}

/** Whether a part of the reason is still being looked up. */
export function isReasonPending(reason: ExitReason): boolean {
  return (
    reason.kind === 'pending' || (reason.kind === 'signalled' && reason.oomKilled === 'pending')
  );
}
