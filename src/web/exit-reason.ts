/** Exit reasons in words. */

import type { ExitReason } from '../processes/termination.ts';

/** Returns the name of a signal, such as SIGKILL. */
export type SignalName = (signal: number) => string;

/** Undefined where the lookup has established nothing. */
export function describeReason(reason: ExitReason, nameOf: SignalName): string | undefined {
  switch (reason.kind) {
    case 'pending':
      return 'reason not known yet';
    case 'unknown':
      return undefined;
    case 'exited':
      return `exit status ${reason.exitCode}`;
    case 'signalled': {
      const signal = reason.signal === undefined ? 'a signal' : nameOf(reason.signal);
      const core = reason.coreDumped === true ? ', core dumped' : '';
      const oom = reason.oomKilled === true ? ', out of memory' : '';
      return `${signal}${core}${oom}`;
    }
    default: {
      const unhandled: never = reason;
      throw new Error(`unhandled exit reason ${JSON.stringify(unhandled)}`);
    }
  }
}
