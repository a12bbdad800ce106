/** What a soak has come to. */

import type { Exposition } from '../test/support/exposition.ts';
import type { Comparison } from './comparison.ts';
import type { Prometheus } from './prometheus.ts';
import { formatGoals, formatTable, type Goal } from './report.ts';
import { type Growth, growthOf, type Vitals } from './vitals.ts';

export interface Outcome {
  readonly minutes: number;
  /** How many programs there are counts of. */
  readonly programs: number;
  /** All while the storm went on; then once it was calm. */
  readonly history: readonly Vitals[];
  readonly calm: Vitals;
  readonly comparisons: readonly Comparison[];
  /** Processes that are not shown as they are. */
  readonly misshown: readonly string[];
  readonly metrics: Exposition;
  /** Events that supervisord had no room for: the exporter can't have counted them. */
  readonly discarded: number;
  /** How far the exporter has been behind at the most, in starts of programs. */
  readonly furthestBehind: number;
  readonly groupsRemoved: number;
  readonly scrapedBy: readonly Prometheus[];
}

interface Vital {
  readonly what: string;
  /** From the start on, without a warm-up. */
  readonly isSteady: boolean;
  readonly growth: Growth;
  readonly allowed: number;
}

/** In a shorter soak the second quarter is warm-up, too. */
const JUDGED_FROM_MINUTES = 8;
const RESIDENT_ALLOWED = { share: 0.05, mb: 4 };
const HEAP_ALLOWED = { share: 0.2, mb: 4 };
const DESCRIPTORS_ALLOWED = 2;

/** Prints it all; whether every goal is reached. */
export function reportSoak(outcome: Outcome): boolean {
  const vitals = vitalsIn(outcome);
  const isLong = outcome.minutes >= JUDGED_FROM_MINUTES;
  const goals = [
    ...goalsOfCounts(outcome),
    ...vitals.filter(({ isSteady }) => isSteady || isLong).map(goalOfVital),
  ];
  console.log(`${outcome.minutes} min, counts of ${outcome.programs} programs.\n`);
  console.log(formatTable(tableOfCounts(outcome.comparisons)));
  console.log(`\n${formatTable(tableOfVitals(vitals))}`);
  console.log(`\n${formatTable(tableOfHardship(outcome))}`);
  console.log(`\n${formatGoals(goals)}`);
  if (!isLong) console.log(`memory is not judged in less than ${JUDGED_FROM_MINUTES} min`);
  return goals.every(({ isReached }) => isReached);
}

function tableOfCounts(comparisons: readonly Comparison[]): string[][] {
  return [
    ['', 'counted', 'logged'],
    ...comparisons.map(({ kind, counted, logged }) => [kind, String(counted), String(logged)]),
  ];
}

function vitalsIn({ history, calm }: Outcome): Vital[] {
  const resident = growthOf(history, 'residentMb');
  const heap = growthOf(history, 'heapMb');
  const allowed = (growth: Growth, { share, mb }: { share: number; mb: number }) =>
    Math.max(share * growth.before, mb);
  return [
    {
      what: 'resident memory, MB',
      isSteady: false,
      growth: resident,
      allowed: allowed(resident, RESIDENT_ALLOWED),
    },
    {
      what: 'heap in use, MB',
      isSteady: false,
      growth: heap,
      allowed: allowed(heap, HEAP_ALLOWED),
    },
    {
      what: 'descriptors',
      isSteady: true,
      growth: { before: history[0]?.descriptors ?? Number.NaN, after: calm.descriptors },
      allowed: DESCRIPTORS_ALLOWED,
    },
    {
      what: 'gaps in the serials',
      isSteady: true,
      growth: { before: history[0]?.serialGaps ?? Number.NaN, after: calm.serialGaps },
      allowed: 0,
    },
  ];
}

function tableOfVitals(vitals: readonly Vital[]): string[][] {
  return [
    ['', 'before', 'after', 'growth', 'allowed'],
    ...vitals.map(({ what, growth, allowed }) => [
      what,
      ...[growth.before, growth.after, growth.after - growth.before, allowed].map(rounded),
    ]),
  ];
}

/** That there was a storm, and of what kind. */
function tableOfHardship({
  metrics,
  furthestBehind,
  groupsRemoved,
  scrapedBy,
}: Outcome): string[][] {
  const of = (name: string, labels = {}) => metrics.sum(`supervisord_exporter_${name}`, labels);
  return [
    ['events', String(of('events_total'))],
    ['of them redelivered', String(of('events_redelivered_total'))],
    ['groups that came and went', String(groupsRemoved)],
    ['snapshots', String(of('resyncs_total'))],
    ['of them on a gap in the serials', String(of('resyncs_total', { trigger: 'gap' }))],
    ['behind at the most, in starts', String(furthestBehind)],
    ['scrapes', String(sum(scrapedBy.map(({ scrapes }) => scrapes)))],
    ['the slowest, ms', Math.max(...scrapedBy.map(({ slowestMs }) => slowestMs)).toFixed(0)],
  ];
}

function goalsOfCounts({ comparisons, misshown, metrics, discarded, scrapedBy }: Outcome): Goal[] {
  const none = (what: string, found: readonly string[]) => ({
    what,
    value: found.length === 0 ? '0' : `${found.length} (${found.slice(0, 3).join('; ')})`,
    goal: 'none',
    isReached: found.length === 0,
  });
  const zero = (what: string, value: number | undefined) => ({
    what,
    value: String(value),
    goal: '0',
    isReached: value === 0,
  });
  const of = (name: string) => metrics.sum(`supervisord_exporter_${name}`);
  return [
    ...comparisons.map(({ kind, differing }) =>
      none(`programs whose count of "${kind}" differs`, differing),
    ),
    none('processes not shown as they are', misshown),
    zero('events that supervisord had no room for', discarded),
    zero('events lost', of('events_lost_total')),
    zero('events not understood', of('events_malformed_total')),
    zero('states corrected', of('resync_corrections_total')),
    zero('snapshots failed', of('resync_failures_total')),
    zero('scrapes failed', sum(scrapedBy.map(({ failures }) => failures))),
  ];
}

function goalOfVital({ what, growth, allowed }: Vital): Goal {
  const grown = growth.after - growth.before;
  return {
    what: `growth of ${what}`,
    value: rounded(grown),
    goal: `at most ${rounded(allowed)}`,
    isReached: grown <= allowed,
  };
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
