/** Formats findings for people. */

import type { Finding, Level } from './finding.ts';

const WORDS: Readonly<Record<Level, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL' };

/** ANSI colours: green, yellow, red. */
const COLOURS: Readonly<Record<Level, number>> = { ok: 32, warn: 33, fail: 31 };

const CHECK_WIDTH = 17;

/** One line for each finding, and one below it for its fix. */
export function formatReport(
  findings: readonly Finding[],
  { coloured, update }: { readonly coloured: boolean; readonly update: string },
): string {
  const lines = findings.flatMap(({ level, check, message, fix }) => {
    const word = WORDS[level].padEnd(4);
    const shown = coloured ? `\u001b[${COLOURS[level]}m${word}\u001b[0m` : word;
    const line = `${shown}  ${check.padEnd(CHECK_WIDTH)}${printable(message)}`;
    return fix === undefined ? [line] : [line, `      -> ${printable(fix)}`];
  });
  const wrong = findings.filter(({ level }) => level !== 'ok').length;
  const end =
    wrong === 0
      ? 'All is well.'
      : `${wrong} ${wrong === 1 ? 'problem' : 'problems'} found. After a change in a file, run: ${printable(update)}`;
  return `${lines.join('\n')}\n\n${end}\n`;
}

/** 0 only if every check passed. */
export function exitStatusOf(findings: readonly Finding[]): 0 | 1 {
  return findings.every(({ level }) => level === 'ok') ? 0 : 1;
}

/**
 * Text from files and logs, on one line, without terminal control characters, and without what
 * may be the credentials of a URL, also of one whose `@HOST` is missing.
 */
function printable(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)\S*@/gi, '$1***@')
    .replaceAll(USER_AND_PASSWORD, '$1:***');
}

/** `SCHEME://USER:PASSWORD`, where what follows the colon is not the port of `SCHEME://HOST:PORT`. */
const USER_AND_PASSWORD =
  /([a-z][a-z0-9+.-]*:\/\/(?!\[[\da-f:.]+\])[^\s/:@]*):(?!\d{1,5}(?:[\s/?#"',;:)|]|$))\S+/gi;
