/** Checks of what a running exporter reports about itself. */

import { checkAlertmanager } from './check-alerts.ts';
import type { Control } from './control.ts';
import type { ExporterFacts, ExporterNumbers } from './facts.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** Two ticks of a minute each are overdue, as for the exporter's own watchdog. */
const STALE_TICK_SECONDS = 150;
/** An exporter that has run this long has received a tick. */
const FIRST_TICK_SECONDS = 120;
/** An exporter that has run this long has taken its first snapshot. */
const FIRST_SNAPSHOT_SECONDS = 15;

export function checkHealth(
  { processes, ports, alertmanagers, alertLabels }: ExporterFacts,
  control: Control,
): Finding[] {
  const ofAlertmanagers = alertmanagers.flatMap((each) =>
    checkAlertmanager(each, alertLabels, control.update),
  );
  const process = processes?.find(({ state }) => state === 'RUNNING');
  const [numbers] = (ports ?? []).flatMap(({ owner }) =>
    owner.kind === 'exporter' && owner.numbers !== undefined ? [owner.numbers] : [],
  );
  if (process === undefined || numbers === undefined) return ofAlertmanagers;
  const runsFor = process.now - process.start;
  return [
    checkArrival(runsFor, numbers, control),
    ...checkSynced(runsFor, numbers, control),
    ...checkEventCounts(numbers, control),
    ...numbers.failedCollectors.map((collector) =>
      fail(
        'collector',
        `${collector} fails`,
        `find the reason in the exporter's log: ${control.run('tail')}`,
      ),
    ),
    ...ofAlertmanagers,
    ...numbers.failedAlerts.map(({ alertmanager, count }) =>
      warn(
        'alerts',
        `${alertmanager} did not accept ${count} alerts since the exporter started`,
        `find the reason in the exporter's log: ${control.run('tail')}; to reset the number: ${control.run('restart')}`,
      ),
    ),
  ];
}

function checkSynced(runsFor: number, { isSynced }: ExporterNumbers, control: Control): Finding[] {
  if (isSynced === undefined) return [];
  if (isSynced) return [ok('synced', 'the exporter knows every process')];
  if (runsFor < FIRST_SNAPSHOT_SECONDS) {
    return [
      warn(
        'synced',
        'the exporter waits for its first snapshot',
        'run doctor again in a few seconds',
      ),
    ];
  }
  return [
    fail(
      'synced',
      'the exporter does not know every process: it has received no usable snapshot',
      `find the reason in its log: ${control.run('tail')}`,
    ),
  ];
}

function checkEventCounts(
  { eventsLost, eventsMalformed }: ExporterNumbers,
  control: Control,
): Finding[] {
  const findings: Finding[] = [];
  if (eventsLost > 0) {
    findings.push(
      warn(
        'lost events',
        `supervisord has discarded ${eventsLost} since the exporter started`,
        `raise buffer_size if the number grows; to reset the number: ${control.run('restart')}`,
      ),
    );
  }
  if (eventsMalformed > 0) {
    findings.push(
      fail(
        'malformed',
        `the exporter skipped ${eventsMalformed} events since it started that it could not parse or that were too long, and did not count what they reported`,
        `find the reason in its log: ${control.run('tail')}`,
      ),
    );
  }
  return findings;
}

function checkArrival(runsFor: number, numbers: ExporterNumbers, control: Control): Finding {
  const fix = `${control.run('restart')}; if it happens again, find what else writes to the exporter's stdout, such as a shell that runs it`;
  if (numbers.lastTick !== undefined) {
    const age = Math.round(numbers.now - numbers.lastTick);
    return age > STALE_TICK_SECONDS
      ? fail(
          'delivery',
          `the last tick arrived ${age} s ago: supervisord has stopped sending events`,
          fix,
        )
      : ok('delivery', `events arrive; the last tick ${age} s ago`);
  }
  if (runsFor > FIRST_TICK_SECONDS) {
    return fail('delivery', `no tick has arrived in ${runsFor} s`, fix);
  }
  return ok('delivery', `${numbers.events} events received, waiting for the first tick`);
}
