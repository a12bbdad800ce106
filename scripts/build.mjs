/** Bundles src/main.ts and what it needs into the one file that runs with `node FILE` alone. */

import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);
const { version, bin } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const outfile = bin['supervisor-exporter'];

await build({
  absWorkingDir: root.pathname,
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  banner: { js: '#!/usr/bin/env node' },
  legalComments: 'inline',
  define: {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_REVISION: JSON.stringify(revision()),
  },
  logLevel: 'warning',
});
chmodSync(new URL(outfile, root), 0o755);

/** The commit that is built; a source tree without git has none. */
function revision() {
  try {
    const args = ['rev-parse', '--short', 'HEAD'];
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}
