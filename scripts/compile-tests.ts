/**
 * Compiles test files once, for a run of many: to start tsx in each process of a test takes
 * longer than most unit tests.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type PluginBuild } from 'esbuild';
import { ROOT, temporaryFolder } from './setup.ts';

/**
 * Returns the JavaScript file of each test file. The folder is one where Node finds the packages,
 * which are not compiled; by default the script removes it when it ends.
 */
export async function compileTests(
  files: readonly string[],
  folder = temporaryFolder(join(ROOT, 'node_modules')),
): Promise<ReadonlyMap<string, string>> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [...files],
    outdir: folder,
    outbase: ROOT,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node18',
    format: 'esm',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
    plugins: [{ name: 'source address', setup: keepSourceAddress }],
  });
  return new Map(files.map((file) => [file, join(folder, file.replace(/\.ts$/, '.mjs'))]));
}

/** Files that a source finds beside itself are still found from there. */
function keepSourceAddress({ onLoad }: PluginBuild): void {
  onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const source = readFileSync(path, 'utf8');
    const address = JSON.stringify(pathToFileURL(path).href);
    return { contents: source.replaceAll('import.meta.url', address), loader: 'ts' };
  });
}
