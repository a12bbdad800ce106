/** The metrics of what each program uses: the last reading of /proc, written out. */

import type { Process } from '../processes/process.ts';
import type { ProcessTable } from '../processes/table.ts';
import type { Usage, UsageSource } from '../resources/resources.ts';
import { headOf, labelsOf } from './processes.ts';

interface Series {
  /** Behind those that every process has. */
  readonly labels?: string;
  /** undefined: the process has no such series now. */
  readonly value: (usage: Usage) => number | undefined;
}

interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
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

const SERIES = FAMILIES.flatMap(({ name, series }) =>
  series.map(({ labels = '', value }) => ({ name, labels, value })),
);

/** The lines of one process, and the values that they were written from; one a series. */
interface Lines {
  readonly labels: string;
  readonly values: (number | undefined)[];
  /** Empty where there is no series. */
  readonly samples: string[];
}

/** Writes the usage of a table's processes in the Prometheus text format, 0.0.4. */
export class UsageText {
  readonly #table: ProcessTable;
  readonly #source: UsageSource;
  #written = '';
  #text = '';
  readonly #lines = new WeakMap<Readonly<Process>, Lines>();

  constructor(table: ProcessTable, source: UsageSource) {
    this.#table = table;
    this.#source = source;
  }

  render(): string {
    const now = `${this.#table.version} ${this.#source.readings}`;
    if (now !== this.#written) {
      this.#written = now;
      this.#text = this.#write();
    }
    return this.#text;
  }

  #write(): string {
    const all: Lines[] = [];
    for (const process of this.#table.values()) {
      const usage = this.#source.usageOf(process);
      if (usage !== undefined) all.push(this.#update(process, usage));
    }
    const parts: string[] = [];
    let at = 0;
    for (const { name, type, help, series } of FAMILIES) {
      parts.push(headOf(name, type, help));
      for (const { samples } of all) {
        for (let nth = 0; nth < series.length; nth++) parts.push(samples[at + nth] ?? '');
      }
      at += series.length;
    }
    return parts.join('');
  }

  #update(process: Readonly<Process>, usage: Usage): Lines {
    const lines = this.#lines.get(process) ?? newLines(process);
    this.#lines.set(process, lines);
    for (const [nth, { name, labels, value }] of SERIES.entries()) {
      const now = value(usage);
      if (lines.values[nth] === now) continue;
      lines.values[nth] = now;
      lines.samples[nth] = now === undefined ? '' : `${name}{${lines.labels}${labels}} ${now}\n`;
    }
    return lines;
  }
}

function newLines({ id }: Readonly<Process>): Lines {
  return {
    labels: labelsOf(id),
    values: SERIES.map(() => undefined),
    samples: SERIES.map(() => ''),
  };
}
