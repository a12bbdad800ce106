/** A web configuration, after parsing. */

import type { SecureVersion } from 'node:tls';
import type { YamlNode } from '../util/yaml.ts';

export interface WebConfig {
  /** undefined: plain HTTP. */
  readonly tls: TlsConfig | undefined;
  /** Set on every response. */
  readonly headers: ReadonlyMap<string, string>;
  /** bcrypt hashes by user; without users no password is required. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit: RateLimit | undefined;
}

export interface TlsConfig {
  /** The section, for errors that concern all of it. */
  readonly node: YamlNode;
  readonly cert: PemSource;
  readonly key: PemSource;
  readonly clientCa: PemSource | undefined;
  readonly clientAuth: ClientAuth;
  /** undefined: any. */
  readonly allowedSans: readonly string[] | undefined;
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** OpenSSL's names, by preference; empty for the defaults. */
  readonly cipherSuites: readonly string[];
  readonly preferServerCipherSuites: boolean;
  /** OpenSSL's names, by preference; empty for the defaults. */
  readonly curves: readonly string[];
}

/** PEM text or its path, and the value of the file that names it. */
export type PemSource =
  | { readonly kind: 'inline'; readonly node: YamlNode; readonly pem: string }
  | { readonly kind: 'file'; readonly node: YamlNode; readonly path: string };

/** Go's policies (crypto/tls, ClientAuthType). */
export type ClientAuth =
  | 'NoClientCert'
  | 'RequestClientCert'
  | 'RequireAnyClientCert'
  | 'VerifyClientCertIfGiven'
  | 'RequireAndVerifyClientCert';

/** A token bucket: `burst` requests at once, and one more each `intervalMs`. Without a burst every request is refused. */
export interface RateLimit {
  readonly intervalMs: number;
  readonly burst: number;
}
