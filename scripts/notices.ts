/** The licence notices of the packages whose code is bundled. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** The names of the npm packages that contribute code to these bundles, sorted. */
export function packagesOf(metafiles: readonly Metafile[]): string[] {
  const names = metafiles.flatMap(({ inputs, outputs }) => {
    const bundled = Object.values(outputs).flatMap((output) => Object.keys(output.inputs));
    return bundled.flatMap((path) => {
      // An input that the build replaces by nothing has no bytes.
      if (inputs[path]?.bytes === 0) return [];
      return /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [];
    });
  });
  return [...new Set(names)].sort();
}

/** Throws where a package has no licence file: then its notice has to be found by hand. */
export function formatNotices(packages: readonly string[], nodeModules: string): string {
  const notices = packages.map((name) => {
    const folder = join(nodeModules, name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) =>
      /^(?:licen[cs]e|copying|notice)/i.test(file),
    );
    if (files.length === 0) throw new Error(`${name} has no licence file`);
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return `${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`;
  });
  return [
    'supervisor-exporter contains code of these packages, under their licences:\n',
    ...notices,
  ].join(`\n${'-'.repeat(80)}\n\n`);
}
