/**
 * The format of Prometheus' exporter-toolkit (github.com/prometheus/exporter-toolkit,
 * docs/web-configuration.md). What the toolkit accepts is accepted, except for a file that looks like a
 * protection but is none, and one with which no client could be served: these are errors.
 */

import { validateHeaderValue } from 'node:http';
import { dirname, resolve } from 'node:path';
import type { SecureVersion } from 'node:tls';
import { parseYaml, type YamlNode } from '../util/yaml.ts';
import { parseGoDuration } from './duration.ts';
import { CIPHER_SUITES, CLIENT_AUTH_TYPES, CURVES, VERSIONS } from './names.ts';
import type { ClientAuth, PemSource, RateLimit, TlsConfig, WebConfig } from './webconfig.ts';

/** Reads the text of `file`; paths in it are relative to its folder. Throws WebConfigError. */
export function parseWebConfig(file: string, text: string): WebConfig {
  const folder = dirname(file);
  const config = parseYaml(file, text).fields<{
    tls_server_config: TlsConfig | undefined;
    http_server_config: ReadonlyMap<string, string>;
    basic_auth_users: ReadonlyMap<string, string>;
    rate_limit: RateLimit | undefined;
  }>({
    tls_server_config: (node) => readTls(node, folder),
    http_server_config: readHttp,
    basic_auth_users: (node) => node.entries(readHash),
    rate_limit: readRateLimit,
  });
  return {
    tls: config.tls_server_config,
    headers: config.http_server_config ?? new Map(),
    users: config.basic_auth_users ?? new Map(),
    rateLimit: config.rate_limit,
  };
}

interface Located<Value> {
  readonly node: YamlNode;
  readonly value: Value;
}

interface TlsFields {
  cert: PemSource | undefined;
  cert_file: PemSource | undefined;
  key: PemSource | undefined;
  key_file: PemSource | undefined;
  client_ca: PemSource | undefined;
  client_ca_file: PemSource | undefined;
  client_auth_type: Located<ClientAuth> | undefined;
  client_allowed_sans: Located<readonly string[]>;
  min_version: SecureVersion;
  max_version: SecureVersion;
  cipher_suites: readonly string[] | undefined;
  prefer_server_cipher_suites: boolean;
  curve_preferences: readonly string[] | undefined;
}

/** A section that sets nothing means plain HTTP, like an absent one. */
function readTls(node: YamlNode, folder: string): TlsConfig | undefined {
  const file = (at: YamlNode) => readPemPath(at, folder);
  const fields = node.fields<TlsFields>({
    cert: readPem,
    cert_file: file,
    key: readPem,
    key_file: file,
    client_ca: readPem,
    client_ca_file: file,
    client_auth_type: readClientAuth,
    client_allowed_sans: (at) => ({ node: at, value: at.items((san) => san.text()) }),
    min_version: (at) => at.choice(VERSIONS),
    max_version: (at) => at.choice(VERSIONS),
    cipher_suites: (at) => readChoices(at, CIPHER_SUITES),
    prefer_server_cipher_suites: (at) => at.flag(),
    curve_preferences: (at) => readChoices(at, CURVES),
  });
  if (Object.values(fields).every((value) => value === undefined)) return undefined;
  const tls: TlsConfig = {
    node,
    cert: needPem(node, 'cert', fields.cert, fields.cert_file),
    key: needPem(node, 'key', fields.key, fields.key_file),
    clientCa: onePem('client_ca', fields.client_ca, fields.client_ca_file),
    clientAuth: fields.client_auth_type?.value ?? 'NoClientCert',
    allowedSans: fields.client_allowed_sans?.value,
    minVersion: fields.min_version ?? 'TLSv1.2',
    maxVersion: fields.max_version ?? 'TLSv1.3',
    cipherSuites: fields.cipher_suites ?? [],
    preferServerCipherSuites: fields.prefer_server_cipher_suites ?? true,
    curves: fields.curve_preferences ?? [],
  };
  // The names sort alphabetically: TLSv1, TLSv1.1, …
  if (tls.minVersion > tls.maxVersion) throw node.error('min_version is above max_version');
  checkClientAuth(tls, fields.client_auth_type?.node, fields.client_allowed_sans?.node);
  return tls;
}

/** Refuses settings that look like a check of the clients and would check nothing. */
function checkClientAuth(
  { clientAuth, clientCa, allowedSans, node }: TlsConfig,
  authNode: YamlNode | undefined,
  sansNode: YamlNode | undefined,
): void {
  const verifies =
    clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert';
  if (clientAuth === 'NoClientCert' && clientCa !== undefined) {
    throw clientCa.node.error('has no effect without a client_auth_type');
  }
  if (clientAuth === 'NoClientCert' && allowedSans !== undefined) {
    throw (sansNode ?? node).error('has no effect without a client_auth_type');
  }
  if (allowedSans?.length === 0) throw (sansNode ?? node).error('would allow no client');
  // Go would verify against the authorities of the system: any client with a public certificate.
  if (verifies && clientCa === undefined) {
    throw (authNode ?? node).error(`${clientAuth} needs client_ca or client_ca_file`);
  }
}

