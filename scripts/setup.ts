/** The preparation that scripts share: system packages and the build. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Debian packages, each with a command that succeeds where the package is installed. */
const SYSTEM_PACKAGES = {
  'binutils-aarch64-linux-gnu': ['aarch64-linux-gnu-strip', '--version'],
  'binutils-x86-64-linux-gnu': ['x86_64-linux-gnu-strip', '--version'],
  chromium: ['chromium', '--version'],
  curl: ['curl', '--version'],
  faketime: ['faketime', '--version'],
  gcc: ['cc', '--version'],
  'libc6-dev': ['cc', '-E', '-x', 'c', '-include', 'unistd.h', '/dev/null'],
  iproute2: ['ip', '-V'],
  lintian: ['lintian', '--version'],
  'man-db': ['man', '--version'],
  openssl: ['openssl', 'version'],
  procps: ['ps', '--version'],
  prometheus: ['promtool', '--version'],
  'prometheus-alertmanager': ['prometheus-alertmanager', '--version'],
  'prometheus-node-exporter': ['prometheus-node-exporter', '--version'],
  'prometheus-process-exporter': ['prometheus-process-exporter', '-version'],
  python3: ['python3', '--version'],
  'python3-prometheus-client': ['/usr/bin/python3', '-c', 'import prometheus_client'],
  supervisor: ['supervisord', '--version'],
  wget: ['wget', '--version'],
} as const satisfies Record<string, readonly [command: string, ...args: string[]]>;

export type SystemPackage = keyof typeof SYSTEM_PACKAGES;

/**
 * Installs the packages that are missing where that needs no question: as root and with apt.
 * Elsewhere ends the program with the command that installs them.
 */
export function needSystemPackages(packages: readonly SystemPackage[]): void {
  const missing = () => packages.filter((name) => !succeeds(SYSTEM_PACKAGES[name]));
  const wanted = missing();
  if (wanted.length === 0) return;

  if (process.getuid?.() === 0 && succeeds(['apt-get', '--version'])) {
    console.error(`installing ${wanted.join(', ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], env);
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...wanted], env);
  }
  const still = missing();
  if (still.length > 0) {
    fail(`missing: ${still.join(', ')}. Install with: sudo apt-get install ${still.join(' ')}`);
  }
}

export function build(): void {
  run(process.execPath, ['scripts/run.mjs', 'build']);
}

/** Runs a command with its output on stderr; ends the program if the command fails. */
export function run(command: string, args: readonly string[], env = process.env): void {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, env, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}

/** A folder that is removed when the script ends, also by `fail`. */
export function temporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'supervisor-exporter-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Replaces a file in one step: another process may be reading or starting the old one. */
export function replaceFile(file: string, content: string, mode = 0o644): void {
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, content);
  chmodSync(unfinished, mode);
  renameSync(unfinished, file);
}

/** Runs a command that prints nothing of interest unless it fails; returns its stdout. */
export function succeed(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    ...options,
  });
  if (status !== 0) {
    fail(`${command} ${args.join(' ')} failed: ${error?.message ?? stdout + stderr}`);
  }
  return stdout;
}

export function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function succeeds([command, ...args]: readonly [command: string, ...args: string[]]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
