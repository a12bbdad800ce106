/**
 * `npm run build:deb [-- --standalone] [--arch=arm64]` makes a Debian package: of the one file,
 * which depends on Debian's nodejs, or with --standalone of the executable.
 */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { printConfig } from '../src/cli/print-config.ts';
import { formatManPage } from './man-page.ts';
import { ownerOf, PACKAGE, sourceDate } from './package-info.ts';
import { build, fail, ROOT, run, succeed, temporaryFolder } from './setup.ts';

interface Variant {
  readonly name: string;
  readonly architecture: 'all' | 'amd64' | 'arm64';
  readonly program: string;
  /** The words that start the installed program. */
  readonly command: readonly string[];
  readonly notices: string;
  readonly relations: Readonly<Record<string, string>>;
  readonly about: readonly string[];
  readonly lintianOverrides: readonly string[];
}

const BINARY = '/usr/bin/supervisor-exporter';
const STANDALONE = `${PACKAGE.name}-standalone`;

const WITH_DEBIANS_NODE: Variant = {
  name: PACKAGE.name,
  architecture: 'all',
  program: 'supervisor-exporter.cjs',
  command: ['/usr/bin/node', BINARY],
  notices: 'THIRD-PARTY-NOTICES',
  relations: { Depends: 'nodejs (>= 18)', Conflicts: STANDALONE },
  about: [],
  lintianOverrides: [],
};

main();

function main(): void {
  const { values } = parseArgs({
    options: {
      standalone: { type: 'boolean', default: false },
      arch: { type: 'string', default: process.arch },
    },
  });
  if (values.standalone) {
    run(process.execPath, ['scripts/run.mjs', 'build-executable', `--arch=${values.arch}`]);
    makePackage(standalone(values.arch));
  } else {
    build();
    makePackage(WITH_DEBIANS_NODE);
  }
}

function standalone(architecture: string): Variant {
  const program = `supervisor-exporter-linux-${architecture}`;
  return {
    name: STANDALONE,
    architecture: architecture === 'arm64' ? 'arm64' : 'amd64',
    program,
    command: [BINARY],
    notices: `${program}.THIRD-PARTY-NOTICES`,
    relations: {
      // By the symbols that the binary needs: GLIBC_2.28, GLIBCXX_3.4.21, GCC_3.4.
      Depends: 'libc6 (>= 2.28), libstdc++6 (>= 5.2), libgcc-s1 | libgcc1',
      Provides: PACKAGE.name,
      Conflicts: PACKAGE.name,
      Replaces: PACKAGE.name,
    },
    about: [' .', ' This package contains Node.js and needs no other.'],
    // Node.js as its project publishes it: with the libraries that it bundles, and not as PIE.
    lintianOverrides: ['embedded-library zlib', 'hardening-no-pie'].map(
      (tag) => `${STANDALONE}: ${tag} [usr/bin/supervisor-exporter]`,
    ),
  };
}

function makePackage(variant: Variant): void {
  const time = sourceDate();
  const file = `${variant.name}_${PACKAGE.version}_${variant.architecture}.deb`;
  const target = join(ROOT, 'dist', file);
  const dir = temporaryFolder();
  layOut(variant, dir, time);
  normalizeModes(dir);
  const flags = ['--root-owner-group', '-Zxz', '--threads-max=2', '--build'];
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(time) };
  succeed('dpkg-deb', [...flags, dir, target], { env });
  console.log(target);
}

function exporterSection({ command }: Variant): string {
  const section = { name: 'exporter', doubt: undefined };
  const options = { program: command, flags: [], cwd: '/', section };
  return printConfig(options, source('supervisor/exporter.conf'));
}

