/**
 * Reads a reply in time slices, so that events are acknowledged in between.
 *
 * `xmlrpc` parses up to 64 KiB at once, which takes it 20 ms, and a reply for 1,000 processes has
 * 1 MB. So only its parser is used here, and receives the reply in small pieces.
 */

import { Readable } from 'node:stream';
import { TimeSlice } from '../util/time-slice.ts';

/** A process takes about 1 kB of a reply; 10,000 processes need a sixth of this. */
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** About a third of a millisecond to parse. */
const PIECE_BYTES = 1024;

/**
 * Resolves to the result of a call; rejects if it is a fault, or no XML-RPC. `onProgress` is
 * called for each part that is read.
 */
export async function readReply(
  reply: AsyncIterable<Buffer>,
  onProgress: () => void,
): Promise<unknown> {
  const { default: Deserializer } = await import('xmlrpc/lib/deserializer.js');
  const pieces = Readable.from(cut(reply, onProgress), { objectMode: false });
  return new Promise((resolve, reject) => {
    // The callback may be called more than once; the first call settles the promise.
    new Deserializer().deserializeMethodResponse(pieces, (error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
}

async function* cut(reply: AsyncIterable<Buffer>, onProgress: () => void): AsyncGenerator<Buffer> {
  const slice = new TimeSlice();
  let length = 0;
  for await (const chunk of reply) {
    onProgress();
    length += chunk.length;
    if (length > MAX_REPLY_BYTES) throw new Error(`sent a reply of over ${MAX_REPLY_BYTES} bytes`);
    for (let begin = 0; begin < chunk.length; begin += PIECE_BYTES) {
      yield chunk.subarray(begin, begin + PIECE_BYTES);
      await slice.pause();
    }
  }
}
