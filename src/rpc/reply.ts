/**
 * Reads a reply in time slices, so that events are acknowledged in between.
 *
 * `xmlrpc` parses up to 64 KiB at once, which takes it 20 ms, and a reply for 1,000 processes has
 * 1 MB. So only its parser is used here, and receives the reply in small pieces.
 */

import { Readable } from 'node:stream';
import type Deserializer from 'xmlrpc/lib/deserializer.js';
import { TimeSlice } from '../util/time-slice.ts';

/** A process takes about 1 kB of a reply; 10,000 processes need a sixth of this. */
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/**
 * A value nests five elements, and a list of them five more. An element that is open takes 50 times
 * the memory of its tag.
 */
const MAX_DEPTH = 100;
/** XML-RPC has none. */
const MAX_ATTRIBUTES = 100;
/** Of one value; the whole of it is put together in one turn of the event loop. */
const MAX_TEXT_LENGTH = 4 * 1024 * 1024;
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
  const deserializer = new Deserializer();
  const check = limitXml(deserializer);
  const pieces = Readable.from(cut(reply, onProgress, check), { objectMode: false });
  return new Promise((resolve, reject) => {
    // The callback may be called more than once; the first call settles the promise.
    deserializer.deserializeMethodResponse(pieces, (error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
}

/** Returns a check that throws once the XML read so far is none that supervisord sends. */
function limitXml({ parser }: Deserializer): () => void {
  let depth = 0;
  let attributes = 0;
  let textLength = 0;
  parser.on('opentag', () => {
    depth += 1;
    textLength = 0;
  });
  parser.on('closetag', () => {
    depth -= 1;
    textLength = 0;
  });
  parser.on('attribute', () => {
    attributes += 1;
  });
  parser.on('text', (text) => {
    textLength += text.length;
  });
  return () => {
    if (depth > MAX_DEPTH) throw new Error(`nested over ${MAX_DEPTH} elements`);
    if (attributes > MAX_ATTRIBUTES) throw new Error(`sent over ${MAX_ATTRIBUTES} attributes`);
    if (textLength > MAX_TEXT_LENGTH)
      throw new Error(`sent a value of over ${MAX_TEXT_LENGTH} characters`);
  };
}

async function* cut(
  reply: AsyncIterable<Buffer>,
  onProgress: () => void,
  check: () => void,
): AsyncGenerator<Buffer> {
  const slice = new TimeSlice();
  let length = 0;
  for await (const chunk of reply) {
    onProgress();
    length += chunk.length;
    if (length > MAX_REPLY_BYTES) throw new Error(`sent a reply of over ${MAX_REPLY_BYTES} bytes`);
    for (let begin = 0; begin < chunk.length; begin += PIECE_BYTES) {
      yield chunk.subarray(begin, begin + PIECE_BYTES);
      check();
      await slice.pause();
    }
  }
}
