/**
 * `npm run release` makes the files of a release for this architecture in dist/release, with their
 * checksums. With --check it only compares the tag, the owner, package.json and CHANGELOG.md, and
 * with --notes it only prints the entries of this version.
 */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { notesOf } from './changelog.ts';
import { ownerOf, PACKAGE, sourceDate } from './package-info.ts';
import { fail, ROOT, run, succeed, temporaryFolder } from './setup.ts';

const TARGET = join(ROOT, 'dist/release');

main();

function main(): void {
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      notes: { type: 'boolean', default: false },
      tag: { type: 'string', default: `v${PACKAGE.version}` },
      owner: { type: 'string', default: ownerOf() },
    },
  });
  const notes = notesOf(PACKAGE.version, readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'));
  if (values.notes) console.log(notes);
  else if (values.check) check(values.tag, values.owner);
  else make();
}

function check(tag: string, owner: string): void {
  if (tag !== `v${PACKAGE.version}`) fail(`the tag ${tag} is not v${PACKAGE.version}`);
  if (owner !== ownerOf()) {
    fail(`package.json names the owner ${ownerOf()}: run OWNER=${owner} npm run set-owner`);
  }
}

function make(): void {
  rmSync(TARGET, { recursive: true, force: true });
  mkdirSync(TARGET, { recursive: true });
  const { version } = PACKAGE;
  const platform = `linux-${process.arch}`;
  run(process.execPath, ['scripts/run.mjs', 'build-deb', '--standalone']);
  const debian = process.arch === 'arm64' ? 'arm64' : 'amd64';
  take(`supervisor-exporter-standalone_${version}_${debian}.deb`);
  take(
    `supervisor-exporter-${platform}.cdx.json`,
    `supervisor-exporter-${version}-${platform}.cdx.json`,
  );
  makeArchive(`supervisor-exporter-${platform}`, `supervisor-exporter-${version}-${platform}`);
  // What is the same on every architecture is made on one.
  if (process.arch === 'x64') {
    run(process.execPath, ['scripts/run.mjs', 'build-deb']);
    take(`supervisor-exporter_${version}_all.deb`);
    take('supervisor-exporter.cjs', `supervisor-exporter-${version}.cjs`);
    take('supervisor-exporter.cdx.json', `supervisor-exporter-${version}.cdx.json`);
  }
  const files = readdirSync(TARGET).sort();
  writeFileSync(join(TARGET, 'SHA256SUMS'), succeed('sha256sum', files, { cwd: TARGET }));
  console.log(TARGET);
}

function take(file: string, name = file): void {
  copyFileSync(join(ROOT, 'dist', file), join(TARGET, name));
}

/** The executable with what has to accompany it. */
function makeArchive(executable: string, name: string): void {
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  const contents: Readonly<Record<string, string>> = {
    [`dist/${executable}`]: 'supervisor-exporter',
    [`dist/${executable}.THIRD-PARTY-NOTICES`]: 'THIRD-PARTY-NOTICES',
    LICENSE: 'LICENSE',
    'README.md': 'README.md',
    'CHANGELOG.md': 'CHANGELOG.md',
  };
  for (const [from, to] of Object.entries(contents)) {
    copyFileSync(join(ROOT, from), join(folder, to));
  }
  succeed('chmod', ['0755', join(folder, 'supervisor-exporter')]);
  const fixed = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];
  const time = `--mtime=@${sourceDate()}`;
  const archive = ['-I', 'gzip -9n', '-cf', join(TARGET, `${name}.tar.gz`)];
  succeed('tar', [...fixed, time, ...archive, '-C', join(folder, '..'), basename(folder)]);
}
