/**
 * Reads supervisord's files as supervisord does: Python's RawConfigParser, with `;` and `#`
 * as inline comments and with duplicates allowed (the class UnhosedConfigParser of its
 * options.py). Several files add to one another; the later one wins.
 */

import { indentOf, isSpace, linesOf, strip, stripEnd } from './python.ts';

/** A position in a file; lines count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

export interface Setting {
  readonly value: string;
  readonly place: Place;
}

export interface Section {
  readonly name: string;
  /** Of its first heading. */
  readonly place: Place;
  readonly settings: ReadonlyMap<string, Setting>;
}

/** Values of this section stand for whatever another section does not set. */
const DEFAULT_SECTION = 'DEFAULT';

const COMMENT_PREFIXES = [';', '#'] as const;
const HEADING = /^\[(.+)\]/s;
const SETTING = /^(.*?)[=:](.*)$/s;

interface OpenSetting {
  readonly lines: string[];
  readonly place: Place;
}

export class Ini {
  /** Lines that are neither a heading nor a setting: supervisord refuses the whole. */
  readonly errors: Place[] = [];
  readonly #sections = new Map<string, { place: Place; settings: Map<string, Setting> }>();
  readonly #defaults = new Map<string, Setting>();

  /** Adds what a file says. `edit` is applied to each of its values. */
  add(file: string, text: string, edit: (value: string) => string = (value) => value): void {
    let settings: Map<string, Setting> | undefined;
    let open: OpenSetting | undefined;
    let indent = 0;
    const close = (name: string, { lines, place }: OpenSetting) =>
      settings?.set(name, { value: edit(stripEnd(lines.join('\n'))), place });
    let openName = '';

    for (const [index, line] of linesOf(text).entries()) {
      const place = { file, line: index + 1 };
      const comment = commentStart(line);
      const content = strip(line.slice(0, comment));
      if (content === '') {
        // Without a comment on it, an empty line belongs to the value.
        if (comment === undefined) open?.lines.push('');
        continue;
      }
      if (open !== undefined && indentOf(line) > indent) {
        open.lines.push(content);
        close(openName, open);
        continue;
      }
      indent = indentOf(line);
      const [, heading] = HEADING.exec(content) ?? [];
      if (heading !== undefined) {
        settings = this.#open(heading, place);
        open = undefined;
        continue;
      }
      const [, name, value] = SETTING.exec(content) ?? [];
      if (settings === undefined || name === undefined || value === undefined) {
        this.errors.push(place);
        // Before the first heading nothing can be made of the rest.
        if (settings === undefined) return;
        continue;
      }
      openName = stripEnd(name).toLowerCase();
      if (openName === '') this.errors.push(place);
      open = { lines: [strip(value)], place };
      close(openName, open);
    }
  }

  /** In the order of their first headings. */
  get sections(): readonly Section[] {
    return [...this.#sections].map(([name, { place, settings }]) => ({
      name,
      place,
      settings: new Map([...this.#defaults, ...settings]),
    }));
  }

  section(name: string): Section | undefined {
    return this.sections.find((section) => section.name === name);
  }

  #open(name: string, place: Place): Map<string, Setting> {
    if (name === DEFAULT_SECTION) return this.#defaults;
    const section = this.#sections.get(name) ?? { place, settings: new Map() };
    this.#sections.set(name, section);
    return section.settings;
  }
}

/**
 * Where a comment begins: at a prefix that is first in its line or follows a space. The first
 * `;` and the first `#` are tried, then the second of each, and so on; a round that finds one is the last.
 */
function commentStart(line: string): number | undefined {
  if (COMMENT_PREFIXES.some((prefix) => strip(line).startsWith(prefix))) return 0;
  let from: readonly { prefix: string; at: number }[] = COMMENT_PREFIXES.map((prefix) => ({
    prefix,
    at: -1,
  }));
  while (from.length > 0) {
    from = from
      .map(({ prefix, at }) => ({ prefix, at: line.indexOf(prefix, at + 1) }))
      .filter(({ at }) => at !== -1);
    const starts = from.map(({ at }) => at).filter((at) => at === 0 || isSpace(line[at - 1] ?? ''));
    if (starts.length > 0) return Math.min(...starts);
  }
  return undefined;
}
