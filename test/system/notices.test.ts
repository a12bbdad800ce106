import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const notices = suite('notices');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The build replaces by nothing what imports them. */
const LEFT_OUT: readonly string[] = ['@opentelemetry/api', 'tdigest'];

/** The packages that src imports, and those that they depend on. */
function importedPackages(): string[] {
  const found = new Set<string>();
  const add = (name: string) => {
    if (found.has(name) || LEFT_OUT.includes(name)) return;
    found.add(name);
    const { dependencies = {} } = JSON.parse(readPackageFile(name, 'package.json'));
    for (const dependency of Object.keys(dependencies)) add(dependency);
  };
  for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const source = readFileSync(join(ROOT, 'src', file), 'utf8');
    // Type imports are not bundled.
    const imports = source.matchAll(
      /^(?:import|export) (?!type\b)(?:[^;']*from )?'([^'.][^']*)';$/gms,
    );
    const dynamic = source.matchAll(/\bimport\('([^'.][^']*)'\)/g);
    for (const [, path = ''] of [...imports, ...dynamic]) {
      const [, name] = /^((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
      if (name !== undefined && !path.startsWith('node:')) add(name);
    }
  }
  return [...found].sort();
}

function readPackageFile(name: string, file: string): string {
  return readFileSync(join(ROOT, 'node_modules', name, file), 'utf8');
}

for (const file of ['THIRD-PARTY-NOTICES', 'supervisor-exporter.cjs']) {
  notices(`${file} names every bundled package with its licence text`, () => {
    const text = readFileSync(join(ROOT, 'dist', file), 'utf8');
    const packages = importedPackages();
    for (const name of ['bcryptjs', 'prom-client', 'sax', 'xmlrpc', 'yaml']) {
      assert.ok(packages.includes(name), name);
    }
    for (const name of packages) {
      const { version, license } = JSON.parse(readPackageFile(name, 'package.json'));
      const licence = readPackageFile(name, 'LICENSE').trim();
      assert.ok(text.includes(`\n${name} ${version} (${license})\n\n${licence}\n`), name);
    }
    const named = [...text.matchAll(/^-{80}\n\n(\S+) \S+ \(/gm)].map(([, name]) => name);
    assert.equal(named, packages);
  });
}

notices.run();
