/**
 * The descriptions of pushed alerts: the sentences that the templates of
 * prometheus-rules/alerts.yml write. test/system/descriptions.test.ts compares them.
 */

import {
  coreDumpedOf,
  type ExitReason,
  exitSignalOf,
  exitStatusOf,
  mayHaveRun,
  oomKilledOf,
} from '../processes/termination.ts';
import type { ProcessId } from '../supervisor/process-id.ts';
import { signalName } from '../supervisor/signals.ts';
import type { AlertCause, FatalEnd, StartFailure, UnexpectedExit } from './active-alerts.ts';

/** Processes that SupervisorManyExits names. */
const MAX_NAMED = 10;

export function describe(cause: AlertCause, instance: string): string {
  switch (cause.name) {
    case 'SupervisorProcessFatal':
      return describeFatal(shortName(cause.process), instance, cause.failure, cause.end);
    case 'SupervisorProcessUnexpectedExit': {
      const name = shortName(cause.process);
      const { at, reason, recentExits } = cause.exit;
      const often = describeCount('Unexpected exits', recentExits);
      return `${name} on ${instance} exited unexpectedly at ${formatTime(at)}${describeReason(reason)}.${often} See "supervisorctl tail ${name} stderr". Resolved means that there was no further exit for two minutes.`;
    }
    case 'SupervisorProcessOomKilled': {
      const name = shortName(cause.process);
      const often = describeCount('OOM kills', cause.recentKills);
      return `${name} on ${instance} was killed by the kernel's OOM killer at ${formatTime(cause.at)}: its cgroup or the host ran out of memory.${often} See "dmesg -T | grep -i oom" on the host. Resolved means that there was no further OOM kill for two minutes.`;
    }
    case 'SupervisorProcessKilledAtStop': {
      const name = shortName(cause.process);
      const { stopWaitSeconds: wait, recentKills } = cause;
      const limit = wait === undefined ? '' : ` of ${wait} s`;
      const often = describeCount('Such kills', recentKills);
      return `${name} on ${instance} did not stop within its stopwaitsecs${limit}, so supervisord killed it at ${formatTime(cause.at)}.${often} See "supervisorctl tail ${name} stderr", or raise stopwaitsecs. Resolved means that there was no further such kill for two minutes.`;
    }
    case 'SupervisorManyExits':
      return describeManyExits(cause.exits, instance);
    default: {
      const unhandled: never = cause;
      throw new Error(`unhandled alert ${JSON.stringify(unhandled)}`);
    }
  }
}

/** Empty for the first one. */
function describeCount(what: string, count: number): string {
  return count < 2 ? '' : ` ${what} within ten minutes: ${count}.`;
}

function describeFatal(
  name: string,
  instance: string,
  { spawnError, reason }: StartFailure,
  end: FatalEnd | undefined,
): string {
  const ran = mayHaveRun(spawnError);
  const why = ran && reason !== undefined ? describeReason(reason) : '';
  return [
    `${name} on ${instance} is FATAL: supervisord could not start it and has stopped retrying.`,
    spawnError === undefined ? '' : ` The last start failed: ${spawnError}${why}.`,
    ran ? ` See "supervisorctl tail ${name} stderr".` : '',
    ` After the cause is removed: "supervisorctl start ${name}".`,
    ' Resolved means that it was started, stopped or removed.',
    end === undefined ? '' : ` It has been ${end} since.`,
  ].join('');
}

function describeManyExits(exits: readonly UnexpectedExit[], instance: string): string {
  const named = exits
    .slice(0, MAX_NAMED)
    .map(({ process, reason }) => `${shortName(process)}${describeReason(reason)}`);
  const partly = exits.length > MAX_NAMED ? ', among them' : '';
  return `${exits.length} processes on ${instance} exited unexpectedly within two minutes${partly}: ${named.join('; ')}. See "supervisorctl status". Resolved means that there were fewer than four within two minutes.`;
}

/** Empty where nothing is established. */
function describeReason(reason: ExitReason): string {
  const signal = exitSignalOf(reason);
  const status = exitStatusOf(reason);
  if (signal !== undefined && signal > 0) {
    const core = coreDumpedOf(reason) === true ? ' (core dumped)' : '';
    const oom = oomKilledOf(reason) === true ? ' (out of memory)' : '';
    return `, killed by ${signalName(signal)}${core}${oom}`;
  }
  if (status === undefined) return '';
  return status < 0 ? ', killed by a signal' : `, exit code ${status}`;
}

/** As supervisorctl takes it. */
function shortName({ group, name }: ProcessId): string {
  return group === name ? name : `${group}:${name}`;
}

/** As `humanizeTimestamp` of Prometheus' templates, its rounding included. */
function formatTime(seconds: number): string {
  const milliseconds = Math.floor(Math.trunc(seconds * 1e9) / 1e6);
  const iso = toIso(milliseconds);
  const [, date = '', time = '', fraction = ''] = /^(.+)T(.+)\.(\d+)Z$/.exec(iso) ?? [];
  const shown = fraction.replace(/0+$/, '');
  return `${date} ${time}${shown === '' ? '' : `.${shown}`} +0000 UTC`;
}

/** The range of Date (ECMA-262, 21.4.1.1). */
const MAX_DATE_MS = 8.64e15;

/** A time beyond the range of Date is set to its end. */
export function toIso(milliseconds: number): string {
  if (Number.isNaN(milliseconds)) return new Date(0).toISOString();
  return new Date(Math.min(Math.max(milliseconds, 0), MAX_DATE_MS)).toISOString();
}
