/**
 * What "in trouble" means, for the page, for `/-/programs` and for the alerts: supervisord has
 * given up or lost track, a start has failed, or the process is down and nothing says that it
 * should be. Pure.
 */

import { exitStatus, type Process, wasExpected } from './process.ts';

export type Trouble =
  | 'fatal'
  | 'unknown'
  /** The process is gone, and supervisord has sent no event. */
  | 'unreported exit'
  | 'backoff'
  /** STARTING after a failed start. */
  | 'starting again'
  /** EXITED, neither by a stop nor by an expected exit. */
  | 'down';

/** `isUnreported`: whether the process is known to be gone although no event has reported it. */
export function troubleOf(process: Readonly<Process>, isUnreported: boolean): Trouble | undefined {
  switch (process.state) {
    case 'FATAL':
      return 'fatal';
    case 'UNKNOWN':
      return 'unknown';
    case 'BACKOFF':
      return 'backoff';
    case 'EXITED':
      return isUnexpectedlyDown(process) ? 'down' : undefined;
    case 'STARTING':
      if (isUnreported) return 'unreported exit';
      return process.backoffTries > 0 ? 'starting again' : undefined;
    case 'RUNNING':
    case 'STOPPING':
      return isUnreported ? 'unreported exit' : undefined;
    case 'STOPPED':
      return undefined;
    default: {
      const unhandled: never = process.state;
      throw new Error(`unhandled state ${unhandled}`);
    }
  }
}

/**
 * Where it is not known whether an exit was expected, any status but 0 counts as unexpected, and
 * an exit whose status is not known yet does not.
 */
function isUnexpectedlyDown(process: Readonly<Process>): boolean {
  const expected = wasExpected(process);
  if (expected !== undefined) return !expected;
  const status = exitStatus(process);
  return status !== undefined && status !== 0;
}
