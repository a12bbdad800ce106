/** Certificates, made with openssl. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

interface CertificateOptions {
  /** The authority that signs it; left out, the certificate is self-signed. */
  readonly by?: Certificate;
  /** In openssl's format: `DNS:localhost,IP:127.0.0.1`. */
  readonly sans?: string;
  readonly isAuthority?: boolean;
  readonly algorithm?: 'ec' | 'rsa';
  readonly isExpired?: boolean;
}

const NEW_KEY = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-newkey', 'rsa:2048'],
} as const;

/** NAME.pem and NAME.key in the folder. */
export function makeCertificate(
  dir: string,
  name: string,
  { by, sans, isAuthority = false, algorithm = 'ec', isExpired = false }: CertificateOptions = {},
): Certificate {
  const made = { cert: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  const extensions = [
    `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`,
    ...(sans === undefined ? [] : [`subjectAltName=${sans}`]),
  ];
  const signedBy = by === undefined ? [] : ['-CA', by.cert, '-CAkey', by.key];
  openssl([
    ...['req', '-x509', '-nodes', '-days', '2', '-subj', `/CN=${name}`, ...NEW_KEY[algorithm]],
    ...extensions.flatMap((extension) => ['-addext', extension]),
    ...[...signedBy, '-keyout', made.key, '-out', made.cert],
  ]);
  if (isExpired) {
    // Only `openssl x509 -req` accepts a validity that ends in the past.
    const request = openssl(['req', '-new', '-key', made.key, '-subj', `/CN=${name}`]);
    const signing = by === undefined ? ['-signkey', made.key] : [...signedBy, '-CAcreateserial'];
    openssl(['x509', '-req', '-days', '-1', ...signing, '-out', made.cert], request);
  }
  return made;
}

function openssl(args: readonly string[], input = ''): string {
  return execFileSync('openssl', args, { stdio: 'pipe', encoding: 'utf8', input });
}
