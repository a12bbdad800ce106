/** Reads a web configuration with the files that it names, and checks that all of it works. */

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { SecureContextOptions } from 'node:tls';
import { describeSystemError, errorCode } from '../util/errno.ts';
import { WebConfigError } from '../util/errors.ts';
import { parseWebConfig } from './parse.ts';
import { contextOptions, type Pems } from './tls.ts';
import type { PemSource, TlsConfig, WebConfig } from './webconfig.ts';

export interface LoadedConfig {
  readonly config: WebConfig;
  /** Of `config.tls`. */
  readonly context: SecureContextOptions | undefined;
  /** Equal for equal content of all files. */
  readonly fingerprint: string;
}

export interface LoadResult {
  /** Every file that was read, or could not be read: a change of one of them can change the outcome. */
  readonly files: readonly string[];
  readonly outcome: LoadedConfig | WebConfigError;
}

/** More than any web configuration, certificate chain or store of authorities has. */
const MAX_BYTES = 1024 * 1024;

export async function load(file: string): Promise<LoadResult> {
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

/** Changes with each of the files, also when one is replaced or a link changes its target. */
export async function fileSignature(files: readonly string[]): Promise<string> {
  const signatures = files.map((file) =>
    stat(file, { bigint: true }).then(
      ({ dev, ino, size, mtimeNs, ctimeNs }) => [file, dev, ino, size, mtimeNs, ctimeNs].join(),
      (error: unknown) => [file, errorCode(error)].join(),
    ),
  );
  return (await Promise.all(signatures)).join('\n');
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
  const { path, node } = source;
  return readText(path, (reason) => node.error(`cannot read ${path}: ${reason}`));
}

async function readText(
  path: string,
  errorFor: (reason: string) => WebConfigError,
): Promise<string> {
  try {
    const facts = await stat(path);
    // Reading a pipe could wait for a writer without end.
    if (!facts.isFile() && !facts.isDirectory()) throw errorFor('it is not a regular file');
    if (facts.size > MAX_BYTES) throw errorFor(`it has over ${MAX_BYTES} bytes`);
    return decode(await readFile(path));
  } catch (error) {
    if (error instanceof WebConfigError) throw error;
    const code = errorCode(error);
    throw errorFor(
      code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : describeSystemError(error),
    );
  }
}

/** UTF-8, or UTF-16 after a byte order mark, as YAML allows. */
function decode(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString('hex');
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}

function digest(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex');
}
