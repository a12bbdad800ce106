/** A part of an answer that is compressed at most once, for use in several answers. */

import { type GzipPart, gzipOf, gzipPart, plainOf } from './gzip.ts';

export class CachedText {
  /** undefined once it is kept compressed: that takes a twentieth of the memory. */
  #plain: Buffer | undefined;
  /** As long as a client has not read it, other clients share it. */
  #sent: WeakRef<Buffer> | undefined;
  #compressed: Promise<GzipPart> | undefined;

  constructor(text: string) {
    this.#plain = Buffer.from(text);
  }

  async plain(): Promise<Buffer> {
    const known = this.#plain ?? this.#sent?.deref();
    if (known !== undefined) return known;
    const plain = await plainOf(await this.compressed());
    this.#sent = new WeakRef(plain);
    return plain;
  }

  compressed(): Promise<GzipPart> {
    this.#compressed ??= this.#compress(this.#plain ?? Buffer.alloc(0));
    return this.#compressed;
  }

  async #compress(plain: Buffer): Promise<GzipPart> {
    const part = await gzipPart(plain);
    this.#sent = new WeakRef(plain);
    this.#plain = undefined;
    return part;
  }
}

/** Concatenates the texts as one gzip file. They are compressed one by one, so that events have a turn in between. */
export async function joinCompressed(texts: readonly CachedText[]): Promise<Buffer> {
  const parts: GzipPart[] = [];
  for (const text of texts) parts.push(await text.compressed());
  return gzipOf(parts);
}
