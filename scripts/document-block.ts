/**
 * Blocks of documents that scripts write. A block lies between the comments `<!-- NAME: … -->`
 * and `<!-- end of NAME -->`. The first one names the command that writes it.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, replaceFile } from './setup.ts';

/** The content of the block. */
export function blockOf(document: string, name: string): string {
  const [, , content] = blockPattern(name).exec(document) ?? [];
  if (content === undefined) throw new Error(`the document has no block "${name}"`);
  return content.trim();
}

/** The document with other content in the block. */
export function withBlock(document: string, name: string, content: string): string {
  blockOf(document, name);
  return document.replace(
    blockPattern(name),
    (_, begin: string, _old: string, end: string) => `${begin}\n\n${content}\n\n${end}`,
  );
}

/** Writes a block of a file of the repository. */
export function writeBlock(file: string, name: string, content: string): void {
  const path = join(ROOT, file);
  replaceFile(path, withBlock(readFileSync(path, 'utf8'), name, content));
}

function blockPattern(name: string): RegExp {
  return new RegExp(`(<!-- ${name}: [^\\n]* -->)(.*?)(<!-- end of ${name} -->)`, 's');
}
