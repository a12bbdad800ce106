/** Compares a soak's counts with supervisord's log, and reports growth. */

import { closeSync, openSync, readSync } from 'node:fs';
import { type ProgramAccount, readAccount, readDiscarded } from '../test/support/account.ts';
import type { Exposition } from '../test/support/exposition.ts';
import { descriptorsOf, residentBytes } from './proc.ts';
import { atMost, formatTable, type Goal, reportGoals } from './report.ts';
import type { ProcessInfo } from './rpc.ts';
import type { SteadyScraper } from './soak-load.ts';
import { median } from './statistics.ts';

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;

/** Counts starts, exits and stops per process in supervisord's log, incrementally. */
export class LogAccount {
  readonly #fd: number;
  readonly #isWanted: (name: string) => boolean;
  readonly #processes = new Map<string, ProgramAccount>();
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);
  #position = 0;
  #discarded = 0;

  /** Counts wanted processes only, so that its memory does not grow with every new name. */
  constructor(file: string, isWanted: (name: string) => boolean) {
    this.#fd = openSync(file, 'r');
    this.#isWanted = isWanted;
  }

  get processes(): ReadonlyMap<string, Readonly<ProgramAccount>> {
    return this.#processes;
  }

  /** Events that supervisord has discarded from the exporter's queue, by its log. */
  get discarded(): number {
    return this.#discarded;
  }

  /** Reads what was appended, up to the last complete line. */
  readOn(): void {
    for (;;) {
      const size = readSync(this.#fd, this.#chunk, 0, CHUNK_BYTES, this.#position);
      const whole = this.#chunk.subarray(0, size).lastIndexOf(NEWLINE) + 1;
      if (whole === 0) return;
      this.#count(this.#chunk.toString('utf8', 0, whole));
      this.#position += whole;
    }
  }

  sum(what: keyof ProgramAccount): number {
    return [...this.#processes.values()].reduce((total, account) => total + account[what], 0);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #count(lines: string): void {
    this.#discarded += readDiscarded(lines);
    for (const [name, account] of readAccount(lines)) {
      if (this.#isWanted(name))
        this.#processes.set(name, addAccounts(account, this.#processes.get(name)));
    }
  }
}

function addAccounts(one: ProgramAccount, other: ProgramAccount | undefined): ProgramAccount {
  if (other === undefined) return one;
  return {
    spawned: one.spawned + other.spawned,
    exited: one.exited + other.exited,
    unexpected: one.unexpected + other.unexpected,
    stopped: one.stopped + other.stopped,
  };
}

/** The metric that corresponds to each kind of line in supervisord's log. */
const COUNTS: Readonly<
  Record<keyof ProgramAccount, (metrics: Exposition, name: string) => number>
> = {
  spawned: (metrics, name) =>
    metrics.sum('supervisord_process_transitions_total', { name, to: 'STARTING' }),
  exited: (metrics, name) => metrics.sum('supervisord_process_exits_total', { name }),
  unexpected: (metrics, name) =>
    metrics.sum('supervisord_process_unexpected_exits_total', { name }),
  stopped: (metrics, name) =>
    metrics.sum('supervisord_process_transitions_total', { name, from: 'STOPPING' }),
};
const KINDS = Object.keys(COUNTS) as (keyof ProgramAccount)[];

export interface Comparison {
  readonly kind: string;
  readonly counted: number;
  readonly logged: number;
  /** Processes with different counts. */
  readonly differing: readonly string[];
}

export function compareCounts(
  metrics: Exposition,
  accounts: ReadonlyMap<string, Readonly<ProgramAccount>>,
): Comparison[] {
  return KINDS.map((kind) => {
    const counts = [...accounts].map(([name, account]) => ({
      name,
      counted: COUNTS[kind](metrics, name),
      logged: account[kind],
    }));
    return {
      kind,
      counted: counts.reduce((total, { counted }) => total + counted, 0),
      logged: counts.reduce((total, { logged }) => total + logged, 0),
      differing: counts
        .filter(({ counted, logged }) => counted !== logged)
        .map(({ name, counted, logged }) => `${name}: ${counted} counted, ${logged} logged`),
    };
  });
}

/** Processes that only one side has, or whose states differ. */
export function compareStates(metrics: Exposition, processes: readonly ProcessInfo[]): string[] {
  const key = (group: string | undefined, name: string | undefined) => `${group}:${name}`;
  const shown = new Map(
    metrics
      .where('supervisord_state')
      .map(({ labels, value }) => [key(labels['group'], labels['name']), value]),
  );
  const real = new Map(processes.map(({ group, name, state }) => [key(group, name), state]));
  return [...new Set([...shown.keys(), ...real.keys()])]
    .filter((process) => shown.get(process) !== real.get(process))
    .map(
      (process) => `${process}: state ${shown.get(process)} shown, actually ${real.get(process)}`,
    );
}

export interface Vitals {
  readonly residentMb: number;
  readonly heapMb: number;
  readonly descriptors: number;
  readonly serialGaps: number;
}

export interface Growth {
  readonly before: number;
  readonly after: number;
}

const MB = 2 ** 20;

export function vitalsOf(pid: number, metrics: Exposition): Vitals {
  return {
    residentMb: residentBytes(pid) / MB,
    heapMb: (metrics.value('nodejs_heap_size_used_bytes') ?? Number.NaN) / MB,
    descriptors: descriptorsOf(pid),
    serialGaps: metrics.value('supervisord_exporter_serial_gaps') ?? Number.NaN,
  };
}

/** Compares the median of the last quarter with that of the second. The first quarter is warm-up. */
export function growthOf(history: readonly Vitals[], what: keyof Vitals): Growth {
  const quarter = (nth: number) =>
    history
      .slice(Math.floor((history.length * (nth - 1)) / 4), Math.floor((history.length * nth) / 4))
      .map((vitals) => vitals[what]);
  return { before: median(quarter(2)), after: median(quarter(4)) };
}

export interface Outcome {
  readonly minutes: number;
  /** How many processes were counted. */
  readonly processes: number;
  /** Samples taken under load. */
  readonly history: readonly Vitals[];
  /** Taken after the load has ended. */
  readonly final: Vitals;
  readonly comparisons: readonly Comparison[];
  /** Processes that are shown in a wrong state. */
  readonly wrongStates: readonly string[];
  readonly metrics: Exposition;
  /** Events that supervisord discarded, which the exporter cannot have counted. */
  readonly discarded: number;
  /** The largest number of starts that were logged but not counted yet. */
  readonly largestLag: number;
  readonly groupsRemoved: number;
  readonly scrapers: readonly SteadyScraper[];
}

interface Vital {
  readonly what: string;
  /** Whether it needs no warm-up. */
  readonly isSteady: boolean;
  readonly growth: Growth;
  readonly allowed: number;
}

/** In a shorter soak, warm-up extends into the second quarter. */
const JUDGED_FROM_MINUTES = 8;
const RESIDENT_ALLOWED = { share: 0.05, mb: 4 };
const HEAP_ALLOWED = { share: 0.2, mb: 4 };
const DESCRIPTORS_ALLOWED = 2;

export function reportSoak(outcome: Outcome): void {
  const vitals = vitalsIn(outcome);
  const isLong = outcome.minutes >= JUDGED_FROM_MINUTES;
  const goals = [
    ...goalsOfCounts(outcome),
    ...vitals.filter(({ isSteady }) => isSteady || isLong).map(goalOfVital),
  ];
  console.log(`${outcome.minutes} min, counts of ${outcome.processes} processes.\n`);
  console.log(formatTable(tableOfCounts(outcome.comparisons)));
  console.log(`\n${formatTable(tableOfVitals(vitals))}`);
  console.log(`\n${formatTable(tableOfLoad(outcome))}`);
  if (!isLong) {
    console.log(`\nmemory is not judged in a soak of less than ${JUDGED_FROM_MINUTES} min`);
  }
  reportGoals(goals);
}

function tableOfCounts(comparisons: readonly Comparison[]): string[][] {
  return [
    ['', 'counted', 'logged'],
    ...comparisons.map(({ kind, counted, logged }) => [kind, String(counted), String(logged)]),
  ];
}

function vitalsIn({ history, final }: Outcome): Vital[] {
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
      growth: { before: history[0]?.descriptors ?? Number.NaN, after: final.descriptors },
      allowed: DESCRIPTORS_ALLOWED,
    },
    {
      what: 'gaps in the serials',
      isSteady: true,
      growth: { before: history[0]?.serialGaps ?? Number.NaN, after: final.serialGaps },
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

function tableOfLoad({ metrics, largestLag, groupsRemoved, scrapers }: Outcome): string[][] {
  const of = (name: string, labels = {}) => metrics.sum(`supervisord_exporter_${name}`, labels);
  return [
    ['events', String(of('events_total'))],
    ['of them redelivered', String(of('events_redelivered_total'))],
    ['groups removed', String(groupsRemoved)],
    ['snapshots', String(of('resyncs_total'))],
    ['of them triggered by a gap in the serials', String(of('resyncs_total', { trigger: 'gap' }))],
    ['largest lag, in starts', String(largestLag)],
    ['scrapes', String(sum(scrapers.map(({ scrapes }) => scrapes)))],
    ['slowest scrape, ms', Math.max(...scrapers.map(({ slowestMs }) => slowestMs)).toFixed(0)],
  ];
}

function goalsOfCounts({
  comparisons,
  wrongStates,
  metrics,
  discarded,
  scrapers,
}: Outcome): Goal[] {
  const none = (what: string, found: readonly string[]) => ({
    what: `storm: ${what}`,
    value: found.length === 0 ? '0' : `${found.length} (${found.slice(0, 3).join('; ')})`,
    goal: 'none',
    isReached: found.length === 0,
  });
  const zero = (what: string, value: number | undefined) => ({
    what: `storm: ${what}`,
    value: String(value),
    goal: '0',
    isReached: value === 0,
  });
  const of = (name: string) => metrics.sum(`supervisord_exporter_${name}`);
  return [
    none(
      'processes whose counts differ',
      comparisons.flatMap(({ kind, differing }) => differing.map((name) => `${kind} of ${name}`)),
    ),
    none('processes shown in a wrong state', wrongStates),
    zero('events discarded by supervisord', discarded),
    zero('events lost', of('events_lost_total')),
    zero('malformed events', of('events_malformed_total')),
    zero('states corrected', of('resync_corrections_total')),
    zero('snapshots failed', of('resync_failures_total')),
    zero('scrapes failed', sum(scrapers.map(({ failures }) => failures))),
  ];
}

function goalOfVital({ what, growth, allowed }: Vital): Goal {
  return atMost(`growth of ${what}`, growth.after - growth.before, allowed, rounded);
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
