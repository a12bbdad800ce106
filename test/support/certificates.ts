/** Certificates as people make them: with openssl. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

interface CertificateOptions {
  /** The authority that signs it; left out, it signs itself. */
  readonly by?: Certificate;
  /** In the words of openssl: `DNS:localhost,IP:127.0.0.1`. */
  readonly sans?: string;
  readonly isAuthority?: boolean;
  readonly algorithm?: 'ec' | 'rsa';
}

const NEW_KEY = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-newkey', 'rsa:2048'],
} as const;

/** NAME.pem and NAME.key in the folder. */
export function makeCertificate(
  dir: string,
  name: string,
  { by, sans, isAuthority = false, algorithm = 'ec' }: CertificateOptions = {},
): Certificate {
  const made = { cert: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-nodes', '-days', '2', '-subj', `/CN=${name}`],
      ...NEW_KEY[algorithm],
      ...['-addext', `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`],
      ...(sans === undefined ? [] : ['-addext', `subjectAltName=${sans}`]),
      ...(by === undefined ? [] : ['-CA', by.cert, '-CAkey', by.key]),
      ...['-keyout', made.key, '-out', made.cert],
    ],
    { stdio: 'pipe' },
  );
  return made;
}
