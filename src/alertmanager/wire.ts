/** Alerts as Alertmanager's API v2 takes them (POST /api/v2/alerts). */

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

/** `labels` are those of the exporter: `job`, `instance`, and whatever the rules' alerts get besides. */
export function toWire(alert: Alert, labels: Labels): WireAlert {
  const { group, name } = alert.process;
  return {
    labels: { ...labels, alertname: alert.name, severity: SEVERITIES[alert.name], group, name },
    annotations: {
      summary: SUMMARIES[alert.name],
      description: describe(alert, labels['instance'] ?? ''),
    },
    startsAt: toRfc3339(alert.startsAt),
    endsAt: toRfc3339(alert.endsAt),
  };
}

function describe({ name: alert, process }: Alert, instance: string): string {
  const who = `${process.group}:${process.name} on ${instance}`;
  switch (alert) {
    case 'SupervisorProcessFatal':
      return `${who} is FATAL: it could not be started and supervisord does not try any more.`;
    case 'SupervisorProcessUnexpectedExit':
      return `${who} has exited with a code that is not among its exitcodes, or by a signal.`;
    default: {
      const unhandled: never = alert;
      throw new Error(`unhandled alert ${unhandled}`);
    }
  }
}

function toRfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
