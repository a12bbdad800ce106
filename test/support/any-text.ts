import fc from 'fast-check';

const SURROGATES = { first: 0xd800, count: 0x800 };

const character = fc
  .nat(0x10ffff - SURROGATES.count)
  .map((number) =>
    String.fromCodePoint(number < SURROGATES.first ? number : number + SURROGATES.count),
  );

/**
 * Any text that UTF-8 can encode. The unit `binary` of fast-check is the same, but first makes a
 * table of all characters, which takes half a second for each string().
 */
export function anyText(options: { readonly maxLength?: number } = {}): fc.Arbitrary<string> {
  return fc.string({ ...options, unit: character });
}
