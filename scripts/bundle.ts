/** Bundles an entry point and what it imports, into one text. */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Metafile, transform } from 'esbuild';
import { ROOT } from './setup.ts';

/** What each bundle contains, including those that are inserted into another as text. */
export const metafiles: Metafile[] = [];

const NODE = {
  platform: 'node',
  target: 'node18',
  format: 'cjs',
  legalComments: 'inline',
  // Halves the memory that the text takes; names and lines remain for stack traces.
  minifyWhitespace: true,
  lineLimit: 160,
} as const satisfies BuildOptions;

/** A file that esbuild makes. */
interface Output {
  readonly name: string;
  readonly text: string;
  /** Names of the outputs that it imports statically. */
  readonly needs: readonly string[];
}

export async function bundle(entryPoint: string, options: BuildOptions = NODE): Promise<string> {
  const [output] = await outputsOf(entryPoint, options);
  if (output === undefined) throw new Error(`esbuild made nothing of ${entryPoint}`);
  return output.text;
}

/**
 * A program for Node whose chunks, one for each `await import('…')` and for what they share, are
 * compiled when they are imported: V8 takes 15 ms to read all of the program, and READY waits.
 */
export async function bundleInChunks(entryPoint: string, options: BuildOptions): Promise<string> {
  // esbuild splits only ES modules.
  const chunks = await outputsOf(entryPoint, {
    ...NODE,
    ...options,
    format: 'esm',
    splitting: true,
    outdir: 'dist',
  });
  const main = basename(entryPoint).replace(/\.ts$/, '.js');
  const atStart = neededBy(main, chunks);
  const entries = chunks.map(async ({ name, text }) => {
    const code = await asCommonJs(text, 'js');
    const value = atStart.has(name)
      ? // In parentheses V8 compiles a function at once, instead of parsing it twice.
        `((exports,require,module)=>{${code}})`
      : `()=>{/*${gzipSync(code, { level: 9 }).toString('base64')}*/}`;
    return `${JSON.stringify(name)}:${value}`;
  });
  const loader = await asCommonJs(
    readFileSync(join(ROOT, 'scripts/chunk-loader.ts'), 'utf8'),
    'ts',
  );
  return `#!/usr/bin/env node
"use strict";
const CHUNKS={${(await Promise.all(entries)).join(',\n')}};
${loader}loadChunk("./${main}");`;
}

/** The names of a chunk and of those that it imports statically, directly or not. */
function neededBy(first: string, chunks: readonly Output[]): ReadonlySet<string> {
  const names = new Set([first]);
  // The loop also visits what is added to the set meanwhile.
  for (const name of names) {
    const needs = chunks.find((chunk) => chunk.name === name)?.needs ?? [];
    for (const needed of needs) names.add(needed);
  }
  return names;
}

async function asCommonJs(text: string, loader: 'js' | 'ts'): Promise<string> {
  const { code } = await transform(text, {
    ...NODE,
    loader,
    supported: { 'dynamic-import': false },
  });
  return code;
}

async function outputsOf(entryPoint: string, options: BuildOptions): Promise<Output[]> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entryPoint],
    bundle: true,
    logLevel: 'warning',
    ...options,
    metafile: true,
    write: false,
  });
  metafiles.push(metafile);
  const imports = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output.imports]),
  );
  return outputFiles.map(({ path, text }) => {
    const name = basename(path);
    const needs = (imports.get(name) ?? []).filter(({ kind }) => kind === 'import-statement');
    return { name, text, needs: needs.map((needed) => basename(needed.path)) };
  });
}
