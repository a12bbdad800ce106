/** What a web configuration says, in the terms of what it is used for. */

import type { SecureVersion } from 'node:tls';
import type { Place } from './place.ts';

export interface WebConfig {
  /** undefined: plain HTTP. */
  readonly tls: TlsConfig | undefined;
  /** To be set on every answer. */
  readonly headers: ReadonlyMap<string, string>;
  /** bcrypt hashes by user; none: everybody is let in. */
  readonly users: ReadonlyMap<string, string>;
  readonly rateLimit: RateLimit | undefined;
}

export interface TlsConfig {
  /** Where the section stands, for what is wrong with the whole of it. */
  readonly place: Place;
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

/** PEM text, and where it was asked for. */
export type PemSource =
  | { readonly kind: 'inline'; readonly place: Place; readonly pem: string }
  | { readonly kind: 'file'; readonly place: Place; readonly path: string };

/** Go's policies (crypto/tls, ClientAuthType). */
export type ClientAuth =
  | 'NoClientCert'
  | 'RequestClientCert'
  | 'RequireAnyClientCert'
  | 'VerifyClientCertIfGiven'
  | 'RequireAndVerifyClientCert';

/** A token bucket: `burst` requests at once, and one more each `intervalMs`. */
export interface RateLimit {
  readonly intervalMs: number;
  readonly burst: number;
}
