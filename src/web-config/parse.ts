/**
 * The file of `--web.config.file`: the format of Prometheus' exporter-toolkit
 * (github.com/prometheus/exporter-toolkit, docs/web-configuration.md), and as strict.
 */

import { validateHeaderValue } from 'node:http';
import { dirname, resolve } from 'node:path';
import type { SecureVersion } from 'node:tls';
import { parseGoDuration } from './duration.ts';
import { CIPHER_SUITES, CLIENT_AUTH_TYPES, CURVES, VERSIONS } from './names.ts';
import { type Place, parseYaml, type Readers } from './place.ts';
import type { ClientAuth, PemSource, RateLimit, TlsConfig, WebConfig } from './webconfig.ts';

/** Reads the text of `file`; paths in it are from its folder. Throws WebConfigError. */
export function parseWebConfig(file: string, text: string): WebConfig {
  const folder = dirname(file);
  const config = parseYaml(file, text).fields<{
    tls_server_config: TlsConfig | undefined;
    http_server_config: ReadonlyMap<string, string>;
    basic_auth_users: ReadonlyMap<string, string>;
    rate_limit: RateLimit | undefined;
  }>({
    tls_server_config: (place) => readTls(place, folder),
    http_server_config: readHttp,
    basic_auth_users: (place) => place.entries(readHash),
    rate_limit: readRateLimit,
  });
  return {
    tls: config.tls_server_config,
    headers: config.http_server_config ?? new Map(),
    users: config.basic_auth_users ?? new Map(),
    rateLimit: config.rate_limit,
  };
}

interface TlsFields {
  cert: PemSource | undefined;
  cert_file: PemSource | undefined;
  key: PemSource | undefined;
  key_file: PemSource | undefined;
  client_ca: PemSource | undefined;
  client_ca_file: PemSource | undefined;
  client_auth_type: { place: Place; value: ClientAuth };
  client_allowed_sans: { place: Place; value: string[] };
  min_version: SecureVersion;
  max_version: SecureVersion;
  cipher_suites: string[];
  prefer_server_cipher_suites: boolean;
  curve_preferences: string[];
}

/** A section without anything in it means plain HTTP, as one that is not there. */
function readTls(place: Place, folder: string): TlsConfig | undefined {
  const file = (at: Place) => readPemPath(at, folder);
  const fields = place.fields<TlsFields>({
    cert: readPem,
    cert_file: file,
    key: readPem,
    key_file: file,
    client_ca: readPem,
    client_ca_file: file,
    client_auth_type: (at) => ({ place: at, value: at.choice(CLIENT_AUTH_TYPES) }),
    client_allowed_sans: (at) => ({ place: at, value: at.items((san) => san.text()) }),
    min_version: (at) => at.choice(VERSIONS),
    max_version: (at) => at.choice(VERSIONS),
    cipher_suites: (at) => at.items((suite) => suite.choice(CIPHER_SUITES)),
    prefer_server_cipher_suites: (at) => at.flag(),
    curve_preferences: (at) => at.items((curve) => curve.choice(CURVES)),
  });
  if (Object.keys(fields).length === 0) return undefined;
  const tls: TlsConfig = {
    place,
    cert: needPem(place, 'cert', fields.cert, fields.cert_file),
    key: needPem(place, 'key', fields.key, fields.key_file),
    clientCa: onePem('client_ca', fields.client_ca, fields.client_ca_file),
    clientAuth: fields.client_auth_type?.value ?? 'NoClientCert',
    allowedSans: fields.client_allowed_sans?.value,
    minVersion: fields.min_version ?? 'TLSv1.2',
    maxVersion: fields.max_version ?? 'TLSv1.3',
    cipherSuites: fields.cipher_suites ?? [],
    preferServerCipherSuites: fields.prefer_server_cipher_suites ?? true,
    curves: fields.curve_preferences ?? [],
  };
  // By the alphabet: TLSv1, TLSv1.1, …
  if (tls.minVersion > tls.maxVersion) throw place.error('min_version is above max_version');
  checkClientAuth(tls, fields.client_auth_type?.place, fields.client_allowed_sans?.place);
  return tls;
}

