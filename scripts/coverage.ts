/**
 * `npm run coverage [-- PATTERN…]` runs the unit tests and prints which lines and branches they
 * reach: a summary of src, and each file of the pure rooms, whose floors it checks.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from './setup.ts';
import { runFile } from './test-file.ts';

/**
 * In percent, over all files of the room, also those that no unit test loads: in `listener` and
 * `resync` the streams and the calls of XML-RPC, which the protocol tests reach in the built file.
 */
const FLOORS: Readonly<Record<string, { readonly lines: number; readonly branches: number }>> = {
  supervisor: { lines: 90, branches: 95 },
  listener: { lines: 75, branches: 95 },
  processes: { lines: 95, branches: 95 },
  resync: { lines: 75, branches: 85 },
};

const folder = temporaryFolder();

await main(process.argv.slice(2));

async function main(patterns: readonly string[]): Promise<void> {
  const queue = readdirSync(join(ROOT, 'test/unit'))
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => patterns.length === 0 || patterns.some((part) => name.includes(part)));
  const runQueue = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const env = { ...process.env, NODE_V8_COVERAGE: folder };
      const { failed, output } = await runFile(`test/unit/${name}`, { env });
      if (failed > 0) {
        console.error(`test/unit/${name} failed:\n${output}`);
        process.exitCode = 1;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, runQueue));

  for (const [room, { lines, branches }] of Object.entries(FLOORS)) {
    const floors = ['--check-coverage', `--lines=${lines}`, `--branches=${branches}`];
    report(`src/${room}/**`, ['--reporter=text', '--statements=0', '--functions=0', ...floors]);
  }
  report('src/**', ['--reporter=text-summary']);
}

function report(include: string, flags: readonly string[]): void {
  const c8 = join(ROOT, 'node_modules/c8/bin/c8.js');
  const files = ['--all', `--include=${include}`, '--exclude=src/web/page/client/**'];
  const args = [c8, 'report', `--temp-directory=${folder}`, ...files, ...flags];
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
