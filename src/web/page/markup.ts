/**
 * HTML as data: the server renders it as text, the browser creates elements from it. A string
 * is text on both sides, whatever characters it holds.
 */

export interface Markup {
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: readonly Child[];
}

export type Child = Markup | string;

/** Names are constants of the code, never data. An attribute that is undefined is omitted. */
export type Attributes = Readonly<Record<string, string | undefined>>;

/** A child that is undefined is omitted. */
export function h(
  tag: string,
  attributes: Attributes,
  ...children: readonly (Child | undefined)[]
): Markup {
  return { tag, attributes, children: children.filter((child) => child !== undefined) };
}

/** Elements without children and end tag (HTML, section 13.1.2). */
const VOID_TAGS: ReadonlySet<string> = new Set(['input', 'link', 'meta']);

/** Strips are drawn once for many rows. */
const SVG_TEXTS = new WeakMap<Markup, string>();

export function toHtml(child: Child): string {
  if (typeof child === 'string') return escapeHtml(child);
  if (child.tag !== 'svg') return elementToHtml(child);
  const text = SVG_TEXTS.get(child) ?? elementToHtml(child);
  SVG_TEXTS.set(child, text);
  return text;
}

function elementToHtml(child: Markup): string {
  let html = `<${child.tag}`;
  for (const name in child.attributes) {
    const value = child.attributes[name];
    if (value !== undefined) html += ` ${name}="${escapeHtml(value)}"`;
  }
  html += '>';
  if (VOID_TAGS.has(child.tag)) return html;
  for (const inner of child.children) html += toHtml(inner);
  return `${html}</${child.tag}>`;
}

function escapeHtml(text: string): string {
  return /[&<>"']/.test(text)
    ? text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
    : text;
}
