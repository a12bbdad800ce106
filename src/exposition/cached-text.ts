/** A text that is kept, plain and compressed, for as long as it is what there is to say. */

import { type GzipPart, gzipOf, gzipPart } from './gzip.ts';

export class KeptText {
  readonly plain: Buffer;
  #compressed: Promise<GzipPart> | undefined;

  constructor(text: string) {
    this.plain = Buffer.from(text);
  }

  /** Compressed when first asked for, and then no more. */
  compressed(): Promise<GzipPart> {
    this.#compressed ??= gzipPart(this.plain);
    return this.#compressed;
  }
}

/** The texts behind one another. */
export function joinPlain(texts: readonly KeptText[]): Buffer {
  return Buffer.concat(texts.map(({ plain }) => plain));
}

/** The same as a gzip file. One at a time is compressed, so that events get a turn in between. */
export async function joinCompressed(texts: readonly KeptText[]): Promise<Buffer> {
  const parts: GzipPart[] = [];
  for (const text of texts) parts.push(await text.compressed());
  return gzipOf(parts);
}
