/** A part of an answer that is compressed at most once, for use in several answers. */

import { type GzipPart, gzipOf, gzipPart } from './gzip.ts';

export class CachedText {
  readonly plain: Buffer;
  #compressed: Promise<GzipPart> | undefined;

  constructor(text: string) {
    this.plain = Buffer.from(text);
  }

  compressed(): Promise<GzipPart> {
    this.#compressed ??= gzipPart(this.plain);
    return this.#compressed;
  }
}

/** Concatenates the texts as one gzip file. They are compressed one by one, so that events have a turn in between. */
export async function joinCompressed(texts: readonly CachedText[]): Promise<Buffer> {
  const parts: GzipPart[] = [];
  for (const text of texts) parts.push(await text.compressed());
  return gzipOf(parts);
}
