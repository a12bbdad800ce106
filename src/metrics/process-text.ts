/**
 * Writes the metrics of the processes in the Prometheus text format 0.0.4.
 *
 * prom-client is not used for them: they are most of a scrape, some 30 series for each
 * process. The text is divided into chunks, one for each family, and one for each of its
 * series where a family has several. A chunk is written and compressed again only when one of
 * its values has changed.
 */

import { CachedText } from '../exposition/cached-text.ts';
import type { Process } from '../processes/process.ts';
import type { Selection } from '../processes/selection.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { UpTimes } from '../processes/up-time.ts';
import type { UsageSource } from '../resources/resources.ts';
import { TRANSITIONS, type Transition } from '../supervisor/states.ts';
import { TimeSlice } from '../util/time-slice.ts';
import { COMPAT_FAMILIES, type Compat } from './compat.ts';
import {
  type ExitDetection,
  type FurtherFacts,
  formatLabels,
  headerOf,
  type Labels,
  type ProcessFamily,
} from './family.ts';
import { PROCESS_FAMILIES, transitionFamily } from './processes.ts';
import { IO_FAMILIES, USAGE_FAMILIES } from './usage.ts';

export interface ProcessTextOptions {
  /** Whether exit reasons are looked up. */
  readonly exitReasons: boolean;
  /** The exporter whose metrics to show as well. */
  readonly compat: Compat | undefined;
  readonly exits: ExitDetection;
  readonly upTimes: Pick<UpTimes, 'secondsOf'>;
  /** undefined: the collector "resources" is off. */
  readonly resources: UsageSource | undefined;
  /** Whether the collector also reads bytes, swap and context switches. */
  readonly resourcesIo: boolean;
  /** Which processes have series. */
  readonly selection: Selection;
}

/** One family, or one series of it, for all processes. */
class Chunk {
  readonly #family: ProcessFamily;
  /** Empty where an adjacent chunk before this one has the same family. */
  readonly #header: string;
  readonly #fixedLabels: string;
  /** For each process; NaN where it has no series. */
  readonly #values: Float64Array;
  readonly #changingLabels: string[] = [];
  #text: CachedText | undefined;

  constructor(family: ProcessFamily, header: string, processCount: number) {
    this.#family = family;
    this.#header = header;
    this.#fixedLabels = withComma(family.fixedLabels ?? {});
    this.#values = new Float64Array(processCount);
  }

  update(row: number, process: Readonly<Process>, facts: FurtherFacts): void {
    const { value, labels } = this.#family;
    const current = value(process, facts) ?? Number.NaN;
    if (!Object.is(this.#values[row], current)) {
      this.#values[row] = current;
      this.#text = undefined;
    }
    if (labels === undefined || Number.isNaN(current)) return;
    const currentLabels = withComma(labels(process));
    if (this.#changingLabels[row] === currentLabels) return;
    this.#changingLabels[row] = currentLabels;
    this.#text = undefined;
  }

  text(labelsOfRows: readonly string[]): CachedText {
    this.#text ??= new CachedText(this.#write(labelsOfRows));
    return this.#text;
  }

  /** Joins the pieces at the end: concatenating strings takes three times the memory meanwhile. */
  #write(labelsOfRows: readonly string[]): string {
    const { name } = this.#family;
    const pieces: (string | number)[] = [this.#header];
    for (const [row, rowLabels] of labelsOfRows.entries()) {
      const value = this.#values[row] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const changing = this.#changingLabels[row] ?? '';
      pieces.push(name, '{', rowLabels, changing, this.#fixedLabels, '} ', value, '\n');
    }
    return pieces.join('');
  }
}

export class ProcessText {
  readonly #table: ProcessTable;
  readonly #options: ProcessTextOptions;
  /** The twelve of Supervisor's state diagram, and any other that was seen. */
  readonly #transitions = new Set<Transition>(TRANSITIONS);
  #processes: readonly Readonly<Process>[] = [];
  #labels: readonly string[] = [];
  #chunks: readonly Chunk[] = [];

  constructor(table: ProcessTable, options: ProcessTextOptions) {
    this.#table = table;
    this.#options = options;
    this.#chunks = this.#createChunks();
  }

  /**
   * The values of each process are of one moment, which is after the call. Must not be called before
   * the previous call has settled.
   */
  async render(): Promise<readonly CachedText[]> {
    const slice = new TimeSlice();
    const { upTimes, resources, exits } = this.#options;
    this.#adoptTable();
    for (const [row, process] of this.#processes.entries()) {
      const usage = resources?.usageOf(process);
      const upSeconds = upTimes.secondsOf(process, performance.now() / 1000);
      const facts = { usage, upSeconds, exits };
      for (const chunk of this.#chunks) chunk.update(row, process, facts);
      if (slice.isOver) await slice.pause();
    }
    const texts: CachedText[] = [];
    for (const chunk of this.#chunks) {
      texts.push(chunk.text(this.#labels));
      await slice.pause();
    }
    return texts;
  }

  /** Discards all chunks when processes were added or removed, or a new transition was seen. */
  #adoptTable(): void {
    const { isSelected } = this.#options.selection;
    const processes = [...this.#table.values()].filter(({ id }) => isSelected(id));
    const transitionCount = this.#transitions.size;
    for (const { transitions } of processes) {
      for (const transition of transitions.keys()) this.#transitions.add(transition);
    }
    // By the record: a process that was removed and added again has a new one.
    const isSame =
      transitionCount === this.#transitions.size &&
      processes.length === this.#processes.length &&
      processes.every((process, row) => process === this.#processes[row]);
    if (isSame) return;
    this.#processes = processes;
    this.#labels = processes.map(({ id: { name, group } }) => formatLabels({ name, group }));
    this.#chunks = this.#createChunks();
  }

  #createChunks(): Chunk[] {
    const families = familiesShown(this.#options, this.#transitions);
    return families.map((family, nth) => {
      const isContinued = families[nth - 1]?.name === family.name;
      return new Chunk(family, isContinued ? '' : headerOf(family), this.#processes.length);
    });
  }
}

/** Labels that follow others. */
function withComma(labels: Labels): string {
  const text = formatLabels(labels);
  return text === '' ? '' : `,${text}`;
}

function familiesShown(
  { exitReasons, compat, resources, resourcesIo }: ProcessTextOptions,
  transitions: Iterable<Transition>,
): ProcessFamily[] {
  return [
    ...PROCESS_FAMILIES.filter(({ ofExitReasons = exitReasons }) => ofExitReasons === exitReasons),
    ...Array.from(transitions, transitionFamily),
    ...(resources === undefined ? [] : USAGE_FAMILIES),
    ...(resources !== undefined && resourcesIo ? IO_FAMILIES : []),
    ...(compat === undefined ? [] : COMPAT_FAMILIES[compat]),
  ];
}
