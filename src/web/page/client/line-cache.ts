/** Keeps the markup of lines that would be rendered the same again: with 1,000 processes, most. */

import type { Item } from '../arrange.ts';
import type { Markup } from '../markup.ts';
import { itemWriter, transitionRow, type ViewOptions } from '../parts.ts';
import type { Row, Transition, View } from '../view.ts';

interface Line {
  readonly rows: readonly Row[];
  /** The time as far as it is visible in the line. */
  readonly stamp: number;
  readonly shape: string;
  readonly markup: Markup;
}

/** Up to this age in seconds, times are shown in seconds. */
const YOUNG_SECONDS = 60;
/** A strip advances by a step of 30 s. */
const STAMP_SECONDS = 15;

export class LineCache {
  /** By the first row of the line. */
  #lines = new Map<string, Line>();
  #transitions = new WeakMap<Transition, { readonly day: number; readonly markup: Markup }>();
  #query: ViewOptions['query'] | undefined;
  #hasUsage = false;
  #now = 0;
  #write: ((item: Item) => Markup) | undefined;

  /** Lines follow for this view. */
  begin(view: View, options: ViewOptions): void {
    const { hasUsage } = view.context;
    if (this.#query !== options.query || this.#hasUsage !== hasUsage) this.#lines.clear();
    this.#query = options.query;
    this.#hasUsage = hasUsage;
    this.#now = view.now;
    this.#write = itemWriter(view, options);
  }

  line(item: Item): Markup {
    const write = this.#write;
    if (write === undefined) throw new Error('begin() comes first');
    if (item.kind === 'more') return write(item);
    const rows = item.kind === 'process' ? [item.row] : item.rows;
    const shape = item.kind === 'group' ? `${item.isOpen}` : `${item.isMember}`;
    const stamp = this.#stampOf(rows);
    const [first] = rows;
    const key = `${item.kind}\n${first?.group}\n${item.kind === 'process' ? first?.name : ''}`;
    const known = this.#lines.get(key);
    if (known?.stamp === stamp && known.shape === shape && isSame(known.rows, rows)) {
      return known.markup;
    }
    const markup = write(item);
    this.#lines.set(key, { rows, stamp, shape, markup });
    return markup;
  }

  /** A transition shows the time of day, and the date if that is not today's. */
  transition(transition: Transition, view: View, options: ViewOptions): Markup {
    const day = new Date(view.now * 1000).getDate();
    const known = this.#transitions.get(transition);
    if (known?.day === day && this.#query === options.query) return known.markup;
    const markup = transitionRow(transition, view, options);
    this.#transitions.set(transition, { day, markup });
    return markup;
  }

  #stampOf(rows: readonly Row[]): number {
    const [row] = rows;
    const isYoung = (at: number | undefined) => at !== undefined && this.#now - at < YOUNG_SECONDS;
    // A group shows no times.
    const showsSeconds = rows.length === 1 && (isYoung(row?.since) || isYoung(row?.exitedAt));
    return showsSeconds ? Math.floor(this.#now) : -Math.floor(this.#now / STAMP_SECONDS);
  }
}

function isSame(one: readonly Row[], other: readonly Row[]): boolean {
  return one.length === other.length && one.every((row, at) => row === other[at]);
}
