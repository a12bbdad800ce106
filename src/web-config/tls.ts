/** Node's TLS options for a web configuration. */

import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { errorCode } from '../util/errno.ts';
import { messageOf, type WebConfigError } from '../util/errors.ts';
import type { PemSource, TlsConfig } from './webconfig.ts';

/** The texts of the sources of a TlsConfig. */
export interface Pems {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
}

/** Go's cipher_suites do not apply to TLS 1.3, and Node needs one of these to offer TLS 1.3. */
const TLS13_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];

/** Go's defaults; TLS 1.0 and 1.1 know the last four. */
const DEFAULT_SUITES = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
];

/** Options with which a context has been created. Throws WebConfigError for those that OpenSSL refuses. */
export function contextOptions(
  tls: TlsConfig,
  pems: Pems,
  supportsAnchors = supportsPartialTrustChain,
): SecureContextOptions {
  checkKeyPair(tls, pems);
  const options: SecureContextOptions = {
    cert: pems.cert,
    key: pems.key,
    // Without a list Node would load the public authorities.
    ca:
      tls.clientCa === undefined
        ? []
        : readAuthorities(tls.clientCa, pems.clientCa ?? '', supportsAnchors),
    ...PARTIAL_TRUST_CHAIN,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: cipherList(tls),
    honorCipherOrder: tls.preferServerCipherSuites,
    ...(tls.curves.length === 0 ? {} : { ecdhCurve: tls.curves.join(':') }),
    // A resumed session would skip the checks of a later configuration. A renegotiation is a handshake
    // that no queue delays; Go does not support it.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    sessionIdContext: 'web-config',
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw tls.node.error(`OpenSSL refuses it: ${opensslReason(error)}`);
  }
  return options;
}

function cipherList({ cipherSuites, minVersion }: TlsConfig): string {
  const named = cipherSuites.length === 0 ? DEFAULT_SUITES : cipherSuites;
  const below13 = named.filter((suite) => !TLS13_SUITES.includes(suite));
  // OpenSSL 3 supports TLS 1.0 and 1.1 only at this security level.
  const isOld = minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
  const level = isOld && below13.length > 0 ? ['@SECLEVEL=0'] : [];
  return [...TLS13_SUITES, ...below13, ...level].join(':');
}

function checkKeyPair({ cert, key }: TlsConfig, pems: Pems): void {
  const certificate = read(() => new X509Certificate(pems.cert), cert, 'PEM certificate');
  const privateKey = read(() => createPrivateKey(pems.key), key, 'PEM private key');
  if (!certificate.checkPrivateKey(privateKey)) {
    throw key.node.error('is not the key of the certificate');
  }
}

/** From Node 20.18 and 22.9 on: each certificate of `ca` is an anchor, as in Go, and not only self-signed ones. */
const PARTIAL_TRUST_CHAIN = { allowPartialTrustChain: true };

/** Whether this version of Node supports `allowPartialTrustChain`. */
export function supportsPartialTrustChain(): boolean {
  let isRead = false;
  const probe = {
    ca: [],
    get allowPartialTrustChain() {
      isRead = true;
      return true;
    },
  };
  createSecureContext(probe);
  return isRead;
}

/** The certificates of a PEM text. Like Go, ignores blocks of other types. */
function readAuthorities(source: PemSource, pem: string, supportsAnchors: () => boolean): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [''];
  // OpenSSL would skip an unreadable certificate, and so trust fewer authorities, or none.
  const authorities = blocks.map((block) =>
    read(() => new X509Certificate(block), source, 'PEM certificate'),
  );
  const unanchored = authorities.find(
    (certificate) => !authorities.some((issuer) => certificate.checkIssued(issuer)),
  );
  if (unanchored !== undefined && !supportsAnchors()) {
    const subject = unanchored.subject.replaceAll('\n', ', ');
    throw source.node.error(
      `lacks the issuer of the certificate ${subject}: this version of Node verifies clients only up to a self-signed certificate; add it, or use Node 20.18, 22.9 or later`,
    );
  }
  return blocks;
}

function read<Result>(act: () => Result, source: PemSource, wanted: string): Result {
  try {
    return act();
  } catch (error) {
    throw unreadable(source, wanted, error);
  }
}

function unreadable({ node }: PemSource, wanted: string, error: unknown): WebConfigError {
  if (errorCode(error) === 'ERR_MISSING_PASSPHRASE') {
    return node.error('needs a passphrase, which cannot be given: decrypt it');
  }
  return node.error(`contains no ${wanted} that OpenSSL can read: ${opensslReason(error)}`);
}

/** OpenSSL's reason, without the codes around it: `error:0480006C:PEM routines::no start line`. */
export function opensslReason(error: unknown): string {
  const { reason } = (error ?? {}) as { reason?: unknown };
  const message = typeof reason === 'string' ? reason : messageOf(error);
  return (message.split('::').at(-1) ?? message).replaceAll(/\s+/g, ' ').trim();
}
