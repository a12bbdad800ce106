/** Debian packages: lintian's verdict, and the root of a host with nothing but one of them. */

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from './prometheus.ts';

const run = promisify(execFile);

export const PROGRAM = 'usr/bin/supervisor-exporter';

/** What lintian prints without the overridden tags; it exits with 2 where it prints a tag. */
export async function lint(file: string): Promise<string> {
  const { stdout } = await run('lintian', ['--allow-root', '--fail-on', 'none', file]);
  return stdout;
}

/** Installs the package into the root of an empty host, without the packages it depends on. */
export async function withRoot(
  file: string | Promise<string>,
  body: (root: string, dir: string) => Promise<void>,
): Promise<void> {
  const path = await file;
  await withFolder('deb', async (dir) => {
    const root = join(dir, 'root');
    for (const folder of ['info', 'updates']) {
      mkdirSync(join(root, 'var/lib/dpkg', folder), { recursive: true });
    }
    writeFileSync(join(root, 'var/lib/dpkg/status'), '');
    await dpkg(root, '--force-depends', '--install', path);
    await body(root, dir);
  });
}

/** In a user namespace where the test is not run by root, since files are installed as root's. */
export async function dpkg(root: string, ...args: readonly string[]): Promise<void> {
  const command = ['dpkg', `--root=${root}`, '--no-triggers', '--log=/dev/null', ...args];
  const isRoot = process.getuid?.() === 0;
  const [program = '', ...rest] = isRoot ? command : ['unshare', '--map-root-user', ...command];
  await run(program, rest);
}
