/**
 * The process table in the Prometheus text format, 0.0.4.
 *
 * This is done here and not by prom-client because it is most of what a scrape shows, some
 * 20 series a process. It is written in pages, and a page is written, and compressed, anew
 * only when a value on it has changed.
 */

import { KeptText } from '../exposition/cached-text.ts';
import type { ProcessTable } from '../processes/table.ts';
import { TRANSITIONS, type Transition } from '../supervisor/states.ts';
import { Mutex } from '../util/mutex.ts';
import { TimeSlice } from '../util/time-slice.ts';
import {
  type Family,
  familiesShown,
  headOf,
  labelsOf,
  type Series,
  type ShownFamilies,
  seriesOfTransition,
  TRANSITIONS_METRIC,
  type View,
} from './processes.ts';

/** Lines of a page: takes a twentieth of a millisecond to write, and compresses as well as more. */
const PAGE_LINES = 500;

const NOTHING_READ = -1;

/** A series as it is written: with what stands before it. */
interface Column extends Series {
  readonly head: string;
}

/** Some columns, of some of the processes. */
class Page {
  readonly #columns: readonly Column[];
  /** Of each process. */
  readonly #labels: readonly string[];
  /** One column after the other. NaN: the process has no such series now. */
  readonly #values: Float64Array;
  /** Labels that may change, of those that have any; at the same places. */
  readonly #changing = new Map<number, string>();
  #text: KeptText | undefined;

  constructor(columns: readonly Column[], labels: readonly string[]) {
    this.#columns = columns;
    this.#labels = labels;
    this.#values = new Float64Array(columns.length * labels.length);
  }

  /** Takes the values of a process as they are now. */
  read(process: View, row: number): void {
    let index = row;
    for (const { value, labels } of this.#columns) {
      const now = value(process) ?? Number.NaN;
      if (!Object.is(this.#values[index], now)) {
        this.#values[index] = now;
        this.#text = undefined;
      }
      if (labels !== undefined && !Number.isNaN(now)) this.#readLabels(labels(process), index);
      index += this.#labels.length;
    }
  }

  /** The text of the values as they were read. */
  text(): KeptText {
    this.#text ??= new KeptText(this.#write());
    return this.#text;
  }

  #readLabels(labels: string, index: number): void {
    if (this.#changing.get(index) === labels) return;
    this.#changing.set(index, labels);
    this.#text = undefined;
  }

  /** Joined at the end: strings that are put together one by one are garbage three times the text. */
  #write(): string {
    const pieces: (string | number)[] = [];
    let index = 0;
    for (const { head, name, fixedLabels = '', labels: mayChange } of this.#columns) {
      const begin = `${name}{`;
      const close = `${fixedLabels}} `;
      pieces.push(head);
      for (const labels of this.#labels) {
        const value = this.#values[index] ?? Number.NaN;
        const end = mayChange === undefined ? close : `,${this.#changing.get(index)}${close}`;
        index += 1;
        if (!Number.isNaN(value)) pieces.push(begin, labels, end, value, '\n');
      }
    }
    return pieces.join('');
  }
}

/** Some of the processes, with the pages that show them. */
interface Block {
  readonly processes: readonly View[];
  readonly pages: readonly Page[];
}

export class ProcessText {
  readonly #table: ProcessTable;
  readonly #families: readonly Family[];
  /** Supervisor's twelve, and others that have been seen. */
  readonly #transitions = new Set<Transition>(TRANSITIONS);
  /** Of the table, as it was read. */
  #version = NOTHING_READ;
  #blocks: readonly Block[] = [];
  /** In the order of the format. */
  #pages: readonly Page[] = [];
  /** What is being written is not to be read anew meanwhile. */
  readonly #mutex = new Mutex();

  constructor(table: ProcessTable, shown: ShownFamilies) {
    this.#table = table;
    this.#families = familiesShown(shown);
  }

  /** Each process as it is at one moment, which is not before this is called. */
  render(): Promise<readonly KeptText[]> {
    return this.#mutex.run(() => this.#render());
  }

  async #render(): Promise<readonly KeptText[]> {
    const slices = new TimeSlice();
    if (this.#table.version !== this.#version) await this.#read(slices);
    const texts: KeptText[] = [];
    for (const page of this.#pages) {
      texts.push(page.text());
      await slices.pause();
    }
    return texts;
  }

  /** What changes meanwhile, and is read already, is read again next time. */
  async #read(slices: TimeSlice): Promise<void> {
    const { version } = this.#table;
    const processes = [...this.#table.values()];
    const areTransitionsNew = this.#noteTransitions(processes);
    if (areTransitionsNew || !this.#isLaidOutFor(processes)) this.#layOut(processes);
    for (const block of this.#blocks) {
      for (const [row, process] of block.processes.entries()) {
        if (process.revision <= this.#version) continue;
        for (const page of block.pages) page.read(process, row);
        await slices.pause();
      }
    }
    this.#version = version;
  }

  /** Whether there is a transition among those of the processes that was not known. */
  #noteTransitions(processes: readonly View[]): boolean {
    const known = this.#transitions.size;
    for (const { revision, transitions } of processes) {
      if (revision <= this.#version) continue;
      for (const transition of transitions.keys()) this.#transitions.add(transition);
    }
    return this.#transitions.size > known;
  }

  /** By the records themselves: a process that was removed and added back is another one. */
  #isLaidOutFor(processes: readonly View[]): boolean {
    const before = this.#blocks.flatMap((block) => block.processes);
    return (
      this.#blocks.length > 0 &&
      processes.length === before.length &&
      processes.every((process, index) => process === before[index])
    );
  }

  #layOut(processes: readonly View[]): void {
    // A page has either several columns of all processes, or one of some of them.
    const columnsOfPage = Math.max(1, Math.floor(PAGE_LINES / Math.max(1, processes.length)));
    const columns = columnsOf(this.#families, this.#transitions);
    this.#blocks = split(processes, PAGE_LINES).map((some, nth) => {
      const labels = some.map(({ id }) => labelsOf(id));
      const ofBlock = nth === 0 ? columns : columns.map((column) => ({ ...column, head: '' }));
      return {
        processes: some,
        pages: split(ofBlock, columnsOfPage).map((part) => new Page(part, labels)),
      };
    });
    this.#pages = split(columns, columnsOfPage).flatMap((_, nth) =>
      this.#blocks.flatMap(({ pages }) => pages[nth] ?? []),
    );
    this.#version = NOTHING_READ;
  }
}

/** All series in the order of the format, in which those of a metric are in one place. */
function columnsOf(families: readonly Family[], transitions: Iterable<Transition>): Column[] {
  return [
    ...families.map((family) => ({ ...family, head: headOf(family) })),
    ...Array.from(transitions, (transition, nth) => ({
      ...seriesOfTransition(transition),
      head: nth === 0 ? headOf(TRANSITIONS_METRIC) : '',
    })),
  ];
}

/** Parts of `size`, of which the last may be smaller; one that is empty where there is nothing. */
function split<Item>(items: readonly Item[], size: number): (readonly Item[])[] {
  const parts = [items.slice(0, size)];
  for (let begin = size; begin < items.length; begin += size) {
    parts.push(items.slice(begin, begin + size));
  }
  return parts;
}
