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

/** The longest payload accepted, in the characters that `len` counts. */
export const MAX_PAYLOAD_LENGTH = 16 * 1024 * 1024;

export type Frame =
  | { readonly kind: 'whole'; readonly header: string; readonly payload: string }
  /** The stream ended inside it. */
  | { readonly kind: 'partial' }
  /** Where the next frame begins is not known. */
  | { readonly kind: 'unframeable'; readonly reason: string };

/**
 * Divides text into whole frames; the last element is the rest, to be tried again with more.
 * Never throws: text that cannot be framed is returned as one frame, which `readFrame` reports.
 */
export function splitFrames(text: string): string[] {
  const frames: string[] = [];
  let start = 0;
  for (;;) {
    const end = frameEnd(text, start);
    if (end === undefined) break;
    frames.push(text.slice(start, end));
    start = end;
  }
  frames.push(text.slice(start));
  return frames;
}

/** `splitFrames` as a matcher for `split2` and `String.prototype.split`. */
export const frameMatcher = { [Symbol.split]: splitFrames };

/** Reads one element of the result of `splitFrames`. */
export function readFrame(text: string): Frame {
  const header = readHeader(text, 0);
  switch (header.kind) {
    case 'more':
      return { kind: 'partial' };
    case 'unframeable':
      return header;
    case 'header': {
      const end = skipCodePoints(text, header.payloadStart, header.payloadLength);
      if (end === undefined) return { kind: 'partial' };
      return {
        kind: 'whole',
        header: text.slice(0, header.payloadStart - 1),
        payload: text.slice(header.payloadStart, end),
      };
    }
  }
}

/** Where the frame at `start` ends; undefined as long as it is incomplete. */
function frameEnd(text: string, start: number): number | undefined {
  const header = readHeader(text, start);
  switch (header.kind) {
    case 'more':
      return undefined;
    case 'unframeable':
      return text.length;
    case 'header':
      return skipCodePoints(text, header.payloadStart, header.payloadLength);
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
  if (payloadLength > MAX_PAYLOAD_LENGTH) {
    return unframeable(`a payload of more than ${MAX_PAYLOAD_LENGTH} characters`, text, start);
  }
  return { kind: 'header', payloadStart: newline + 1, payloadLength };
}

function unframeable(what: string, text: string, start: number): Header {
  const excerpt = JSON.stringify(text.slice(start, start + 80));
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
