/** Decides by their certificates which clients may connect. */

import { isIPv6 } from 'node:net';
import type { TlsConfig } from './webconfig.ts';

/** A client's certificate after the handshake. */
export interface ClientCertificate {
  /** OpenSSL's code, such as CERT_HAS_EXPIRED; undefined for a certificate that client_ca verifies. */
  readonly verificationError: string | undefined;
  /** Its subject alternative names, in Node's format. */
  readonly subjectAltName: string | undefined;
}

/** Why a client is refused; undefined if it is allowed. `certificate`: undefined if it sent none. */
export function verifyClientCertificate(
  { clientAuth, allowedSans }: Pick<TlsConfig, 'clientAuth' | 'allowedSans'>,
  certificate: ClientCertificate | undefined,
): string | undefined {
  const reason = checkPolicy(clientAuth, certificate);
  if (reason !== undefined || allowedSans === undefined) return reason;
  if (certificate === undefined) return 'no certificate, so none of client_allowed_sans';
  const names = subjectAltNames(certificate.subjectAltName);
  return names.some((name) => allowedSans.includes(name))
    ? undefined
    : 'a certificate with none of client_allowed_sans';
}

function checkPolicy(
  clientAuth: TlsConfig['clientAuth'],
  certificate: ClientCertificate | undefined,
): string | undefined {
  switch (clientAuth) {
    case 'NoClientCert':
    case 'RequestClientCert':
      return undefined;
    case 'RequireAnyClientCert':
      return certificate === undefined ? 'no certificate' : undefined;
    case 'VerifyClientCertIfGiven':
      return checkVerified(certificate);
    case 'RequireAndVerifyClientCert':
      if (certificate === undefined) return 'no certificate';
      return checkVerified(certificate);
    default: {
      const unhandled: never = clientAuth;
      throw new Error(`unhandled client_auth_type ${unhandled}`);
    }
  }
}

function checkVerified(certificate: ClientCertificate | undefined): string | undefined {
  const error = certificate?.verificationError;
  return error === undefined ? undefined : `a certificate that client_ca does not verify: ${error}`;
}

/** Node quotes a value as JSON if it contains a comma or a quote, which could pass for another name. */
const NAME = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/gy;

const KINDS: readonly string[] = ['DNS', 'IP Address', 'URI', 'email'];

/** The names of the four kinds that the toolkit checks, in Go's format. */
export function subjectAltNames(text: string | undefined): string[] {
  return [...(text ?? '').matchAll(NAME)].flatMap(([, kind = '', written = '']) => {
    if (!KINDS.includes(kind)) return [];
    const name = written.startsWith('"') ? String(JSON.parse(written)) : written;
    return kind === 'IP Address' && isIPv6(name) ? shortIPv6(name) : name;
  });
}

/** `0:0:0:0:0:0:0:1` becomes `::1` (RFC 5952), as in URLs. */
function shortIPv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
