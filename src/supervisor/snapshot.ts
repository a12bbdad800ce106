/** What supervisord reports of itself and of every process at one moment, typed. */

import type { ProcessId } from './process-id.ts';
import type { ProcessState } from './states.ts';

export interface Snapshot {
  readonly server: ServerFacts;
  /** supervisord's clock when it answered, in whole epoch seconds; 0 where it runs no process. */
  readonly now: number;
  readonly processes: readonly ProcessInfo[];
}

export interface ServerFacts {
  readonly version: string;
  readonly identifier: string;
  /** supervisord.org/api.html#supervisor.rpcinterface.SupervisorNamespaceRPCInterface.getState */
  readonly stateCode: number;
}

const SERVER_STATES: Readonly<Record<number, string>> = {
  2: 'FATAL',
  1: 'RUNNING',
  0: 'RESTARTING',
  [-1]: 'SHUTDOWN',
};

/** supervisord's name for its own state; the code itself where it has none. */
export function nameOfServerState(stateCode: number): string {
  return SERVER_STATES[stateCode] ?? String(stateCode);
}

/** What getAllProcessInfo says of one process. Times are whole epoch seconds, 0 for never. */
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
}

/** What the configuration says of a process. */
export interface ProcessSettings {
  /** Whether it is started together with supervisord. */
  readonly autostart: boolean;
  /** Failed attempts to start that are followed by another. */
  readonly startRetries: number;
  /** Seconds that it is given to stop before it is killed. */
  readonly stopWaitSeconds: number;
}
