import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { lint, PROGRAM, withRoot } from '../support/deb.ts';
import { assertMainJob, build, pathWithoutNode } from '../support/packaging.ts';

const standalone = suite('deb with the executable');

// xz at its default level takes most of a minute and changes nothing else.
const built = build('build:deb', ['--standalone'], { DPKG_DEB_COMPRESSOR_LEVEL: '0' }).then(
  ([path = '']) => path,
);

standalone(
  'installed, its program does its main job where there is no Node',
  timed(120_000, () =>
    withRoot(built, async (root, dir) => {
      const section = join(root, 'usr/share/supervisor-exporter/exporter.conf');
      assert.match(readFileSync(section, 'utf8'), /^command=\/usr\/bin\/supervisor-exporter$/m);
      await assertMainJob([join(root, PROGRAM)], dir, pathWithoutNode(dir));
    }),
  ),
);

standalone(
  'lintian finds nothing that is not explained',
  timed(120_000, async () => assert.is(await lint(await built), '')),
);

standalone.run();
