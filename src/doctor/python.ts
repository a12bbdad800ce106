/** What Python's own string methods and format operator do, where supervisord's files depend on it. */

/** What `str.isspace` calls space: not quite JavaScript's `\s`. */
const SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const LEADING = new RegExp(`^[${SPACE}]+`);
const TRAILING = new RegExp(`[${SPACE}]+$`);
const RUN = new RegExp(`[${SPACE}]+`);

export function isSpace(character: string): boolean {
  return LEADING.test(character);
}

/** The number of characters before the first that is no space. */
export function indentOf(line: string): number {
  return LEADING.exec(line)?.[0].length ?? 0;
}

/** `str.strip()`. */
export function strip(text: string): string {
  return stripEnd(text.replace(LEADING, ''));
}

/** `str.rstrip()`. */
export function stripEnd(text: string): string {
  return text.replace(TRAILING, '');
}

/** `str.split()`: by runs of space, without empty words. */
export function words(text: string): string[] {
  return text.split(RUN).filter((word) => word !== '');
}

/** Lines as a file that is opened as text has them. */
export function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/);
}

export type Expanded =
  | { readonly kind: 'expanded'; readonly text: string }
  /** No such name is known. */
  | { readonly kind: 'unknown'; readonly name: string }
  /** A percent sign that begins no format. */
  | { readonly kind: 'malformed' };

const FORMAT = /%(?:\(([^)]*)\)([0 +-]*)(\d*)([sdi])|(%)|)/g;

/** `text % names`, with strings and numbers for values. */
export function expand(
  text: string,
  names: Readonly<Record<string, string | number | undefined>>,
): Expanded {
  let failure: Expanded | undefined;
  const expanded = text.replace(
    FORMAT,
    (whole, name: string | undefined, flags: string, width: string, type, percent) => {
      if (percent !== undefined) return '%';
      if (name === undefined) failure ??= { kind: 'malformed' };
      const value = name === undefined ? undefined : names[name];
      if (value === undefined) {
        failure ??= { kind: 'unknown', name: name ?? '' };
        return whole;
      }
      if (type !== 's' && typeof value !== 'number') failure ??= { kind: 'malformed' };
      const pad = flags?.includes('0') && type !== 's' ? '0' : ' ';
      return flags?.includes('-')
        ? String(value).padEnd(Number(width))
        : String(value).padStart(Number(width), pad);
    },
  );
  return failure ?? { kind: 'expanded', text: expanded };
}
