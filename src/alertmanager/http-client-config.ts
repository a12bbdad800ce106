/**
 * The file of `--alertmanager.config.file`: HTTP client settings for every Alertmanager, with the
 * keys of Prometheus' own configuration (`basic_auth`, `authorization`, `tls_config`).
 */

import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { describeSystemError } from '../util/errno.ts';
import { AlertmanagerConfigError, WebConfigError } from '../util/errors.ts';
import { basicAuthorization } from '../util/url.ts';
import { parseYaml, type YamlNode } from '../util/yaml.ts';

/** What one request needs, with the files read. */
export interface HttpClientConfig {
  /** The value of the Authorization header. */
  readonly authorization: string | undefined;
  readonly tls: TlsOptions;
  readonly followRedirects: boolean;
}

/** As `tls.connect` takes them. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

/** More than any configuration, certificate or secret has. */
const MAX_BYTES = 1024 * 1024;

type Load<Value> = () => Promise<Value>;

/**
 * Reads the files that the configuration names: before each request, since they may have been
 * replaced. Rejects with AlertmanagerConfigError.
 */
export type ReadHttpClientConfig = Load<HttpClientConfig>;

/** Reads and checks the file and those that it names. Rejects with AlertmanagerConfigError. */
export async function openHttpClientConfig(file: string): Promise<ReadHttpClientConfig> {
  const readConfig = parse(file, await read(file));
  await readConfig();
  return readConfig;
}

/** White space around the content of a file is not part of a secret, as in Prometheus. */
async function readSecret(path: string): Promise<string> {
  const text = (await read(path)).trim();
  // A header cannot hold any other character, and the secret must not be in the message.
  if (!/^[\x20-\x7e\x80-\uffff]*$/.test(text)) {
    throw new AlertmanagerConfigError(`${path}: has more than one line`);
  }
  return text;
}

async function read(file: string): Promise<string> {
  try {
    // Reading a pipe could wait for a writer without end, and keep a thread that others need.
    const facts = await stat(file);
    if (!facts.isFile() && !facts.isDirectory()) throw new Error('it is not a regular file');
    if (facts.size > MAX_BYTES) throw new Error(`it has over ${MAX_BYTES} bytes`);
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new AlertmanagerConfigError(`${file}: ${describeSystemError(error)}`);
  }
}

function parse(file: string, text: string): ReadHttpClientConfig {
  try {
    return readRoot(parseYaml(file, text), dirname(file));
  } catch (error) {
    if (error instanceof WebConfigError) throw new AlertmanagerConfigError(error.message);
    throw error;
  }
}

function readRoot(root: YamlNode, folder: string): ReadHttpClientConfig {
  const fields = root.fields<{
    basic_auth: Load<string>;
    authorization: Load<string>;
    tls_config: Load<TlsOptions>;
    follow_redirects: boolean;
  }>({
    basic_auth: (node) => readBasicAuth(node, folder),
    authorization: (node) => readScheme(node, folder),
    tls_config: (node) => readTls(node, folder),
    follow_redirects: (node) => node.flag(),
  });
  if (fields.basic_auth !== undefined && fields.authorization !== undefined) {
    throw root.error('basic_auth and authorization exclude each other');
  }
  const { basic_auth, authorization = basic_auth, tls_config, follow_redirects = true } = fields;
  return async () => ({
    authorization: await authorization?.(),
    tls: (await tls_config?.()) ?? {},
    followRedirects: follow_redirects,
  });
}

function readBasicAuth(node: YamlNode, folder: string): Load<string> {
  const fields = node.fields<{ username: string; password: string; password_file: string }>({
    username: (each) => each.text(),
    password: (each) => each.text(),
    password_file: (each) => resolve(folder, each.text()),
  });
  const { username = '', password, password_file } = fields;
  const secret = secretOf(node, 'password', password, password_file);
  return async () => basicAuthorization({ username, password: await secret() });
}

function readScheme(node: YamlNode, folder: string): Load<string> {
  const fields = node.fields<{ type: string; credentials: string; credentials_file: string }>({
    type: (each) => each.text(),
    credentials: (each) => each.text(),
    credentials_file: (each) => resolve(folder, each.text()),
  });
  const { type: scheme = 'Bearer', credentials, credentials_file } = fields;
  if (scheme.toLowerCase() === 'basic') throw node.error('type Basic is written as basic_auth');
  if (!/^[\w-]+$/.test(scheme)) throw node.error('type is not the name of a scheme');
  const secret = secretOf(node, 'credentials', credentials, credentials_file);
  return async () => `${scheme} ${await secret()}`;
}

function secretOf(
  node: YamlNode,
  key: string,
  text: string | undefined,
  path: string | undefined,
): Load<string> {
  if (text !== undefined && path !== undefined) {
    throw node.error(`${key} and ${key}_file exclude each other`);
  }
  if (path !== undefined) return () => readSecret(path);
  if (text === undefined) throw node.error(`lacks ${key} or ${key}_file`);
  return async () => text;
}

function readTls(node: YamlNode, folder: string): Load<TlsOptions> {
  const path = (each: YamlNode) => resolve(folder, each.text());
  const fields = node.fields<{
    ca_file: string;
    cert_file: string;
    key_file: string;
    server_name: string;
  }>({ ca_file: path, cert_file: path, key_file: path, server_name: (each) => each.text() });
  const { ca_file, cert_file, key_file, server_name } = fields;
  if ((cert_file === undefined) !== (key_file === undefined)) {
    throw node.error('cert_file and key_file need each other');
  }
  return async () => ({
    ...(ca_file !== undefined && { ca: await read(ca_file) }),
    ...(cert_file !== undefined && { cert: await read(cert_file) }),
    ...(key_file !== undefined && { key: await read(key_file) }),
    ...(server_name !== undefined && { servername: server_name }),
  });
}
