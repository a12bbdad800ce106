/** A web configuration's TLS as Node takes it. */

import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { WebConfigError } from './error.ts';
import type { PemSource, TlsConfig } from './webconfig.ts';

/** The texts of the sources of a TlsConfig. */
export interface Pems {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
}

/** Go has no say in those of TLS 1.3, and Node would not offer TLS 1.3 without one of them. */
const TLS13_SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];

/** Go's defaults that TLS 1.0 and 1.1 know as well, after the better ones. */
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

/** Options of a context that works. Throws WebConfigError for what OpenSSL does not take. */
export function contextOptions(tls: TlsConfig, pems: Pems): SecureContextOptions {
  checkKeyPair(tls, pems);
  if (tls.clientCa !== undefined) checkAuthorities(tls.clientCa, pems.clientCa ?? '');
  const options: SecureContextOptions = {
    cert: pems.cert,
    key: pems.key,
    // An empty list is not the same as none: Node would load the public authorities.
    ca: pems.clientCa === undefined ? [] : [pems.clientCa],
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: cipherList(tls),
    honorCipherOrder: tls.preferServerCipherSuites,
    ...(tls.curves.length === 0 ? {} : { ecdhCurve: tls.curves.join(':') }),
    // A session that is taken up again would skip what a later configuration wants of its client.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw tls.place.error(`OpenSSL refuses it: ${reasonOf(error)}`);
  }
  return options;
}

function cipherList({ cipherSuites, minVersion }: TlsConfig): string {
  const named = cipherSuites.length === 0 ? DEFAULT_SUITES : cipherSuites;
  const below13 = named.filter((suite) => !TLS13_SUITES.includes(suite));
  // OpenSSL 3 does TLS 1.0 and 1.1 at no other security level.
  const isOld = minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
  const level = isOld && below13.length > 0 ? ['@SECLEVEL=0'] : [];
  return [...TLS13_SUITES, ...below13, ...level].join(':');
}

function checkKeyPair({ cert, key }: TlsConfig, pems: Pems): void {
  const certificate = read(() => new X509Certificate(pems.cert), cert, 'PEM certificate');
  const privateKey = read(() => createPrivateKey(pems.key), key, 'PEM private key');
  if (!certificate.checkPrivateKey(privateKey)) {
    throw key.place.error('is not the key of the certificate');
  }
}

/** OpenSSL passes over what is no certificate, and would then trust in fewer, or none. */
function checkAuthorities(source: PemSource, pem: string): void {
  const blocks = pem.match(/-----BEGIN [^-]+-----.*?-----END [^-]+-----/gs) ?? [''];
  for (const block of blocks) read(() => new X509Certificate(block), source, 'PEM certificate');
}

function read<Result>(act: () => Result, source: PemSource, wanted: string): Result {
  try {
    return act();
  } catch (error) {
    throw unreadable(source, wanted, error);
  }
}

function unreadable({ place }: PemSource, wanted: string, error: unknown): WebConfigError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ERR_MISSING_PASSPHRASE') {
    return place.error('wants a passphrase, which can not be given: decrypt it');
  }
  return place.error(`holds no ${wanted} that OpenSSL can read: ${reasonOf(error)}`);
}

/** `error:0480006C:PEM routines::no start line` says it at its end. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split('::').at(-1) ?? message).replaceAll(/\s+/g, ' ');
}
