import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { assertMainJob, build, digestOf, pathWithoutNode, ROOT } from '../support/packaging.ts';
import { withFolder } from '../support/prometheus.ts';

const executable = suite('executable');
const run = promisify(execFile);
const built = build('build:executable').then(([path = '']) => path);

executable(
  'two builds give the same bytes, without the path of the source tree',
  timed(120_000, async () => {
    const digest = digestOf(await built);
    const [again = ''] = await build('build:executable');
    assert.is(digestOf(again), digest);
    assert.not.ok(readFileSync(again).includes(ROOT));
  }),
);

executable(
  'it does its main job where there is no Node',
  timed(120_000, () =>
    withFolder('executable', async (dir) => {
      const path = pathWithoutNode(dir);
      const env = { PATH: path };
      assert.is.not(spawnSync('sh', ['-c', 'command -v node'], { env }).status, 0);
      // Not in dist, where it could find other files of the build.
      const installed = join(dir, 'supervisor-exporter');
      copyFileSync(await built, installed);

      // V8 would warn of a code cache that it rejects.
      const { stdout, stderr } = await run(installed, ['--version'], { env });
      assert.match(stdout, /^supervisor-exporter, version /);
      assert.is(stderr, '');
      await assertMainJob([installed], dir, path);
    }),
  ),
);

executable(
  'its bill of materials and its licences name Node and every bundled package',
  timed(60_000, async () => {
    const file = await built;
    const bom = JSON.parse(readFileSync(`${file}.cdx.json`, 'utf8'));
    const names = bom.components.map((component: { name: string }) => component.name);
    const notices = readFileSync(`${file}.THIRD-PARTY-NOTICES`, 'utf8');
    for (const name of ['node', 'prom-client', 'yaml', 'xmlrpc', 'bcryptjs']) {
      assert.ok(names.includes(name), name);
    }
    for (const name of names) assert.ok(notices.toLowerCase().includes(name), name);
    assert.match(notices, /Node\.js is licensed for use as follows/);
  }),
);

executable.run();
