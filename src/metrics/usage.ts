/** The metrics of what each program uses: the last reading of /proc, written out. */

import { KeptText } from '../exposition/cached-text.ts';
import type { Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { Usage, UsageSource } from '../resources/resources.ts';
import { Mutex } from '../util/mutex.ts';
import { TimeSlice } from '../util/time-slice.ts';
import { headOf, labelsOf, type Metric } from './processes.ts';

interface Series {
  /** Behind those that every process has. */
  readonly labels?: string;
  /** undefined: the process has no such series now. */
  readonly value: (usage: Usage) => number | undefined;
}

interface Family extends Metric {
  readonly series: readonly Series[];
}

const FAMILIES: readonly Family[] = [
  {
    name: 'supervisord_process_cpu_seconds_total',
    type: 'counter',
    help: 'CPU time that the process and its descendants have used, those that have ended included.',
    series: [
      { labels: ',mode="user"', value: ({ cpuUserSeconds }) => cpuUserSeconds },
      { labels: ',mode="system"', value: ({ cpuSystemSeconds }) => cpuSystemSeconds },
    ],
  },
  {
    name: 'supervisord_process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process and its descendants; what they share counts for each.',
    series: [{ value: ({ residentBytes }) => residentBytes }],
  },
  {
    name: 'supervisord_process_virtual_memory_bytes',
    type: 'gauge',
    help: 'Virtual memory of the process and its descendants.',
    series: [{ value: ({ virtualBytes }) => virtualBytes }],
  },
  {
    name: 'supervisord_process_threads',
    type: 'gauge',
    help: 'Threads of the process and its descendants.',
    series: [{ value: ({ threads }) => threads }],
  },
  {
    name: 'supervisord_process_open_fds',
    type: 'gauge',
    help: 'Open file descriptors of the process and its descendants.',
    series: [{ value: ({ openFds }) => openFds }],
  },
  {
    name: 'supervisord_process_max_fds',
    type: 'gauge',
    help: 'How many file descriptors the process itself may have open: its soft limit.',
    series: [{ value: ({ maxFds }) => maxFds }],
  },
  {
    name: 'supervisord_process_subprocesses',
    type: 'gauge',
    help: 'Processes in the tree of the process: itself and its descendants, zombies included.',
    series: [{ value: ({ processes }) => processes }],
  },
];

/** What is written of one process for one family, and the values that it was written from. */
interface Part {
  readonly values: (number | undefined)[];
  text: string;
}

/** The parts of one process, one a family. */
interface Parts {
  readonly labels: string;
  readonly parts: readonly Part[];
}

/** Writes the usage of a table's processes in the Prometheus text format, 0.0.4. */
export class UsageText {
  readonly #table: ProcessTable;
  readonly #source: UsageSource;
  /** What is being written is not to be read anew meanwhile. */
  readonly #mutex = new Mutex();
  #written = '';
  #shown: readonly Parts[] = [];
  /** One a family. Most of them say the same for a long time. */
  readonly #texts = FAMILIES.map((family) => new KeptText(headOf(family)));
  readonly #parts = new WeakMap<Readonly<Process>, Parts>();

  constructor(table: ProcessTable, source: UsageSource) {
    this.#table = table;
    this.#source = source;
  }

  render(): Promise<readonly KeptText[]> {
    return this.#mutex.run(() => this.#render());
  }

  async #render(): Promise<readonly KeptText[]> {
    const now = `${this.#table.version} ${this.#source.readings}`;
    if (now !== this.#written) {
      this.#written = now;
      await this.#write();
    }
    return [...this.#texts];
  }

  /** Takes all values at one moment; writing them pauses for events. */
  async #write(): Promise<void> {
    const before = this.#shown;
    const shown: Parts[] = [];
    const changed = new Set<number>();
    for (const process of this.#table.values()) {
      const usage = this.#source.usageOf(process);
      if (usage !== undefined) shown.push(this.#update(process, usage, changed));
    }
    this.#shown = shown;
    const isSame = shown.length === before.length && shown.every((one, nth) => one === before[nth]);
    const slices = new TimeSlice();
    for (const [nth, family] of FAMILIES.entries()) {
      if (isSame && !changed.has(nth)) continue;
      const texts = shown.map(({ parts }) => parts[nth]?.text);
      this.#texts[nth] = new KeptText(headOf(family) + texts.join(''));
      await slices.pause();
    }
  }

  /** Adds to `changed` which families say something else of the process now. */
  #update(process: Readonly<Process>, usage: Usage, changed: Set<number>): Parts {
    const known = this.#parts.get(process) ?? newParts(process);
    this.#parts.set(process, known);
    for (const [nth, { name, series }] of FAMILIES.entries()) {
      const part = known.parts[nth];
      if (part === undefined || !takeValues(part, series, usage)) continue;
      part.text = write(name, series, known.labels, part.values);
      changed.add(nth);
    }
    return known;
  }
}

function newParts({ id }: Readonly<Process>): Parts {
  return {
    labels: labelsOf(id),
    parts: FAMILIES.map(({ series }) => ({ values: series.map(() => undefined), text: '' })),
  };
}

/** Whether any of them is another than before. */
function takeValues({ values }: Part, series: readonly Series[], usage: Usage): boolean {
  let isChanged = false;
  for (const [nth, { value }] of series.entries()) {
    const now = value(usage);
    isChanged ||= values[nth] !== now;
    values[nth] = now;
  }
  return isChanged;
}

function write(
  name: string,
  series: readonly Series[],
  labels: string,
  values: readonly (number | undefined)[],
): string {
  let text = '';
  for (const [nth, { labels: further = '' }] of series.entries()) {
    const value = values[nth];
    if (value !== undefined) text += `${name}{${labels}${further}} ${value}\n`;
  }
  return text;
}
