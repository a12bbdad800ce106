/** Creates elements from markup, and patches them where the markup has changed. */

import type { Child, Markup } from '../markup.ts';
import { longestIncreasing } from './longest-increasing.ts';

/** One element of the document that follows its markup. */
export class PatchedElement {
  #element: Element;
  #markup: Markup | undefined;

  /** The first update replaces the element that the server has rendered. */
  constructor(id: string) {
    this.#element = byId(id);
  }

  update(markup: Markup): void {
    if (this.#markup !== undefined) {
      patch(this.#element, this.#markup, markup);
    } else {
      const created = create(markup);
      this.#element.replaceWith(created);
      this.#element = created;
    }
    this.#markup = markup;
  }
}

/** Key and markup of a row, which is written when it is needed. */
export type RowSource = readonly [key: string, write: () => Markup];

interface PatchedRow {
  readonly element: Element;
  markup: Markup;
  write: () => Markup;
}

/** Rows outside the screen that are patched at each update. */
const PATCHES_OFF_SCREEN = 200;

/**
 * The rows of a table, identified by key, so that a row that moves stays the same element. Rows off
 * the screen may be late while many change, since layout takes most of the time.
 */
export class PatchedRows {
  readonly #body: Element;
  #rows = new Map<string, PatchedRow>();
  #order: readonly PatchedRow[] = [];
  /** The index from which rows off the screen are patched next. */
  #nextOffScreen = 0;

  constructor(id: string) {
    this.#body = byId(id);
  }

  /** Rows that have lost the focus by being moved get it back. */
  update(rows: readonly RowSource[]): void {
    const focused = document.activeElement;
    this.#update(rows);
    if (focused instanceof HTMLElement && focused !== document.activeElement) {
      focused.focus({ preventScroll: true });
    }
  }

  element(key: string): Element | undefined {
    return this.#rows.get(key)?.element;
  }

  /** Patches the rows on the screen, after it was scrolled. */
  refresh(): void {
    for (const row of this.#onScreen(this.#order)) patchRow(row);
  }

  #update(rows: readonly RowSource[]): void {
    const isFirst = this.#rows.size === 0;
    if (isFirst) this.#body.replaceChildren();
    const next = new Map<string, PatchedRow>();
    for (const [key, write] of rows) next.set(key, this.#rowOf(key, write));
    const order = [...next.values()];
    // Reads the layout before it is changed.
    const onScreen = this.#onScreen(order);
    for (const [key, { element }] of this.#rows) if (!next.has(key)) element.remove();
    this.#arrange(order.map(({ element }) => element));
    this.#rows = next;
    this.#order = order;
    for (const row of onScreen) patchRow(row);
    this.#patchOffScreen();
  }

  #rowOf(key: string, write: () => Markup): PatchedRow {
    const known = this.#rows.get(key);
    if (known !== undefined) {
      known.write = write;
      return known;
    }
    const markup = write();
    return { element: create(markup), markup, write };
  }

  /** The rows on the screen and one screen above and below, as if all had the same height. */
  #onScreen(order: readonly PatchedRow[]): readonly PatchedRow[] {
    const { top, height } = this.#body.getBoundingClientRect();
    if (height === 0) return [];
    const rowHeight = height / this.#body.childElementCount;
    const from = Math.floor((-top - innerHeight) / rowHeight);
    const to = Math.ceil((-top + 2 * innerHeight) / rowHeight);
    return order.slice(Math.max(0, from), Math.max(0, to));
  }

  #patchOffScreen(): void {
    const { length } = this.#order;
    let patches = 0;
    for (let count = 0; count < length && patches < PATCHES_OFF_SCREEN; count++) {
      const row = this.#order[this.#nextOffScreen % length];
      this.#nextOffScreen = (this.#nextOffScreen + 1) % length;
      if (row !== undefined && patchRow(row)) patches++;
    }
  }

  /**
   * Moves as few rows as possible, since a row that moves is laid out again: those stay that are
   * in order already, as many of them as there can be.
   */
  #arrange(elements: readonly Element[]): void {
    const placeOf = new Map([...this.#body.children].map((element, place) => [element, place]));
    const staying = longestIncreasing(elements.map((element) => placeOf.get(element)));
    let next: Element | null = null;
    for (let at = elements.length - 1; at >= 0; at--) {
      const element = elements[at];
      if (element === undefined) continue;
      if (!staying.has(at)) this.#body.insertBefore(element, next);
      next = element;
    }
  }
}

/** Returns whether the markup has changed. */
function patchRow(row: PatchedRow): boolean {
  const markup = row.write();
  if (markup === row.markup) return false;
  patch(row.element, row.markup, markup);
  row.markup = markup;
  return true;
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no #${id}`);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS: ReadonlySet<string> = new Set(['svg', 'title', 'path']);

function create(markup: Markup): Element {
  const element = SVG_TAGS.has(markup.tag)
    ? document.createElementNS(SVG, markup.tag)
    : document.createElement(markup.tag);
  for (const [name, value] of Object.entries(markup.attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...markup.children.map(createChild));
  return element;
}

function createChild(child: Child): Element | Text {
  return typeof child === 'string' ? document.createTextNode(child) : create(child);
}

/** `element` was created from `before`, whose tag is that of `after`. */
function patch(element: Element, before: Markup, after: Markup): void {
  if (before === after) return;
  for (const [name, value] of Object.entries(after.attributes)) {
    if (value !== undefined && value !== before.attributes[name]) element.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(before.attributes)) {
    if (value !== undefined && after.attributes[name] === undefined) element.removeAttribute(name);
  }
  for (let at = before.children.length - 1; at >= after.children.length; at--) {
    element.lastChild?.remove();
  }
  after.children.forEach((child, at) => {
    patchChild(element, element.childNodes[at], before.children[at], child);
  });
}

function patchChild(
  parent: Element,
  node: ChildNode | undefined,
  before: Child | undefined,
  after: Child,
): void {
  if (node === undefined || before === undefined) {
    parent.append(createChild(after));
  } else if (typeof after === 'string' || typeof before === 'string' || after.tag !== before.tag) {
    if (after === before) return;
    if (typeof after === 'string' && typeof before === 'string') node.nodeValue = after;
    else node.replaceWith(createChild(after));
  } else if (node instanceof Element) {
    patch(node, before, after);
  }
}
