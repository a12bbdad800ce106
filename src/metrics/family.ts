/** A metric family with one series for each process, or one of its series where it has several. */

import type { Process } from '../processes/process.ts';
import type { ResourceUsage } from '../resources/resources.ts';
import type { ProcessId } from '../supervisor/process-id.ts';

export type View = Readonly<Process>;

export interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** `usage` is undefined where it is not known. No series is shown for an undefined value. */
  readonly value: (
    process: View,
    usage: ResourceUsage | undefined,
    upSeconds: number,
  ) => number | undefined;
  /** Labels after `name` and `group`, with a leading comma. Families that differ only in them are adjacent. */
  readonly fixedLabels?: string;
  /** Labels after `name` and `group` whose values change, without a comma. */
  readonly labels?: (process: View) => string;
  /** true: shown only with the collector "exit-reason"; false: only without it; undefined: always. */
  readonly ofExitReasons?: boolean;
}

export function headerOf({ name, type, help }: Family): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

export function labelsOf({ group, name }: ProcessId): string {
  return `name="${escapeLabel(name)}",group="${escapeLabel(group)}"`;
}

/** The text format escapes backslash, quote and newline in label values, and nothing else. */
export function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
