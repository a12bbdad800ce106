import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  subjectAltNames,
  verifyClientCertificate,
} from '../../src/web-config/client-certificate.ts';
import type { ClientAuth } from '../../src/web-config/webconfig.ts';

const clients = suite('clients by certificate');

const NONE = undefined;
const UNKNOWN = { verificationError: 'CERT_HAS_EXPIRED', subjectAltName: 'DNS:scraper' };
const VERIFIED = { verificationError: undefined, subjectAltName: 'DNS:scraper' };

const POLICIES: ReadonlyArray<
  readonly [type: ClientAuth, none: boolean, unknown: boolean, verified: boolean]
> = [
  ['NoClientCert', true, true, true],
  ['RequestClientCert', true, true, true],
  ['RequireAnyClientCert', false, true, true],
  ['VerifyClientCertIfGiven', true, false, true],
  ['RequireAndVerifyClientCert', false, false, true],
];

for (const [clientAuth, ...admitted] of POLICIES) {
  clients(
    `${clientAuth}: none ${admitted[0]}, unknown ${admitted[1]}, verified ${admitted[2]}`,
    () => {
      const found = [NONE, UNKNOWN, VERIFIED].map(
        (certificate) =>
          verifyClientCertificate({ clientAuth, allowedSans: undefined }, certificate) ===
          undefined,
      );
      assert.equal(found, admitted);
    },
  );

  clients(`${clientAuth} with client_allowed_sans: one of them has to be there besides`, () => {
    const policy = { clientAuth, allowedSans: ['other', 'scraper'] };
    assert.is.not(verifyClientCertificate(policy, NONE), undefined);
    assert.is(verifyClientCertificate(policy, VERIFIED), undefined);
    assert.is.not(
      verifyClientCertificate(policy, { verificationError: undefined, subjectAltName: 'DNS:me' }),
      undefined,
    );
    assert.is.not(
      verifyClientCertificate(policy, { verificationError: undefined, subjectAltName: undefined }),
      undefined,
    );
  });
}

const NAMES: ReadonlyArray<readonly [text: string | undefined, names: readonly string[]]> = [
  [undefined, []],
  ['', []],
  ['DNS:a.example, DNS:*.b', ['a.example', '*.b']],
  ['IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1', ['127.0.0.1', '::1']],
  ['IP Address:2001:DB8:0:0:0:0:0:A', ['2001:db8::a']],
  ['URI:spiffe://cluster/a:b, email:me@example.org', ['spiffe://cluster/a:b', 'me@example.org']],
  ['DirName:"CN = x", Registered ID:1.2.3, othername:<unsupported>, DNS:last', ['last']],
  // One name, and not two.
  ['URI:"http://x/, DNS:scraper"', ['http://x/, DNS:scraper']],
  ['DNS:"a\\", DNS:scraper"', ['a", DNS:scraper']],
  ['DirName:"CN = \\", DNS:scraper"', []],
  // The names end at text that is ambiguous.
  ['DNS:a, "rubbish, DNS:scraper', ['a']],
];

for (const [text, names] of NAMES) {
  clients(`${text} contains ${names.join(' and ') || 'no name'}`, () =>
    assert.equal(subjectAltNames(text), names),
  );
}

clients.run();
