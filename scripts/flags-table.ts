/** The table of flags in docs/configuration.md, from the flags themselves. */

import { FLAGS } from '../src/cli/flags.ts';
import { formOfFlag } from '../src/cli/help.ts';
import type { Flag } from '../src/cli/usage.ts';

function flagsTable(): string {
  const rows = Object.entries<Flag>(FLAGS).map(([name, flag]) => {
    const { default: value, value: computed = '', initially } = flag;
    // A placeholder such as FILE is no default.
    const shown = value?.toString() ?? (/^[A-Z]+$/.test(computed) ? '' : computed);
    const state = initially ?? (shown === '' ? '' : `\`${shown}\``);
    const cells = [`\`${formOfFlag(name, flag)}\``, state, flag.help];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| flag | default | |', '|---|---|---|', ...rows].join('\n');
}

/** The document with its table of flags written again. */
export function withFlagsTable(document: string): string {
  return document.replace(/^\| flag \|.*\n(?:\|.*\n)+/m, () => `${flagsTable()}\n`);
}
