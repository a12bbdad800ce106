/** The ways bytes can come: whole, one at a time, and cut in two at each place. */
export function* everyChunking(bytes: Buffer): Generator<readonly [how: string, chunks: Buffer[]]> {
  yield ['whole', [bytes]];
  yield ['byte by byte', [...bytes].map((byte) => Buffer.of(byte))];
  for (let cut = 1; cut < bytes.length; cut++) {
    yield [`cut at ${cut}`, [bytes.subarray(0, cut), bytes.subarray(cut)]];
  }
}
