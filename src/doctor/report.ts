/** Findings as lines for people. */

import type { Finding, Level } from './finding.ts';

const WORDS: Readonly<Record<Level, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL' };

/** ANSI colours: green, yellow, red. */
const COLOURS: Readonly<Record<Level, number>> = { ok: 32, warn: 33, fail: 31 };

const CHECK_WIDTH = 17;

/** A line for each finding, and one below it for what to do. */
export function formatReport(findings: readonly Finding[], coloured: boolean): string {
  const lines = findings.flatMap(({ level, check, message, remedy }) => {
    const word = WORDS[level].padEnd(4);
    const shown = coloured ? `\u001b[${COLOURS[level]}m${word}\u001b[0m` : word;
    const line = `${shown}  ${check.padEnd(CHECK_WIDTH)}${printable(message)}`;
    return remedy === undefined ? [line] : [line, `      -> ${printable(remedy)}`];
  });
  const wrong = findings.filter(({ level }) => level !== 'ok').length;
  const end =
    wrong === 0
      ? 'All is well.'
      : `${wrong} ${wrong === 1 ? 'thing' : 'things'} to change. After a change in a file: supervisorctl update`;
  return `${lines.join('\n')}\n\n${end}\n`;
}

/** 0 only where all is well. */
export function exitStatusOf(findings: readonly Finding[]): 0 | 1 {
  return findings.every(({ level }) => level === 'ok') ? 0 : 1;
}

/** What comes out of files and logs stays in its line, does nothing to a terminal, and shows no password. */
function printable(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replaceAll(/\b([a-z]+:\/\/)[^\s'"]*@/g, '$1***@');
}
