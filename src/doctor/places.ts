/**
 * Where an option stands, for people: found by a search for its name, since supervisord's reader
 * does not keep lines.
 */

/** A position in a file; lines count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

interface Line extends Place {
  readonly section: string;
  /** In lower case; undefined for a heading. */
  readonly option: string | undefined;
}

export class Places {
  readonly #lines: readonly Line[];

  /** In the order in which supervisord reads them. */
  constructor(files: readonly { readonly file: string; readonly text: string }[]) {
    this.#lines = files.flatMap(({ file, text }) => linesOf(file, text));
  }

  section(name: string): Place | undefined {
    return placeOf(this.#lines.find((line) => line.section === name && line.option === undefined));
  }

  /** The last one, which supervisord uses. */
  option(name: string, option: string): Place | undefined {
    return placeOf(
      this.#lines.filter((line) => line.section === name && line.option === option).at(-1),
    );
  }
}

function placeOf(found: Line | undefined): Place | undefined {
  return found && { file: found.file, line: found.line };
}

function linesOf(file: string, text: string): Line[] {
  const lines: Line[] = [];
  let section = '';
  for (const [index, content] of text.split(/\r\n|\r|\n/).entries()) {
    const line = index + 1;
    const [, heading] = /^\s*\[(.+)\]/.exec(content) ?? [];
    if (heading !== undefined) {
      section = heading;
      lines.push({ file, line, section, option: undefined });
      continue;
    }
    const [, option] = /^\s*([^\s;#=:][^=:]*?)\s*[=:]/.exec(content) ?? [];
    if (option !== undefined) lines.push({ file, line, section, option: option.toLowerCase() });
  }
  return lines;
}