/** What would look like a check of the clients and would be none. */
function checkClientAuth(
  { clientAuth, clientCa, allowedSans, place }: TlsConfig,
  authPlace: Place | undefined,
  sansPlace: Place | undefined,
): void {
  const verifies =
    clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert';
  if (clientAuth === 'NoClientCert' && clientCa !== undefined) {
    throw clientCa.place.error('is of no use without a client_auth_type');
  }
  if (clientAuth === 'NoClientCert' && allowedSans !== undefined) {
    throw (sansPlace ?? place).error('is of no use without a client_auth_type');
  }
  if (allowedSans?.length === 0) throw (sansPlace ?? place).error('would let nobody in');
  // Go verifies against the authorities of the system then: everybody with any public certificate.
  if (verifies && clientCa === undefined) {
    throw (authPlace ?? place).error(`${clientAuth} needs client_ca or client_ca_file`);
  }
}

function readPem(place: Place): PemSource | undefined {
  const pem = place.text();
  return pem === '' ? undefined : { kind: 'inline', place, pem };
}

function readPemPath(place: Place, folder: string): PemSource | undefined {
  const path = place.text();
  return path === '' ? undefined : { kind: 'file', place, path: resolve(folder, path) };
}

function onePem(
  key: string,
  inline: PemSource | undefined,
  file: PemSource | undefined,
): PemSource | undefined {
  if (inline !== undefined && file !== undefined) {
    throw file.place.error(`${key} is given as well`);
  }
  return inline ?? file;
}

function needPem(
  place: Place,
  key: string,
  inline: PemSource | undefined,
  file: PemSource | undefined,
): PemSource {
  const pem = onePem(key, inline, file);
  if (pem === undefined) throw place.error(`${key} or ${key}_file is missing`);
  return pem;
}

/** The headers that the toolkit lets be set, with the values it takes; undefined: any. */
const HEADERS: Readonly<Record<string, readonly string[] | undefined>> = {
  'Content-Security-Policy': undefined,
  'X-Frame-Options': ['deny', 'sameorigin'],
  'X-Content-Type-Options': ['nosniff'],
  'X-XSS-Protection': undefined,
  'Strict-Transport-Security': undefined,
};

const HEADER_READERS: Readers<Record<string, string>> = Object.fromEntries(
  Object.entries(HEADERS).map(([name, values]) => [
    name,
    (place: Place) => readHeader(place, name, values),
  ]),
);

/** The headers. `http2` is taken and changes nothing: HTTP/1.1 is what is spoken. */
function readHttp(place: Place): ReadonlyMap<string, string> {
  const { headers = {} } = place.fields<{
    http2: boolean;
    headers: Partial<Record<string, string>>;
  }>({
    http2: (at) => at.flag(),
    headers: (at) => at.fields(HEADER_READERS),
  });
  // A blank one is not set, as with the toolkit.
  return new Map(
    Object.entries(headers).flatMap(([name, value]) => (value ? [[name, value] as const] : [])),
  );
}

function readHeader(place: Place, name: string, values: readonly string[] | undefined): string {
  const value = place.text();
  if (values !== undefined && !values.includes(value)) {
    throw place.error(`${JSON.stringify(value)} is not one of ${values.join(', ')}`);
  }
  try {
    validateHeaderValue(name, value);
  } catch {
    throw place.error('holds a character that no header may hold');
  }
  return value;
}

/** A comparison takes 2^cost steps: 60 ms at 10, 4 s at 16, an hour at 26. */
const HIGHEST_COST = 16;
const LOWEST_COST = 4;

/** The three ways to write one hash: 2a OpenBSD's of old, 2b its present one, 2y htpasswd's. */
function readHash(place: Place): string {
  const hash = place.text();
  const [, cost] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
  if (cost === undefined) {
    throw place.error('is not a bcrypt hash such as `htpasswd -nBC 10 USER` prints');
  }
  if (Number(cost) < LOWEST_COST || Number(cost) > HIGHEST_COST) {
    throw place.error(`has cost ${Number(cost)}, which is not ${LOWEST_COST} to ${HIGHEST_COST}`);
  }
  return hash;
}

function readRateLimit(place: Place): RateLimit | undefined {
  const { interval = 0, burst = 0 } = place.fields<{ interval: number; burst: number }>({
    interval: readInterval,
    burst: readBurst,
  });
  if (interval === 0) return undefined;
  if (burst === 0) throw place.error('without a burst no request would ever be answered');
  return { intervalMs: interval, burst };
}

function readInterval(place: Place): number {
  const interval = parseGoDuration(place.isNumber() ? String(place.number()) : place.text());
  if (interval === undefined) throw place.error('is not a duration such as 100ms, 1s or 1m30s');
  return interval;
}

function readBurst(place: Place): number {
  const burst = place.number();
  if (!Number.isSafeInteger(burst) || burst < 0) throw place.error('is not a whole number');
  return burst;
}
