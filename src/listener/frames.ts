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

/** The header ends with the length; `server:` before it is free text, so only the end is matched. */
const LENGTH_FIELD = / len:(\d+)$/;

/** supervisord writes about 150 characters; long names and identifiers stay far below this. */
export const MAX_HEADER_LENGTH = 64 * 1024;

/** A payload of more characters, as `len` counts them, is skipped. */
export const MAX_PAYLOAD_LENGTH = 16 * 1024 * 1024;

export type Frame =
  /** The payload is undefined where it was skipped. */
  | { readonly kind: 'whole'; readonly header: string; readonly payload: string | undefined }
  /** The stream ended inside it. */
  | { readonly kind: 'partial' }
  /** Where the next frame begins is not known. */
  | { readonly kind: 'unframeable'; readonly reason: string };

/** A matcher for `split2` and `String.prototype.split`, for one stream. */
export class FrameMatcher {
  readonly #maxPayloadLength: number;
  /** The header of a payload that is being skipped, and how many of its characters are still to come. */
  #header = '';
  #left = 0;

  constructor(maxPayloadLength = MAX_PAYLOAD_LENGTH) {
    this.#maxPayloadLength = maxPayloadLength;
  }

  /**
   * Divides text into whole frames, without payloads that are too long; the last element is the
   * rest, to be tried again with more. Never throws: text that cannot be framed is returned as one
   * frame, which `readFrame` reports.
   */
  [Symbol.split](text: string): string[] {
    const frames: string[] = [];
    let start = 0;
    for (;;) {
      if (this.#left > 0) {
        [start, this.#left] = skipCodePoints(text, start, this.#left);
        if (this.#left > 0) break;
        frames.push(this.#header);
      }
      const header = readHeader(text, start);
      if (header.kind === 'header' && header.payloadLength > this.#maxPayloadLength) {
        this.#header = text.slice(start, header.payloadStart);
        this.#left = header.payloadLength;
        start = header.payloadStart;
        continue;
      }
      const end = frameEnd(text, header);
      if (end === undefined) break;
      frames.push(text.slice(start, end));
      start = end;
    }
    frames.push(text.slice(start));
    return frames;
  }
}

/** Reads one element that a matcher with the same limit has returned. */
export function readFrame(text: string, maxPayloadLength = MAX_PAYLOAD_LENGTH): Frame {
  const header = readHeader(text, 0);
  switch (header.kind) {
    case 'more':
      return { kind: 'partial' };
    case 'unframeable':
      return header;
    case 'header': {
      const { payloadStart, payloadLength } = header;
      const line = text.slice(0, payloadStart - 1);
      if (payloadLength > maxPayloadLength)
        return { kind: 'whole', header: line, payload: undefined };
      const end = frameEnd(text, header);
      if (end === undefined) return { kind: 'partial' };
      return { kind: 'whole', header: line, payload: text.slice(payloadStart, end) };
    }
  }
}

type Header =
  | { readonly kind: 'header'; readonly payloadStart: number; readonly payloadLength: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'unframeable'; readonly reason: string };

function readHeader(text: string, start: number): Header {
  const newline = text.indexOf('\n', start);
  const end = newline === -1 ? text.length : newline;
  if (end - start > MAX_HEADER_LENGTH) {
    return unframeable(`a header of more than ${MAX_HEADER_LENGTH} characters`, text, start);
  }
  if (newline === -1) return { kind: 'more' };

  const digits = LENGTH_FIELD.exec(text.slice(start, newline))?.[1];
  if (digits === undefined) return unframeable('a header that does not end with len', text, start);
  const payloadLength = Number(digits);
  if (!Number.isSafeInteger(payloadLength))
    return unframeable('a len that is not a safe integer', text, start);
  return { kind: 'header', payloadStart: newline + 1, payloadLength };
}

function unframeable(what: string, text: string, start: number): Header {
  const excerpt = JSON.stringify(text.slice(start, start + 80));
  return { kind: 'unframeable', reason: `${what}: ${excerpt}` };
}

/** Where the frame ends; undefined as long as it is incomplete. */
function frameEnd(text: string, header: Header): number | undefined {
  if (header.kind === 'unframeable') return text.length;
  if (header.kind === 'more') return undefined;
  const { payloadStart, payloadLength } = header;
  // Counting all that has come each time that more comes would take quadratic time.
  if (text.length - payloadStart < payloadLength) return undefined;
  const [end, left] = skipCodePoints(text, payloadStart, payloadLength);
  return left === 0 ? end : undefined;
}

/**
 * The index `count` code points further, at most the end of the text, and how many are left then.
 *
 * `len` counts code points (Python's `len` of a str, before it is encoded): not bytes, as the
 * manual says, and not the UTF-16 units of a JavaScript string.
 */
function skipCodePoints(text: string, start: number, count: number): [index: number, left: number] {
  let index = start;
  let left = count;
  for (; left > 0 && index < text.length; left--)
    index += isHighSurrogate(text.charCodeAt(index)) ? 2 : 1;
  return [index, left];
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
