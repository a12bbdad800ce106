/** Creates elements from markup, and patches them where the markup has changed. */

import type { Child, Markup } from '../markup.ts';

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

/** The rows of a table, identified by key, so that a row that moves stays the same element. */
export class PatchedRows {
  readonly #body: Element;
  #rows = new Map<string, { readonly element: Element; markup: Markup }>();

  constructor(id: string) {
    this.#body = byId(id);
  }

  /** Rows that have lost the focus by being moved get it back. */
  update(rows: readonly (readonly [key: string, markup: Markup])[]): void {
    const focused = document.activeElement;
    this.#update(rows);
    if (focused instanceof HTMLElement && focused !== document.activeElement) {
      focused.focus({ preventScroll: true });
    }
  }

  element(key: string): Element | undefined {
    return this.#rows.get(key)?.element;
  }

  #update(rows: readonly (readonly [key: string, markup: Markup])[]): void {
    const isFirst = this.#rows.size === 0;
    if (isFirst) this.#body.replaceChildren();
    const next = new Map<string, { readonly element: Element; markup: Markup }>();
    for (const [key, markup] of rows) {
      const row = this.#rows.get(key) ?? { element: create(markup), markup };
      patch(row.element, row.markup, markup);
      row.markup = markup;
      next.set(key, row);
    }
    for (const [key, { element }] of this.#rows) if (!next.has(key)) element.remove();
    let place = this.#body.firstElementChild;
    for (const { element } of next.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(element, place);
    }
    this.#rows = next;
  }
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
  for (const name of Object.keys({ ...before.attributes, ...after.attributes })) {
    const value = after.attributes[name];
    if (value === before.attributes[name]) continue;
    if (value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value);
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
