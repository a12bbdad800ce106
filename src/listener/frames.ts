/**
 * Frames: where one event ends and the next begins.
 *
 *     ver:3.0 server:supervisor serial:21 pool:exporter poolserial:10 eventname:TICK_60 len:15\n
 *     when:1201063880
 *
 * A header line, a newline, then a payload of `len` characters with nothing after it: supervisord
 * waits for the answer before it sends another byte, so the end of a frame is found by counting
 * and never by waiting for a newline.
 */

import { StringDecoder } from 'node:string_decoder';

/** The header ends with the length; `server:` before it is free text, so only the end is matched. */
const LENGTH_FIELD = / len:(\d+)$/;

/** supervisord writes about 150 characters; long names and identifiers stay far below this. */
export const MAX_HEADER_LENGTH = 64 * 1024;

/** The longest payload accepted, in the characters that `len` counts. */
export const MAX_PAYLOAD_LENGTH = 16 * 1024 * 1024;

export type Frame =
  | { readonly kind: 'whole'; readonly header: string; readonly payload: string }
  /** Where the next frame begins is not known: no more are read. */
  | { readonly kind: 'unframeable'; readonly reason: string };

/** Divides what supervisord sends into frames. Never throws. */
export class FrameReader {
  readonly #decoder = new StringDecoder('utf8');
  /** What was received of a frame that is not complete yet. */
  #text = '';
  #isUnframeable = false;

  /** The frames that this chunk completes. */
  *read(chunk: Buffer): Generator<Frame> {
    if (this.#isUnframeable) return;
    this.#text += this.#decoder.write(chunk);
    for (;;) {
      const text = this.#text;
      const header = readHeader(text);
      if (header.kind === 'more') return;
      if (header.kind === 'unframeable') {
        this.#isUnframeable = true;
        yield header;
        return;
      }
      const end = skipCodePoints(text, header.payloadStart, header.payloadLength);
      if (end === undefined) return;
      this.#text = text.slice(end);
      yield {
        kind: 'whole',
        header: text.slice(0, header.payloadStart - 1),
        payload: text.slice(header.payloadStart, end),
      };
    }
  }
}

type Header =
  | { readonly kind: 'header'; readonly payloadStart: number; readonly payloadLength: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'unframeable'; readonly reason: string };

function readHeader(text: string): Header {
  const newline = text.indexOf('\n');
  const length = newline === -1 ? text.length : newline;
  if (length > MAX_HEADER_LENGTH) {
    return unframeable(`a header of more than ${MAX_HEADER_LENGTH} characters`, text);
  }
  if (newline === -1) return { kind: 'more' };

  const digits = LENGTH_FIELD.exec(text.slice(0, newline))?.[1];
  if (digits === undefined) return unframeable('a header that does not end with len', text);
  const payloadLength = Number(digits);
  if (payloadLength > MAX_PAYLOAD_LENGTH) {
    return unframeable(`a payload of more than ${MAX_PAYLOAD_LENGTH} characters`, text);
  }
  return { kind: 'header', payloadStart: newline + 1, payloadLength };
}

function unframeable(what: string, text: string): Header {
  const excerpt = JSON.stringify(text.slice(0, 80));
  return { kind: 'unframeable', reason: `${what}: ${excerpt}` };
}

/**
 * The index `count` code points further; undefined where the text ends before that.
 *
 * `len` counts code points (Python's `len` of a str, before it is encoded): not bytes, as the
 * manual says, and not the UTF-16 units of a JavaScript string.
 */
function skipCodePoints(text: string, start: number, count: number): number | undefined {
  if (text.length - start < count) return undefined;
  let index = start;
  for (let left = count; left > 0; left--) {
    index += isHighSurrogate(text.charCodeAt(index)) ? 2 : 1;
  }
  return index <= text.length ? index : undefined;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
