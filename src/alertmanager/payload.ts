/** Alerts in the form of Alertmanager's API v2 (`postableAlert`). */

import type { LogTail } from '../processes/log-tail.ts';
import { formatAddress, type ListenAddress } from '../util/address.ts';
import type { Alert, AlertName } from './active-alerts.ts';
import { describe, toIso } from './description.ts';

export type Labels = Readonly<Record<string, string>>;

export interface PostableAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  /** RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
}

/** An alert as it is sent. */
export interface SerializedAlert {
  /** Alertmanager identifies an alert by its labels. */
  readonly key: string;
  readonly json: string;
}

/** Labels that identify an alert, and so cannot be set by the user. */
export const OWN_LABELS: readonly string[] = ['alertname', 'severity', 'name', 'group'];

export interface PayloadOptions {
  /** `job`, `instance` and any that Prometheus adds to the rules' alerts. */
  readonly labels: Labels;
  /** Where the runbook is published; a section is its fragment. */
  readonly runbookUrl: string;
}

/**
 * The labels of every pushed alert. `instance` is by default the address at which Prometheus is
 * expected to scrape this exporter. `given`, the labels of the user, override the defaults.
 */
export function pushedLabels(address: ListenAddress, hostname: string, given: Labels): Labels {
  const host = address.host === '' ? hostname : address.host;
  return { job: 'supervisor', instance: formatAddress({ host, port: address.port }), ...given };
}

/** The parts of an alert that are the same whatever happened. */
interface Fixed {
  readonly severity: 'critical' | 'warning' | 'info';
  readonly summary: string;
}

/** What a test compares with the rules. */
export const FIXED: Readonly<Record<AlertName, Fixed>> = {
  SupervisorProcessFatal: {
    severity: 'critical',
    summary: 'supervisord has stopped trying to start a process.',
  },
  SupervisorProcessUnexpectedExit: {
    severity: 'warning',
    summary: 'A process exited unexpectedly.',
  },
  SupervisorProcessOomKilled: {
    severity: 'critical',
    summary: 'A process was killed because memory ran out.',
  },
  SupervisorProcessKilledAtStop: {
    severity: 'info',
    summary: 'A process did not stop in time and was killed.',
  },
  SupervisorManyExits: {
    severity: 'critical',
    summary: 'Many processes exited unexpectedly.',
  },
};

export function toPostableAlert(
  alert: Alert,
  { labels, runbookUrl }: PayloadOptions,
  logTail?: LogTail,
): PostableAlert {
  const { severity, summary } = FIXED[alert.name];
  const ofProcess =
    'process' in alert ? { group: alert.process.group, name: alert.process.name } : {};
  return {
    labels: { ...labels, alertname: alert.name, severity, ...ofProcess },
    annotations: {
      summary,
      description: describe(alert, labels['instance'] ?? ''),
      runbook_url: `${runbookUrl}#${alert.name.toLowerCase()}`,
      ...(logTail !== undefined && logTail.at === endOfRun(alert)
        ? { log_tail: logTail.text }
        : {}),
    },
    startsAt: toIso(alert.startsAt * 1000),
    endsAt: toIso(alert.endsAt * 1000),
  };
}

export function serialize(alert: PostableAlert): SerializedAlert {
  return { key: JSON.stringify(alert.labels), json: JSON.stringify(alert) };
}

/** When the run of the alert ended, in epoch seconds; undefined for alerts without a log tail. */
function endOfRun(alert: Alert): number | undefined {
  switch (alert.name) {
    case 'SupervisorProcessFatal':
      return alert.failure.at;
    case 'SupervisorProcessUnexpectedExit':
      return alert.exit.at;
    case 'SupervisorProcessOomKilled':
      return alert.at;
    case 'SupervisorProcessKilledAtStop':
    case 'SupervisorManyExits':
      return undefined;
    default: {
      const unhandled: never = alert;
      throw new Error(`unhandled alert ${JSON.stringify(unhandled)}`);
    }
  }
}
