/** The software bill of materials of what is shipped, in the format of CycloneDX 1.5. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './setup.ts';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
}

interface Component {
  readonly type: 'application' | 'library' | 'platform';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly cpe?: string;
  readonly licenses?: readonly unknown[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

interface Bom {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.5';
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
}

/** Of the one file, which contains code of these npm packages. */
export function formatSbom(packages: readonly string[]): string {
  const { name, version, license } = readJson('package.json') as LockedPackage & { name: string };
  const { packages: locked } = readJson('package-lock.json') as {
    packages: Readonly<Record<string, LockedPackage>>;
  };
  return format({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: componentOf('application', name, { version, ...(license && { license }) }),
    },
    components: packages.map((dependency) => {
      const entry = locked[`node_modules/${dependency}`];
      if (entry === undefined) throw new Error(`package-lock.json has no ${dependency}`);
      return componentOf('library', dependency, entry);
    }),
  });
}

/** Of the executable, which contains this Node as well. Node's licence file lists its own parts. */
export function addNode(sbom: string, version: string): string {
  const bom = JSON.parse(sbom) as Bom;
  const purl = `pkg:generic/node@${version}`;
  const node: Component = {
    type: 'platform',
    'bom-ref': purl,
    name: 'node',
    version,
    purl,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    licenses: [{ license: { id: 'MIT' } }],
  };
  return format({ ...bom, components: [...bom.components, node] });
}

function componentOf(
  type: Component['type'],
  name: string,
  { version, integrity, license }: LockedPackage,
): Component {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const [, digest] = /^sha512-(\S+)$/.exec(integrity ?? '') ?? [];
  return {
    type,
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license && { licenses: [{ license: { id: license } }] }),
    ...(digest && {
      hashes: [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }],
    }),
  };
}

function format(bom: Bom): string {
  return `${JSON.stringify(bom, null, 2)}\n`;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
}
