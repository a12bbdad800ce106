/**
 * `npm run build:executable [-- --arch=arm64] [--node=24.22.0]` makes one executable of the
 * exporter and Node, by Node's "single executable applications".
 */

import { chmodSync, copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  ARCHITECTURES,
  type Architecture,
  type NodeDistribution,
  needNode,
  SHIPPED_NODE,
} from './node-binary.ts';
import { addNode } from './sbom.ts';
import {
  build,
  fail,
  needSystemPackages,
  ROOT,
  replaceFile,
  succeed,
  temporaryFolder,
} from './setup.ts';

/** Where Node finds the injected program; both are fixed by Node. */
const RESOURCE = 'NODE_SEA_BLOB';
const SENTINEL = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** Debian's packages with the `strip` of each architecture. */
const BINUTILS = {
  x64: { package: 'binutils-x86-64-linux-gnu', strip: 'x86_64-linux-gnu-strip' },
  arm64: { package: 'binutils-aarch64-linux-gnu', strip: 'aarch64-linux-gnu-strip' },
} as const;

main();

function main(): void {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: process.arch },
      node: { type: 'string', default: SHIPPED_NODE },
    },
  });
  const architecture = ARCHITECTURES.find((known) => known === values.arch);
  if (architecture === undefined) fail(`--arch is one of ${ARCHITECTURES.join(', ')}`);
  needSystemPackages([BINUTILS[architecture].package]);
  build();

  const target = join(ROOT, 'dist', `supervisor-exporter-linux-${architecture}`);
  const node = needNode(values.node, architecture);
  const blob = prepareBlob(values.node, architecture, temporaryFolder());
  assemble(node, blob, architecture, target);
  writeAccount(node, values.node, target);
  console.log(target);
}

/** Only a Node of the same version and architecture can make a code cache that V8 accepts. */
function prepareBlob(version: string, architecture: Architecture, dir: string): string {
  const isNative = architecture === process.arch;
  if (!isNative)
    console.error(`without a code cache, which only a machine with ${architecture} can make`);
  const config = {
    // Relative, because the executable contains it.
    main: 'supervisor-exporter.cjs',
    output: join(dir, 'blob'),
    disableExperimentalSEAWarning: true,
    useCodeCache: isNative,
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  const { binary } = needNode(version, process.arch === 'arm64' ? 'arm64' : 'x64');
  // The code cache contains hashes: with a fixed seed the same source gives the same bytes.
  const args = ['--random-seed=1', '--experimental-sea-config', join(dir, 'config.json')];
  succeed(binary, args, { cwd: join(ROOT, 'dist') });
  return config.output;
}

function assemble(
  { binary }: NodeDistribution,
  blob: string,
  architecture: Architecture,
  target: string,
): void {
  const unfinished = join(temporaryFolder(dirname(target)), 'executable');
  copyFileSync(binary, unfinished);
  chmodSync(unfinished, 0o755);
  // Before the injection, which strip would not preserve. Symbols are a seventh of the file.
  succeed(BINUTILS[architecture].strip, [unfinished]);
  const postject = join(ROOT, 'node_modules/postject/dist/cli.js');
  const injection = [postject, unfinished, RESOURCE, blob, '--sentinel-fuse', SENTINEL];
  succeed(process.execPath, injection);
  renameSync(unfinished, target);
}

/** What has to accompany the executable: the licences and the bill of materials. */
function writeAccount({ license }: NodeDistribution, version: string, target: string): void {
  const dist = (file: string) => readFileSync(join(ROOT, 'dist', file), 'utf8');
  const notices = [
    dist('THIRD-PARTY-NOTICES'),
    `${'-'.repeat(80)}\n\nThe executable also contains Node.js ${version}, under this licence:\n\n`,
    readFileSync(license, 'utf8'),
  ];
  replaceFile(`${target}.THIRD-PARTY-NOTICES`, notices.join(''));
  replaceFile(`${target}.cdx.json`, addNode(dist('supervisor-exporter.cdx.json'), version));
}
