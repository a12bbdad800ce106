// @ts-check
/**
 * `node scripts/run.mjs NAME [ARGUMENTS]` runs scripts/NAME.ts. It is JavaScript and imports no
 * package, because it also runs on a fresh clone: it installs the npm packages first.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [name = ''] = process.argv.splice(2, 1);

installPackages();
const { register } = await import('tsx/esm/api');
register();
await import(`./${name}.ts`);

/** Unless they are present and as new as the lock file. */
function installPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  const lockFile = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockFile).mtimeMs) return;
  const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', ['ci', ...flags], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    console.error('npm ci failed');
    process.exit(1);
  }
}