/** Empty text means that the key is not set: here, and for the keys with a PEM or a path. */
function readClientAuth(node: YamlNode): Located<ClientAuth> | undefined {
  return node.text() === '' ? undefined : { node, value: node.choice(CLIENT_AUTH_TYPES) };
}

function readChoices(
  node: YamlNode,
  choices: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const chosen = node.items((item) => item.choice(choices));
  return chosen.length === 0 ? undefined : chosen;
}

function readPem(node: YamlNode): PemSource | undefined {
  const pem = node.text();
  return pem === '' ? undefined : { kind: 'inline', node, pem };
}

function readPemPath(node: YamlNode, folder: string): PemSource | undefined {
  const path = node.text();
  return path === '' ? undefined : { kind: 'file', node, path: resolve(folder, path) };
}

function onePem(
  key: string,
  inline: PemSource | undefined,
  file: PemSource | undefined,
): PemSource | undefined {
  if (inline !== undefined && file !== undefined) {
    throw file.node.error(`${key} is set as well`);
  }
  return inline ?? file;
}

function needPem(
  node: YamlNode,
  key: string,
  inline: PemSource | undefined,
  file: PemSource | undefined,
): PemSource {
  const pem = onePem(key, inline, file);
  if (pem === undefined) throw node.error(`${key} or ${key}_file is missing`);
  return pem;
}

/** The headers that the toolkit allows, with the values that it allows; undefined: any value. */
const HEADERS: Readonly<Record<string, readonly string[] | undefined>> = {
  'Content-Security-Policy': undefined,
  'X-Frame-Options': ['deny', 'sameorigin'],
  'X-Content-Type-Options': ['nosniff'],
  'X-XSS-Protection': undefined,
  'Strict-Transport-Security': undefined,
};

/** The headers. `http2` has no effect: the exporter speaks HTTP/1.1. */
function readHttp(node: YamlNode): ReadonlyMap<string, string> {
  const { headers = new Map<string, string>() } = node.fields<{
    http2: boolean;
    headers: ReadonlyMap<string, string>;
  }>({
    http2: (at) => at.flag(),
    headers: (at) => at.entries(readHeader),
  });
  return new Map([...headers].filter(([, value]) => value !== ''));
}

function readHeader(node: YamlNode, name: string): string {
  if (!Object.hasOwn(HEADERS, name)) {
    throw node.error(`unknown key; known keys: ${Object.keys(HEADERS).join(', ')}`);
  }
  const value = node.text();
  const allowed = HEADERS[name];
  if (allowed !== undefined && !allowed.includes(value)) {
    throw node.error(`${JSON.stringify(value)} is not one of ${allowed.join(', ')}`);
  }
  // Go sends the bytes of its UTF-8; Node sends one byte for each character.
  const bytes = Buffer.from(value).toString('latin1');
  try {
    validateHeaderValue(name, bytes);
  } catch {
    throw node.error('contains a character that no header may contain');
  }
  return bytes;
}

/** A comparison takes 2^cost steps: 60 ms at 10, 4 s at 16, an hour at 26. */
const HIGHEST_COST = 16;
const LOWEST_COST = 4;

/**
 * The prefixes stand for the same algorithm: 2a is OpenBSD's old one, 2b its present one, 2y
 * htpasswd's. Go ignores what follows the 60 characters, such as the line end of a block scalar.
 */
function readHash(node: YamlNode): string {
  const [, hash, cost] = /^(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})/.exec(node.text()) ?? [];
  if (hash === undefined) {
    throw node.error('is not a bcrypt hash, as `htpasswd -nBC 10 USER` prints it');
  }
  if (Number(cost) < LOWEST_COST || Number(cost) > HIGHEST_COST) {
    throw node.error(
      `has the cost ${Number(cost)}, which must be from ${LOWEST_COST} to ${HIGHEST_COST}`,
    );
  }
  return hash;
}

function readRateLimit(node: YamlNode): RateLimit | undefined {
  const { interval = 0, burst = 0 } = node.fields<{ interval: number; burst: number }>({
    interval: readInterval,
    burst: readBurst,
  });
  return interval === 0 ? undefined : { intervalMs: interval, burst };
}

/** Milliseconds. A number without a unit is in nanoseconds. */
function readInterval(node: YamlNode): number {
  const nanoseconds = node.integer();
  const interval = nanoseconds === undefined ? parseGoDuration(node.text()) : nanoseconds / 1e6;
  if (interval === undefined) throw node.error('is not a duration such as 100ms, 1s or 1m30s');
  // Go takes this for no limit at all.
  if (interval < 0) throw node.error('is negative');
  return interval;
}

function readBurst(node: YamlNode): number {
  const burst = node.integer();
  if (burst === undefined) throw node.error('is not a number');
  return burst;
}
