/** Makes the output of a process safe to show in terminals, pages and mail. Pure. */

/** CSI, OSC with its text up to the end of the line, and shorter escape sequences (ECMA-48). */
const ESCAPE_SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;

/**
 * Control characters except tab and newline, separators that only some programs treat as the end of
 * a line, and characters that reorder or hide text (Unicode UAX #9, UTR #36).
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * The end of a log, as text. Escape sequences are removed; any other unsafe character, and what is
 * not UTF-8, becomes U+FFFD. The first character may be incomplete, and is then removed.
 */
export function toHarmlessText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true })
    .decode(withoutCutCharacter(bytes))
    .replaceAll(ESCAPE_SEQUENCE, '')
    .replaceAll(/\r+\n?/g, '\n')
    .replaceAll(UNSAFE, '\ufffd');
}

/** Longest continuation of a character in UTF-8. */
const MAX_CONTINUATION_BYTES = 3;

function withoutCutCharacter(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < MAX_CONTINUATION_BYTES && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return bytes.subarray(from);
}
