/**
 * The file of `--alertmanager.config.file`: HTTP client settings for every Alertmanager, with the
 * keys of Prometheus' own configuration (`basic_auth`, `authorization`, `tls_config`).
 */

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { describeSystemError } from '../util/errno.ts';
import { AlertmanagerConfigError, WebConfigError } from '../util/errors.ts';
import { basicAuthorization } from '../util/url.ts';
import { parseYaml, type YamlNode } from '../util/yaml.ts';

/** A value in the configuration itself, or the file that holds it. */
type Secret =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

export interface ClientConfig {
  readonly authorization: Authorization | undefined;
  readonly tls: TlsFiles;
  readonly followRedirects: boolean;
}

type Authorization =
  | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }
  | { readonly kind: 'scheme'; readonly scheme: string; readonly credentials: Secret };

interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly serverName: string | undefined;
}

/** What one request needs, with the files read. */
export interface ClientSettings {
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

/** Reads and checks the file and those that it names. Throws AlertmanagerConfigError. */
export async function loadClientConfig(file: string): Promise<ClientConfig> {
  const text = await read(file);
  const config = parse(file, text);
  await readSettings(config);
  return config;
}

/**
 * Reads the files that the configuration names, again for each request: their content may have
 * been replaced. Throws AlertmanagerConfigError.
 */
export async function readSettings(config: ClientConfig): Promise<ClientSettings> {
  const { ca, cert, key, serverName } = config.tls;
  return {
    authorization: config.authorization && (await readAuthorization(config.authorization)),
    tls: {
      ...(ca !== undefined && { ca: await read(ca) }),
      ...(cert !== undefined && { cert: await read(cert) }),
      ...(key !== undefined && { key: await read(key) }),
      ...(serverName !== undefined && { servername: serverName }),
    },
    followRedirects: config.followRedirects,
  };
}

async function readAuthorization(authorization: Authorization): Promise<string> {
  switch (authorization.kind) {
    case 'basic': {
      const password = await readSecret(authorization.password);
      return basicAuthorization({ username: authorization.username, password });
    }
    case 'scheme':
      return `${authorization.scheme} ${await readSecret(authorization.credentials)}`;
    default: {
      const unhandled: never = authorization;
      throw new Error(`unhandled authorization ${JSON.stringify(unhandled)}`);
    }
  }
}

/** White space around the content of a file is not part of a secret, as in Prometheus. */
async function readSecret(secret: Secret): Promise<string> {
  if (secret.kind === 'text') return secret.text;
  const text = (await read(secret.path)).trim();
  // A header cannot hold any other character, and the secret must not be in the message.
  if (!/^[\x20-\x7e\x80-\uffff]*$/.test(text)) {
    throw new AlertmanagerConfigError(`${secret.path}: has more than one line`);
  }
  return text;
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new AlertmanagerConfigError(`${file}: ${describeSystemError(error)}`);
  }
}

function parse(file: string, text: string): ClientConfig {
  try {
    return readConfig(parseYaml(file, text), dirname(file));
  } catch (error) {
    if (error instanceof WebConfigError) throw new AlertmanagerConfigError(error.message);
    throw error;
  }
}

function readConfig(root: YamlNode, folder: string): ClientConfig {
  const fields = root.fields<{
    basic_auth: Authorization;
    authorization: Authorization;
    tls_config: TlsFiles;
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
  return {
    authorization: fields.basic_auth ?? fields.authorization,
    tls: fields.tls_config ?? {
      ca: undefined,
      cert: undefined,
      key: undefined,
      serverName: undefined,
    },
    followRedirects: fields.follow_redirects ?? true,
  };
}

function readBasicAuth(node: YamlNode, folder: string): Authorization {
  const fields = node.fields<{ username: string; password: string; password_file: string }>({
    username: (each) => each.text(),
    password: (each) => each.text(),
    password_file: (each) => resolve(folder, each.text()),
  });
  const { username = '', password, password_file } = fields;
  const secret = secretOf(node, 'password', password, password_file);
  return { kind: 'basic', username, password: secret };
}

function readScheme(node: YamlNode, folder: string): Authorization {
  const fields = node.fields<{ type: string; credentials: string; credentials_file: string }>({
    type: (each) => each.text(),
    credentials: (each) => each.text(),
    credentials_file: (each) => resolve(folder, each.text()),
  });
  const { type: scheme = 'Bearer', credentials, credentials_file } = fields;
  if (scheme.toLowerCase() === 'basic') throw node.error('type Basic is written as basic_auth');
  if (!/^[\w-]+$/.test(scheme)) throw node.error('type is not the name of a scheme');
  const secret = secretOf(node, 'credentials', credentials, credentials_file);
  return { kind: 'scheme', scheme, credentials: secret };
}

function secretOf(
  node: YamlNode,
  key: string,
  text: string | undefined,
  path: string | undefined,
): Secret {
  if (text !== undefined && path !== undefined) {
    throw node.error(`${key} and ${key}_file exclude each other`);
  }
  if (path !== undefined) return { kind: 'file', path };
  if (text === undefined) throw node.error(`lacks ${key} or ${key}_file`);
  return { kind: 'text', text };
}

function readTls(node: YamlNode, folder: string): TlsFiles {
  const path = (each: YamlNode) => resolve(folder, each.text());
  const fields = node.fields<{
    ca_file: string;
    cert_file: string;
    key_file: string;
    server_name: string;
  }>({ ca_file: path, cert_file: path, key_file: path, server_name: (each) => each.text() });
  const { ca_file: ca, cert_file: cert, key_file: key, server_name: serverName } = fields;
  if ((cert === undefined) !== (key === undefined)) {
    throw node.error('cert_file and key_file need each other');
  }
  return { ca, cert, key, serverName };
}
