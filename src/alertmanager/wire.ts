/** Alerts as Alertmanager's API v2 takes them (POST /api/v2/alerts). */

import type { Process } from '../processes/process.ts';
import { signalName } from '../supervisor/signals.ts';
import type { Alert, AlertName } from './board.ts';

export type Labels = Readonly<Record<string, string>>;

export interface WireAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  /** RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
}

/** Labels that an alert has of its own: they say which alert it is. */
export const OWN_LABELS: readonly string[] = ['alertname', 'severity', 'name', 'group'];

const SEVERITIES: Readonly<Record<AlertName, string>> = {
  SupervisorProcessFatal: 'critical',
  SupervisorProcessUnexpectedExit: 'warning',
};

const SUMMARIES: Readonly<Record<AlertName, string>> = {
  SupervisorProcessFatal: 'supervisord has given up on a program.',
  SupervisorProcessUnexpectedExit: 'A program has exited unexpectedly.',
};

/**
 * `labels` are those of the exporter: `job`, `instance`, and whatever the rules' alerts get
 * besides. `process` is what is known of the process now; undefined where it is gone.
 */
export function toWire(
  alert: Alert,
  labels: Labels,
  process: Readonly<Process> | undefined,
): WireAlert {
  const { group, name } = alert.process;
  return {
    labels: { ...labels, alertname: alert.name, severity: SEVERITIES[alert.name], group, name },
    annotations: {
      summary: SUMMARIES[alert.name],
      description: describe(alert, labels['instance'] ?? '', process),
    },
    startsAt: toRfc3339(alert.startsAt),
    endsAt: toRfc3339(alert.endsAt),
  };
}

function describe(alert: Alert, instance: string, process: Readonly<Process> | undefined): string {
  const who = `${alert.process.group}:${alert.process.name} on ${instance}`;
  switch (alert.name) {
    case 'SupervisorProcessFatal': {
      const reason =
        process?.spawnError === undefined ? '' : ` The last error was: ${process.spawnError}.`;
      return `${who} is FATAL: it could not be started and supervisord does not try any more.${reason}`;
    }
    case 'SupervisorProcessUnexpectedExit':
      return `${who} exited unexpectedly${process === undefined ? '' : describeExit(process)}.`;
    default: {
      const unhandled: never = alert.name;
      throw new Error(`unhandled alert ${unhandled}`);
    }
  }
}

/** Empty where it is not known. */
function describeExit({ lastUnexpectedExit }: Readonly<Process>): string {
  const reason = lastUnexpectedExit?.reason;
  if (reason?.kind === 'exited') return `, with status ${reason.exitCode}`;
  if (reason?.kind !== 'signalled') return '';
  return reason.signal === undefined
    ? ', killed by a signal'
    : `, killed by ${signalName(reason.signal)}`;
}

function toRfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