function layOut(variant: Variant, dir: string, time: number): void {
  const write = (path: string, content: string | Buffer) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  };
  const share = 'usr/share/supervisor-exporter';
  const doc = `usr/share/doc/${variant.name}`;

  write(BINARY, programOf(variant));
  write(`${share}/exporter.conf`, exporterSection(variant));
  for (const folder of ['prometheus-rules', 'grafana']) {
    cpSync(join(ROOT, folder), join(dir, share, folder), { recursive: true });
  }
  write('usr/share/man/man1/supervisor-exporter.1.gz', compress(formatManPage(time)));
  write(`${doc}/changelog.gz`, compress(formatChangelog(variant, time)));
  write(`${doc}/CHANGELOG.md.gz`, compress(source('CHANGELOG.md')));
  write(`${doc}/README.Debian`, source('packaging/README.Debian'));
  write(`${doc}/copyright`, formatCopyright(variant));
  write(`${doc}/THIRD-PARTY-NOTICES.gz`, compress(source(`dist/${variant.notices}`)));
  if (variant.lintianOverrides.length > 0) {
    write(
      `usr/share/lintian/overrides/${variant.name}`,
      `${variant.lintianOverrides.join('\n')}\n`,
    );
  }
  write('DEBIAN/md5sums', checksums(dir));
  write('DEBIAN/control', formatControl(variant, dir));
}

/** Debian's packages name the interpreter by its path. */
function programOf({ program, architecture }: Variant): string | Buffer {
  const content = readFileSync(join(ROOT, 'dist', program));
  if (architecture !== 'all') return content;
  return content.toString('utf8').replace(/^#!.*/, '#!/usr/bin/node');
}

function formatControl(variant: Variant, dir: string): string {
  const [, kibibytes] =
    /^(\d+)/.exec(succeed('du', ['-sk', '--apparent-size', join(dir, 'usr')])) ?? [];
  const fields = {
    Package: variant.name,
    Version: PACKAGE.version,
    Architecture: variant.architecture,
    Maintainer: maintainer(),
    'Installed-Size': kibibytes,
    ...variant.relations,
    Recommends: 'supervisor',
    Suggests: 'prometheus, prometheus-alertmanager, grafana',
    Section: 'net',
    Priority: 'optional',
    Homepage: PACKAGE.homepage,
    Description: [
      'Prometheus exporter for Supervisor',
      ' It listens to the events of supervisord instead of polling it: it counts every',
      ' start and exit, knows the exit code or signal of each, and its scrapes do not',
      ' touch supervisord. Alerting rules, a runbook and a dashboard are included.',
      ...variant.about,
    ].join('\n'),
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

/** Debian's form of a changelog; the changes themselves are in CHANGELOG.md. */
function formatChangelog({ name }: Variant, time: number): string {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000');
  return [
    `${name} (${PACKAGE.version}) unstable; urgency=medium`,
    '',
    '  * The changes are in CHANGELOG.md.',
    '',
    ` -- ${maintainer()}  ${date}`,
    '',
  ].join('\n');
}

function formatCopyright({ name }: Variant): string {
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    `Upstream-Name: ${PACKAGE.name}`,
    `Source: ${PACKAGE.homepage}`,
    `Comment: The licences of the code that is bundled are in /usr/share/doc/${name}/THIRD-PARTY-NOTICES.gz.`,
    '',
    'Files: *',
    'Copyright: 2026 supervisor-exporter maintainers',
    `License: Expat\n${indent(source('LICENSE').replace(/^MIT License\n+Copyright.*\n+/, ''))}`,
    '',
  ].join('\n');
}

/** A field of several lines, as Debian's control files have it. */
function indent(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line}`))
    .join('\n');
}

function maintainer(): string {
  return `${PACKAGE.author} <${ownerOf()}@users.noreply.github.com>`;
}

function checksums(dir: string): string {
  return succeed('sh', ['-c', 'find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum'], {
    cwd: dir,
  });
}

/** Files keep no mode of the working tree or of the umask. */
function normalizeModes(dir: string): void {
  succeed('chmod', ['-R', 'u=rwX,go=rX', dir]);
  succeed('find', [dir, '-type', 'f', '-exec', 'chmod', '0644', '{}', '+']);
  succeed('chmod', ['0755', join(dir, BINARY)]);
}

/** Without the time and the name of the file. */
function compress(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

function source(file: string): string {
  try {
    return readFileSync(join(ROOT, file), 'utf8');
  } catch {
    return fail(`${file} cannot be read`);
  }
}
