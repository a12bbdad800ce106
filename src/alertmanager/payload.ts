/** Alerts as Alertmanager's API v2 receives them (POST /api/v2/alerts). */

import type { Process } from '../processes/process.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import { signalName } from '../supervisor/signals.ts';
import type { Alert, AlertName } from './active-alerts.ts';

export type Labels = Readonly<Record<string, string>>;

/** Alertmanager's own name for an alert in the body of a request. */
export interface PostableAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  /** RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
}

/** Labels that each alert sets itself; they identify it. */
export const OWN_LABELS: readonly string[] = ['alertname', 'severity', 'name', 'group'];

export const SEVERITIES: Readonly<Record<AlertName, string>> = {
  SupervisorProcessFatal: 'critical',
  SupervisorProcessUnexpectedExit: 'warning',
};

export const SUMMARIES: Readonly<Record<AlertName, string>> = {
  SupervisorProcessFatal: 'supervisord has stopped trying to start a process.',
  SupervisorProcessUnexpectedExit: 'A process exited unexpectedly.',
};

/**
 * `labels` are those of the exporter: `job`, `instance`, and any others that the alerts of the
 * rules carry. `process` is what is known of the process now; undefined if it was removed.
 */
export function toPostableAlert(
  alert: Alert,
  labels: Labels,
  process: Readonly<Process> | undefined,
): PostableAlert {
  const { group, name } = alert.process;
  return {
    labels: { ...labels, alertname: alert.name, severity: SEVERITIES[alert.name], group, name },
    annotations: {
      summary: SUMMARIES[alert.name],
      description: describe(alert, labels['instance'] ?? '', process),
      runbook_url: runbookUrl(alert.name),
    },
    startsAt: toRfc3339(alert.startsAt),
    endsAt: toRfc3339(alert.endsAt),
  };
}

export function runbookUrl(alert: AlertName): string {
  return `RUNBOOK.md#${alert.toLowerCase()}`;
}

function describe(alert: Alert, instance: string, process: Readonly<Process> | undefined): string {
  const subject = `${displayName(alert.process)} on ${instance}`;
  switch (alert.name) {
    case 'SupervisorProcessFatal': {
      const reason =
        process?.spawnError === undefined ? '' : ` The last error was: ${process.spawnError}.`;
      return `${subject} is FATAL: it could not be started, and supervisord has stopped retrying.${reason}`;
    }
    case 'SupervisorProcessUnexpectedExit':
      return `${subject} exited unexpectedly${process === undefined ? '' : describeExit(process)}.`;
    default: {
      const unhandled: never = alert.name;
      throw new Error(`unhandled alert ${unhandled}`);
    }
  }
}

/** As supervisorctl prints it: without the group where that has the same name. */
function displayName({ group, name }: ProcessId): string {
  return group === name ? name : `${group}:${name}`;
}

/** Empty if the reason is not known. */
function describeExit({ lastUnexpectedExit }: Readonly<Process>): string {
  const reason = lastUnexpectedExit?.reason;
  if (reason?.kind === 'exited') return `, with status ${reason.exitCode}`;
  if (reason?.kind !== 'signalled') return '';
  return reason.signal === undefined
    ? ', killed by a signal'
    : `, killed by ${signalName(reason.signal)}`;
}

/** RFC 3339 has years of four digits; `toISOString` throws for a time that is out of Date's range. */
const LATEST_MS = Date.UTC(9999, 11, 31);

function toRfc3339(seconds: number): string {
  const ms = Number.isNaN(seconds) ? 0 : seconds * 1000;
  return new Date(Math.min(Math.max(ms, 0), LATEST_MS)).toISOString();
}
