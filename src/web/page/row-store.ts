/**
 * The rows of the page, kept up to date on demand: a change only marks its process, and rows that
 * are marked are built when a client reads the page, in time slices. While no client does, no more
 * is kept than the table has processes and the store has rows.
 */

import type { Process } from '../../processes/process.ts';
import type { ProcessTable } from '../../processes/table.ts';
import { keyOf, type ProcessId, type ProcessKey } from '../../supervisor/process-id.ts';
import type { PausableWork } from '../../util/time-slice.ts';
import type { Row } from './view.ts';

interface StoredRow {
  readonly row: Row;
  /** Serialized once for all who receive it. */
  readonly json: string;
}

export class RowStore {
  readonly #table: ProcessTable;
  readonly #build: (process: Readonly<Process>) => Row;
  readonly #rows = new Map<ProcessKey, StoredRow>();
  readonly #marked = new Map<ProcessKey, ProcessId>();
  /** Rows that have changed, or are gone, since they were last taken; undefined while changes are not recorded. */
  #changed: Set<ProcessKey> | undefined;

  constructor(table: ProcessTable, build: (process: Readonly<Process>) => Row) {
    this.#table = table;
    this.#build = build;
  }

  mark(id: ProcessId): void {
    const key = keyOf(id);
    const isUnknown = this.#table.get(id) === undefined && !this.#rows.has(key);
    if (isUnknown) this.#marked.delete(key);
    else this.#marked.set(key, id);
  }

  get(id: ProcessId): Row | undefined {
    return this.#rows.get(keyOf(id))?.row;
  }

  rows(): Row[] {
    return Array.from(this.#rows.values(), ({ row }) => row);
  }

  json(): string {
    return `[${Array.from(this.#rows.values(), ({ json }) => json).join(',')}]`;
  }

  /** Builds the rows that are marked. Several may do so at once. */
  *update(): PausableWork<void> {
    for (const [key, id] of this.#marked) {
      this.#marked.delete(key);
      this.#rebuild(key, id);
      yield;
    }
  }

  #rebuild(key: ProcessKey, id: ProcessId): void {
    const process = this.#table.get(id);
    if (process === undefined) {
      if (this.#rows.delete(key)) this.#changed?.add(key);
      return;
    }
    const row = this.#build(process);
    const json = JSON.stringify(row);
    if (this.#rows.get(key)?.json === json) return;
    this.#rows.set(key, { row, json });
    this.#changed?.add(key);
  }

  startRecording(): void {
    this.#changed = new Set();
  }

  stopRecording(): void {
    this.#changed = undefined;
  }

  /** What has changed since the last call, or since the recording started. */
  takeChanges(): { readonly rows: readonly string[]; readonly removed: readonly ProcessKey[] } {
    const rows: string[] = [];
    const removed: ProcessKey[] = [];
    for (const key of this.#changed ?? []) {
      const stored = this.#rows.get(key);
      if (stored === undefined) removed.push(key);
      else rows.push(stored.json);
    }
    this.#changed = new Set();
    return { rows, removed };
  }
}
