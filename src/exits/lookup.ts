/** A termination whose reason is looked up, and the facts that the sources establish about it. Pure. */

import type { Process } from '../processes/process.ts';
import {
  EXITED_TOO_QUICKLY,
  type ExitReason,
  type Termination,
  type TerminationFacts,
} from '../processes/termination.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import type { Finding, Query } from './run-lines.ts';

export const UNKNOWN: TerminationFacts = { reason: { kind: 'unknown' } };

export interface Lookup {
  readonly id: ProcessId;
  readonly terminationId: number;
  readonly query: Omit<Query, 'isShared' | 'isReply'>;
  /** Milliseconds, monotonic. */
  readonly began: number;
}

/** Describes what to look up. `since`: a place in the log before the line of the end. */
export function lookupOf(
  process: Readonly<Process>,
  termination: Termination,
  since: number,
  began: number,
): Lookup {
  const { id: terminationId, pid, window, reason } = termination;
  const { id } = process;
  const end = endOf(process, termination);
  const query = { name: id.name, pid, window, since, end, known: knownOf(reason) };
  return { id, terminationId, query, began };
}

/** What XML-RPC reports of a reason. */
export function knownOf(reason: ExitReason): Query['known'] {
  if (reason.kind === 'exited') return reason.exitCode;
  return reason.kind === 'signalled' ? 'signal' : undefined;
}

function endOf({ failedStart }: Readonly<Process>, termination: Termination): Query['end'] {
  if (failedStart?.id === termination.id) return 'failed-start';
  if (termination.serial === undefined) return 'any';
  if (termination.expected === undefined) return 'stopped';
  return termination.expected ? 'expected' : 'unexpected';
}

/** undefined where the log does not settle it. */
export function factsOfFinding(finding: Finding, { query }: Lookup): TerminationFacts | undefined {
  switch (finding.kind) {
    case 'found':
      return {
        reason: finding.reason,
        finishedAt: finding.at,
        ...(query.end === 'failed-start' ? { spawnError: EXITED_TOO_QUICKLY } : {}),
      };
    case 'spawn-error':
      return { ...UNKNOWN, spawnError: finding.text, neverRan: true };
    case 'contradictory':
    case 'incomplete':
    case 'nothing':
      return undefined;
    default: {
      const unhandled: never = finding;
      throw new Error(`unhandled finding ${JSON.stringify(unhandled)}`);
    }
  }
}
