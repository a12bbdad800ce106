/** A metric family with one series for each process, or one of its series where it has several. */

import type { Process } from '../processes/process.ts';
import type { ResourceUsage } from '../resources/resources.ts';
import type { ProcessId } from '../supervisor/process-id.ts';

export type View = Readonly<Process>;

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
  readonly isUnreported: (process: View) => boolean | undefined;
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
  /** No series is shown for an undefined value. */
  readonly value: (process: View, facts: FurtherFacts) => number | undefined;
  /** Labels after `name` and `group`, with a leading comma. Families that differ only in them are adjacent. */
  readonly fixedLabels?: string;
  /** Labels after `name` and `group` whose values change, without a comma. */
  readonly labels?: (process: View) => string;
  /** true: shown only with the collector "exit-reason"; false: only without it; undefined: always. */
  readonly ofExitReasons?: boolean;
}

export function headerOf({ name, type, help }: Family): string {
  const shown = type ?? (name.endsWith('_total') ? 'counter' : 'gauge');
  return `# HELP ${name} ${help}\n# TYPE ${name} ${shown}\n`;
}

export function labelsOf({ group, name }: ProcessId): string {
  return `name="${escapeLabel(name)}",group="${escapeLabel(group)}"`;
}

/** The text format escapes backslash, quote and newline in label values, and nothing else. */
export function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** 0 or 1; no sample for what is not known. */
export function toSample(fact: boolean | undefined): number | undefined {
  return fact === undefined ? undefined : Number(fact);
}
