/** Bundles src/main.ts and what it needs into the one file that runs with `node FILE` alone. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const target = join(root, bin['supervisor-exporter']);

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  legalComments: 'inline',
  define: {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_REVISION: JSON.stringify(revision()),
    BUILD_SECTION: JSON.stringify(readFileSync(join(root, 'supervisor/exporter.conf'), 'utf8')),
  },
  logLevel: 'warning',
});

// Put in place in one step: an exporter may be starting from the old one right now.
mkdirSync(dirname(target), { recursive: true });
const unfinished = `${target}.${process.pid}`;
writeFileSync(unfinished, outputFiles[0].contents);
chmodSync(unfinished, 0o755);
renameSync(unfinished, target);

/** The commit that is built; a source tree without git has none. */
function revision() {
  try {
    const args = ['rev-parse', '--short', 'HEAD'];
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}
