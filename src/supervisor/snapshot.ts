/** What supervisord reports of itself and of every process at one moment, typed. */

import type { ProcessId } from './process-id.ts';
import type { ProcessState } from './states.ts';

export interface Snapshot {
  readonly server: ServerInfo;
  /** supervisord's clock when it answered, in whole epoch seconds; 0 where it runs no process. */
  readonly now: number;
  readonly processes: readonly ProcessInfo[];
}

/** What is known of supervisord itself: an event carries its state alone. */
export interface ServerInfo {
  readonly version: string | undefined;
  readonly identifier: string | undefined;
  /** One of SERVER_STATE_CODES. */
  readonly stateCode: number;
}

/** supervisord's names and codes for its own state (supervisord.org/api.html, getState). */
export const SERVER_STATE_CODES = { FATAL: 2, RUNNING: 1, RESTARTING: 0, SHUTDOWN: -1 } as const;

/** The name of this code; the code itself where it has none. */
export function nameOfServerState(stateCode: number): string {
  const [name] = Object.entries(SERVER_STATE_CODES).find(([, code]) => code === stateCode) ?? [];
  return name ?? String(stateCode);
}

/** What getAllProcessInfo reports of one process. Times are whole epoch seconds, 0 for never. */
export interface ProcessInfo extends ProcessId {
  readonly state: ProcessState;
  readonly start: number;
  readonly stop: number;
  /** Of the last exit; cleared to 0 by the next start, -1 for any signal. */
  readonly exitStatus: number;
  /** 0 while there is none. */
  readonly pid: number;
  /** Why it could not be started; undefined outside BACKOFF and FATAL, or where there is nothing to say. */
  readonly spawnError: string | undefined;
  /** It was stopped after a failed start, which cleared `exitStatus`, also where there was a run. */
  readonly wasStoppedInBackoff?: boolean;
  /** The paths of its logs, where it has them; there is none of stderr with `redirect_stderr=true`. */
  readonly stdoutLog?: string | undefined;
  readonly stderrLog?: string | undefined;
}

/** What the configuration says of a process; undefined where supervisord does not report it. */
export interface ProcessSettings {
  /** Whether it is started together with supervisord. */
  readonly autostart: boolean | undefined;
  /** Failed start attempts that are followed by another one. */
  readonly startRetries: number | undefined;
  /** Seconds that it is given to stop before it is killed. */
  readonly stopWaitSeconds: number | undefined;
  /** Exit codes that are expected; not reported before Supervisor 4. */
  readonly exitCodes: readonly number[] | undefined;
}
