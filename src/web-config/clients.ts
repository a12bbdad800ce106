/** Which clients may connect, by their certificates. */

import { isIPv6 } from 'node:net';
import type { TlsConfig } from './webconfig.ts';

/** The client's certificate as TLS has left it; undefined: it gave none. */
export interface ClientCertificate {
  /** Whether one of the authorities of the configuration vouches for it. */
  readonly isVerified: boolean;
  /** Its subject alternative names, as Node writes them. */
  readonly subjectAltName: string | undefined;
}

/** Why a client is not let in; undefined if it is. */
export function whyRefused(
  { clientAuth, allowedSans }: Pick<TlsConfig, 'clientAuth' | 'allowedSans'>,
  certificate: ClientCertificate | undefined,
): string | undefined {
  const reason = whyUnfit(clientAuth, certificate);
  if (reason !== undefined || allowedSans === undefined) return reason;
  if (certificate === undefined) return 'no certificate, and so none of client_allowed_sans';
  const names = subjectAltNames(certificate.subjectAltName);
  return names.some((name) => allowedSans.includes(name))
    ? undefined
    : 'a certificate with none of client_allowed_sans';
}

function whyUnfit(
  clientAuth: TlsConfig['clientAuth'],
  certificate: ClientCertificate | undefined,
): string | undefined {
  const isUnverified = certificate?.isVerified === false;
  switch (clientAuth) {
    case 'NoClientCert':
    case 'RequestClientCert':
      return undefined;
    case 'RequireAnyClientCert':
      return certificate === undefined ? 'no certificate' : undefined;
    case 'VerifyClientCertIfGiven':
      return isUnverified ? 'a certificate that client_ca does not vouch for' : undefined;
    case 'RequireAndVerifyClientCert':
      if (certificate === undefined) return 'no certificate';
      return isUnverified ? 'a certificate that client_ca does not vouch for' : undefined;
    default: {
      const unhandled: never = clientAuth;
      throw new Error(`unhandled client_auth_type ${unhandled}`);
    }
  }
}

/** Node puts a value into JSON's quotes where a comma or a quote in it could pass for another name. */
const NAME = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/gy;

const KINDS: readonly string[] = ['DNS', 'IP Address', 'URI', 'email'];

/** The names of the four kinds that the toolkit looks at, written as Go writes them. */
export function subjectAltNames(text: string | undefined): string[] {
  return [...(text ?? '').matchAll(NAME)].flatMap(([, kind = '', written = '']) => {
    if (!KINDS.includes(kind)) return [];
    const name = written.startsWith('"') ? String(JSON.parse(written)) : written;
    return kind === 'IP Address' && isIPv6(name) ? shortIPv6(name) : name;
  });
}

/** `0:0:0:0:0:0:0:1` is `::1` (RFC 5952), as URLs have it. */
function shortIPv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
