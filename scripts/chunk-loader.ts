/** The start of the built file: loads its chunks, which scripts/bundle.ts puts there. */

import { compileFunction } from 'node:vm';

type Load = (name: string) => unknown;
type Code = (exports: unknown, load: Load, module: { exports: unknown }) => void;
/**
 * Its only content is a comment: code in gzip and base64. A string would be kept twice, by itself
 * and in the text of this file.
 */
type CompressedCode = () => void;

/** Code that is needed at the start, and code for later. */
declare const CHUNKS: Readonly<Record<string, Code | CompressedCode>>;

const loaded = new Map<string, { exports: unknown }>();

/** What `require` is for a chunk. */
export function loadChunk(name: string): unknown {
  const chunk = name.startsWith('./') ? CHUNKS[name.slice('./'.length)] : undefined;
  if (chunk === undefined) return require(name);
  const present = loaded.get(name);
  if (present !== undefined) return present.exports;
  const module = { exports: {} };
  // Before the code runs, for chunks that import one another.
  loaded.set(name, module);
  const code = isCompressed(chunk) ? compile(name, chunk) : chunk;
  code(module.exports, loadChunk, module);
  return module.exports;
}

function isCompressed(chunk: Code | CompressedCode): chunk is CompressedCode {
  return chunk.length === 0;
}

function compile(name: string, chunk: CompressedCode): Code {
  const text = String(chunk).slice('()=>{/*'.length, -'*/}'.length);
  // Loaded here, because the start does not need it.
  const { gunzipSync } = require('node:zlib') as typeof import('node:zlib');
  const code = gunzipSync(Buffer.from(text, 'base64')).toString();
  // The name is shown in stack traces.
  const filename = `${__filename}/${name.slice('./'.length)}`;
  const parameters = ['exports', 'require', 'module'];
  return compileFunction(`"use strict";${code}`, parameters, { filename }) as Code;
}
