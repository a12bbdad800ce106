/** Sees to it that what a script needs is there: npm's packages, and the system's. */

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Installs npm's packages unless they are there and as new as the lock file. */
export function needNpmPackages() {
  const installed = `${root}node_modules/.package-lock.json`;
  const isCurrent =
    existsSync(installed) &&
    statSync(installed).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs;
  if (!isCurrent) run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/**
 * Installs Debian packages that are missing, where that can be done without asking: as root
 * and with apt. Elsewhere ends the program with the command that installs them.
 * `packages` maps the name of a package to a command that succeeds where it is installed.
 */
export function needSystemPackages(packages) {
  const missing = () => Object.keys(packages).filter((name) => !succeeds(packages[name]));
  const wanted = missing();
  if (wanted.length === 0) return;

  const install = ['install', '-y', '-qq', '--no-install-recommends', ...wanted];
  if (process.getuid?.() === 0 && succeeds(['apt-get', '--version'])) {
    console.error(`installing ${wanted.join(', ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], { env });
    run('apt-get', install, { env });
  }
  const still = missing();
  if (still.length > 0) {
    fail(`missing: ${still.join(', ')}. Install with: sudo apt-get install ${still.join(' ')}`);
  }
}

/** Runs a command of the set-up, its output on stderr; ends the program if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    ...options,
  });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

function succeeds([command, ...args]) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
