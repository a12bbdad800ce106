/** A web configuration and the files that it names, read and found to work. */

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { SecureContextOptions } from 'node:tls';
import { WebConfigError } from './error.ts';
import { parseWebConfig } from './parse.ts';
import { contextOptions, type Pems } from './tls.ts';
import type { PemSource, TlsConfig, WebConfig } from './webconfig.ts';

export interface Loaded {
  readonly config: WebConfig;
  /** Of `config.tls`. */
  readonly context: SecureContextOptions | undefined;
  /** The same for the same content of all files. */
  readonly fingerprint: string;
}

export interface Attempt {
  /** What was read, or should have been: a change of one of them can change the outcome. */
  readonly files: readonly string[];
  readonly outcome: Loaded | WebConfigError;
}

/** A web configuration is a page; a chain of certificates, or a store of authorities, is less than this. */
const MAX_BYTES = 1024 * 1024;

export async function load(file: string): Promise<Attempt> {
  const files = [file];
  try {
    const text = await readText(file, (reason) => new WebConfigError(`${file}: ${reason}`));
    const config = parseWebConfig(file, text);
    if (config.tls === undefined) {
      return { files, outcome: { config, context: undefined, fingerprint: digest([text]) } };
    }
    const { tls } = config;
    const sources = [tls.cert, tls.key, tls.clientCa];
    files.push(...sources.flatMap((source) => (source?.kind === 'file' ? source.path : [])));
    const pems = await readPems(tls);
    const context = contextOptions(tls, pems);
    const fingerprint = digest([text, pems.cert, pems.key, pems.clientCa ?? '']);
    return { files, outcome: { config, context, fingerprint } };
  } catch (error) {
    if (!(error instanceof WebConfigError)) throw error;
    return { files, outcome: error };
  }
}

/** Changes with each of the files, also where one is put in the place of another or a link leads elsewhere. */
export async function lookAt(files: readonly string[]): Promise<string> {
  const looks = files.map((file) =>
    stat(file, { bigint: true }).then(
      ({ dev, ino, size, mtimeNs, ctimeNs }) => [file, dev, ino, size, mtimeNs, ctimeNs].join(),
      (error: NodeJS.ErrnoException) => [file, error.code].join(),
    ),
  );
  return (await Promise.all(looks)).join('\n');
}

async function readPems({ cert, key, clientCa }: TlsConfig): Promise<Pems> {
  return {
    cert: await readPem(cert),
    key: await readPem(key),
    clientCa: clientCa && (await readPem(clientCa)),
  };
}

function readPem(source: PemSource): Promise<string> | string {
  if (source.kind === 'inline') return source.pem;
  const { path, place } = source;
  return readText(path, (reason) => place.error(`can't read ${path}: ${reason}`));
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'no permission',
  EISDIR: 'it is a folder',
  ENOTDIR: 'no such folder',
};

async function readText(
  path: string,
  explain: (reason: string) => WebConfigError,
): Promise<string> {
  try {
    const facts = await stat(path);
    // A pipe would keep us waiting for ever.
    if (!facts.isFile() && !facts.isDirectory()) throw explain('it is no file');
    if (facts.size > MAX_BYTES) throw explain(`it has over ${MAX_BYTES} bytes`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof WebConfigError) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw explain(REASONS[code] ?? message);
  }
}

function digest(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex');
}
