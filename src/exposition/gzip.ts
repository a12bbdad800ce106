/**
 * gzip (RFC 1952) in parts: each is compressed by itself, once, and a whole is put together
 * from those that are there.
 *
 * The format also allows gzip files behind one another, which would be simpler. But curl
 * and Chromium read the first one and take it for the whole.
 */

import { constants, createGzip } from 'node:zlib';
import { concatenateCrcs } from './crc32.ts';

/** A part of a gzip file. */
export interface GzipPart {
  /** Blocks of DEFLATE (RFC 1951) that refer to nothing before them and end on a whole byte; none is the last. */
  readonly blocks: Buffer;
  readonly crc: number;
  /** Bytes before compression. */
  readonly length: number;
}

/** No name, no time, and 255 for an unknown operating system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** The last block has to say that it is: an empty one does. */
const LAST_BLOCK = Buffer.from([3, 0]);
/** CRC and length, both of 32 bits, the lowest byte first. */
const TRAILER_BYTES = 8;

/**
 * Level 1 makes metrics nineteen times smaller; level 6 takes five times as long for little
 * more. Parts are small, and so may be what zlib clears for each of them.
 */
const OPTIONS = { level: constants.Z_BEST_SPEED, windowBits: 14, memLevel: 7 };

/** Compresses on another thread. */
export function gzipPart(plain: Buffer): Promise<GzipPart> {
  return new Promise((resolve, reject) => {
    const gzip = createGzip(OPTIONS);
    const chunks: Buffer[] = [];
    gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
    gzip.on('error', reject);
    gzip.on('end', () => resolve(partOf(Buffer.concat(chunks))));
    gzip.write(plain);
    // What zlib ends on behind the flush is its own empty last block.
    gzip.flush(constants.Z_FULL_FLUSH, () => gzip.end());
  });
}

/** The gzip file that the parts make, in their order. */
export function gzipOf(parts: readonly GzipPart[]): Buffer {
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeUInt32LE(
    parts.reduce((crc, part) => concatenateCrcs(crc, part.crc, part.length), 0),
  );
  trailer.writeUInt32LE(parts.reduce((total, part) => total + part.length, 0) % 2 ** 32, 4);
  return Buffer.concat([HEADER, ...parts.map(({ blocks }) => blocks), LAST_BLOCK, trailer]);
}

function partOf(file: Buffer): GzipPart {
  const trailer = file.length - TRAILER_BYTES;
  return {
    blocks: file.subarray(HEADER.length, trailer - LAST_BLOCK.length),
    crc: file.readUInt32LE(trailer),
    length: file.readUInt32LE(trailer + 4),
  };
}
