/** The start of the built file: loads its chunks, which scripts/bundle.ts puts there. */

import { compileFunction } from 'node:vm';

type Load = (name: string) => unknown;
type Code = (exports: unknown, load: Load, module: Module) => void;

/** Code that is needed at the start, and text for later: gzip, in base64. */
declare const CHUNKS: Readonly<Record<string, Code | string>>;

interface Module {
  exports: unknown;
  /** What its code threw. */
  failure?: { readonly error: unknown };
}

const loaded = new Map<string, Module>();

/** What `require` is for a chunk. One that has thrown throws the same again, like an ES module. */
export function loadChunk(name: string): unknown {
  const chunk = name.startsWith('./') ? CHUNKS[name.slice('./'.length)] : undefined;
  if (chunk === undefined) return require(name);
  const present = loaded.get(name);
  if (present?.failure !== undefined) throw present.failure.error;
  if (present !== undefined) return present.exports;
  const module: Module = { exports: {} };
  // Before the code runs, for chunks that import one another.
  loaded.set(name, module);
  try {
    const code = typeof chunk === 'string' ? compile(name, chunk) : chunk;
    code(module.exports, loadChunk, module);
  } catch (error) {
    module.failure = { error };
    throw error;
  }
  return module.exports;
}

function compile(name: string, text: string): Code {
  // Loaded here, because the start does not need it.
  const { gunzipSync } = require('node:zlib') as typeof import('node:zlib');
  const code = gunzipSync(Buffer.from(text, 'base64')).toString();
  // The name is shown in stack traces.
  const filename = `${__filename}/${name.slice('./'.length)}`;
  const parameters = ['exports', 'require', 'module'];
  return compileFunction(`"use strict";${code}`, parameters, { filename }) as Code;
}
