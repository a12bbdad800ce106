/** `node scripts/run.mjs flags-table` writes the table of flags into docs/configuration.md, from their one source. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flagsTable } from '../src/cli/help.ts';
import { ROOT } from './setup.ts';

const file = join(ROOT, 'docs/configuration.md');
const text = readFileSync(file, 'utf8');
writeFileSync(
  file,
  text.replace(/^\| flag \|.*\n(?:\|.*\n)+/m, () => `${flagsTable()}\n`),
);
