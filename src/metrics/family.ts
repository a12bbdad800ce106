/** How a metric family is described, and the parts of the text format. */

import type { Process } from '../processes/process.ts';
import type { ResourceUsage } from '../resources/resources.ts';

/** What is known of a process besides its record in the table. */
export interface FurtherFacts {
  readonly upSeconds: number;
  /** Undefined where it is not known. */
  readonly usage: ResourceUsage | undefined;
  readonly exits: ExitDetection;
}

/** What the detection of exits knows. */
export interface ExitDetection {
  /** Whether the process is gone without an event; undefined where that cannot be read. */
  readonly isUnreported: (process: Readonly<Process>) => boolean | undefined;
  /** Whether OOM kills of processes can be detected. */
  readonly countsOomKills: boolean;
  /** Whether kills at a stop can be detected. */
  readonly countsStopKills: boolean;
}

export interface Family {
  readonly name: string;
  /** By default a name that ends in _total is that of a counter, and any other that of a gauge. */
  readonly type?: 'gauge' | 'counter';
  readonly help: string;
}

export type Labels = Readonly<Record<string, string>>;

/** A family with one series for each process, or one of these series where it has several. */
export interface ProcessFamily extends Family {
  /** No series is shown for an undefined value. */
  readonly value: (process: Readonly<Process>, facts: FurtherFacts) => number | undefined;
  /** Labels after `name` and `group`. Families that differ only in them are adjacent. */
  readonly fixedLabels?: Labels;
  /** Labels after `name` and `group` whose values change. */
  readonly labels?: (process: Readonly<Process>) => Labels;
  /** true: shown only with the collector "exit-reason"; false: only without it; undefined: always. */
  readonly ofExitReasons?: boolean;
}

export function headerOf({ name, type, help }: Family): string {
  const shown = type ?? (name.endsWith('_total') ? 'counter' : 'gauge');
  return `# HELP ${name} ${help}\n# TYPE ${name} ${shown}\n`;
}

/** Labels as they are written between the braces. */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

/** The text format escapes backslash, quote and newline in label values, and nothing else. */
function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** 0 or 1; no sample for what is not known. */
export function toSample(fact: boolean | undefined): number | undefined {
  return fact === undefined ? undefined : Number(fact);
}
