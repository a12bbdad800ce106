/** Elements from markup, and only what has changed from one markup to the next. */

import type { Child, Markup } from '../markup.ts';

/** Keeps one element of the document at its latest markup. */
export class Part {
  #element: Element;
  #shown: Markup | undefined;

  /** What the server wrote under this id is replaced by the first markup. */
  constructor(id: string) {
    this.#element = byId(id);
  }

  show(markup: Markup): void {
    const element = this.#shown === undefined ? undefined : this.#element;
    if (element !== undefined && this.#shown !== undefined) {
      patch(element, this.#shown, markup);
    } else {
      const born = create(markup);
      this.#element.replaceWith(born);
      this.#element = born;
    }
    this.#shown = markup;
  }
}

/** Keeps the rows of a table, each by its key, so that one that moves stays the same element. */
export class Rows {
  readonly #body: Element;
  #shown = new Map<string, { readonly element: Element; markup: Markup }>();

  constructor(id: string) {
    this.#body = byId(id);
  }

  show(rows: readonly (readonly [key: string, markup: Markup])[]): void {
    const isFirst = this.#shown.size === 0;
    if (isFirst) this.#body.replaceChildren();
    const next = new Map<string, { readonly element: Element; markup: Markup }>();
    for (const [key, markup] of rows) {
      const row = this.#shown.get(key) ?? { element: create(markup), markup };
      if (!isFirst && !this.#shown.has(key)) row.element.classList.add('new');
      patch(row.element, row.markup, markup);
      row.markup = markup;
      next.set(key, row);
    }
    for (const [key, { element }] of this.#shown) if (!next.has(key)) element.remove();
    let place = this.#body.firstElementChild;
    for (const { element } of next.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(element, place);
    }
    this.#shown = next;
  }
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no #${id}`);
  return element;
}

function create(markup: Markup): Element {
  const element = document.createElement(markup.tag);
  for (const [name, value] of Object.entries(markup.attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...markup.children.map(createChild));
  return element;
}

function createChild(child: Child): Element | Text {
  return typeof child === 'string' ? document.createTextNode(child) : create(child);
}

/** `element` was made of `before`, and has the same tag as `after`. */
function patch(element: Element, before: Markup, after: Markup): void {
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
