import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleInChunks } from '../../scripts/bundle.ts';
import { timed } from '../support/deadline.ts';

const chunks = suite('chunk loader');

const MAIN = `
async function main() {
  const errors = [];
  for (const attempt of [1, 2]) await import('./broken.ts').catch((error) => errors.push(error));
  console.log(errors.length, errors[0].message, errors[0] === errors[1]);
}
main();
`;

chunks(
  'a chunk that throws while it is evaluated fails with the same error at each import',
  timed(30_000, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      writeFileSync(join(dir, 'main.ts'), MAIN);
      writeFileSync(join(dir, 'broken.ts'), "throw new Error('broken');\nexport {};\n");
      writeFileSync(join(dir, 'bundle.cjs'), await bundleInChunks(join(dir, 'main.ts'), {}));
      const printed = execFileSync(process.execPath, [join(dir, 'bundle.cjs')], {
        encoding: 'utf8',
      });
      assert.is(printed, '2 broken true\n');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }),
);

chunks.run();
