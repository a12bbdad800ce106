import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CachedText, joinCompressed } from '../../src/exposition/cached-text.ts';
import { concatenateCrcs } from '../../src/exposition/crc32.ts';
import { gzipPart } from '../../src/exposition/gzip.ts';
import { anyText } from '../support/any-text.ts';
import { timed } from '../support/deadline.ts';
import { joinTexts } from '../support/exposition.ts';

const cached = suite('cached text');

const PARTS: readonly (readonly [name: string, parts: readonly string[]])[] = [
  ['none', []],
  ['an empty one', ['']],
  ['one', ['a line\n']],
  ['several, some empty', ['', 'one\n', '', 'two 🚀\n', '']],
  ['repetition across the boundary', ['repeat repeat ', 'repeat repeat ', 'repeat repeat ']],
  ['more than the window of gzip', ['x'.repeat(100_000), 'y\n'.repeat(70_000), 'x'.repeat(10)]],
];

for (const [name, parts] of PARTS) {
  cached(
    `the parts make one gzip file: ${name}`,
    timed(10_000, async () => {
      const texts = parts.map((part) => new CachedText(part));
      assert.is(await joinTexts(texts), parts.join(''));
      const file = await joinCompressed(texts);
      assert.is(gunzipSync(file).toString(), parts.join(''));
      // By now they are kept compressed.
      assert.is(await joinTexts(texts), parts.join(''));
      // gzip itself accepts it as one sound file.
      execFileSync('gzip', ['--test'], { input: file, stdio: 'pipe' });
      assert.is(firstFileIn(file), parts.join(''));
    }),
  );
}

cached(
  'any parts make one gzip file',
  timed(30_000, () =>
    fc.assert(
      fc.asyncProperty(fc.array(anyText({ maxLength: 300 })), async (parts) => {
        const file = await joinCompressed(parts.map((part) => new CachedText(part)));
        assert.is(gunzipSync(file).toString(), parts.join(''));
      }),
    ),
  ),
);

cached(
  'a text is compressed once',
  timed(5_000, async () => {
    const text = new CachedText('a line\n');
    assert.is(await text.compressed(), await text.compressed());
  }),
);

cached('the CRC of a text is calculated from those of its parts', async () => {
  // The check value that the catalogues of CRCs give for CRC-32: that of 123456789.
  const [first, second] = await Promise.all(['1234', '56789'].map((t) => gzipPart(Buffer.from(t))));
  assert.is(concatenateCrcs(first?.crc ?? 0, second?.crc ?? 0, 5), 0xcbf43926);
});

/** Reads like a client that stops after the first gzip member. */
function firstFileIn(bytes: Buffer): string {
  const script = `
import sys, zlib
reader = zlib.decompressobj(wbits=31)
text = reader.decompress(sys.stdin.buffer.read())
assert reader.eof and not reader.unused_data
sys.stdout.buffer.write(text)`;
  return execFileSync('/usr/bin/python3', ['-c', script], { input: bytes }).toString();
}

cached.run();
