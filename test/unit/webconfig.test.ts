import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebConfigError } from '../../src/util/errors.ts';
import { parseGoDuration } from '../../src/web-config/duration.ts';
import { CIPHER_SUITES, CURVES } from '../../src/web-config/names.ts';
import { parseWebConfig } from '../../src/web-config/parse.ts';
import { TokenBucket } from '../../src/web-config/token-bucket.ts';
import type { PemSource, TlsConfig } from '../../src/web-config/webconfig.ts';

const webconfig = suite('web configuration');

const HASH = '$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';
const PAIR = 'tls_server_config:\n  cert_file: c.pem\n  key_file: k.pem\n';

for (const [what, text] of [
  ['an empty file', ''],
  ['comments alone', '# nothing\n'],
  ['sections without anything in them', 'tls_server_config:\nbasic_auth_users:\nrate_limit:\n'],
  ['empty mappings', 'tls_server_config: {}\nhttp_server_config: {}\n'],
] as const) {
  webconfig(`${what}: plain HTTP for everybody`, () => {
    assert.equal(parseWebConfig('/etc/web.yml', text), {
      tls: undefined,
      headers: new Map(),
      users: new Map(),
      rateLimit: undefined,
    });
  });
}

webconfig('the defaults of TLS, and paths from the folder of the file', () => {
  const { tls } = parseWebConfig('/etc/exporter/web.yml', PAIR);
  assert.equal(shown(tls), {
    cert: '/etc/exporter/c.pem',
    key: '/etc/exporter/k.pem',
    clientCa: undefined,
    clientAuth: 'NoClientCert',
    allowedSans: undefined,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: [],
    preferServerCipherSuites: true,
    curves: [],
  });
});

webconfig('everything at once', () => {
  const { tls, headers, users, rateLimit } = parseWebConfig(
    '/etc/web.yml',
    `tls_server_config:
  cert: |
    PEM of the certificate
  key: PEM of the key
  client_ca_file: /else/ca.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [scraper, 127.0.0.1]
  min_version: TLS10
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: ""
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: &hash ${HASH}
  007: *hash
rate_limit:
  interval: 1m30s
  burst: 3
`,
  );
  assert.equal(shown(tls), {
    cert: 'PEM of the certificate\n',
    key: 'PEM of the key',
    clientCa: '/else/ca.pem',
    clientAuth: 'RequireAndVerifyClientCert',
    allowedSans: ['scraper', '127.0.0.1'],
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.2',
    cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
    preferServerCipherSuites: false,
    curves: ['X25519', 'prime256v1'],
  });
  assert.equal(
    [...headers],
    [
      ['Content-Security-Policy', "default-src 'self'"],
      ['X-Frame-Options', 'deny'],
      ['X-Content-Type-Options', 'nosniff'],
      ['Strict-Transport-Security', 'max-age=31536000'],
    ],
  );
  assert.equal(
    [...users],
    [
      ['alice', HASH],
      ['007', HASH],
    ],
  );
  assert.equal(rateLimit, { intervalMs: 90_000, burst: 3 });
});

for (const prefix of ['$2a', '$2b', '$2y']) {
  webconfig(`a hash that begins with ${prefix} is taken`, () => {
    const { users } = parseWebConfig('w', `basic_auth_users: {a: ${HASH.replace('$2y', prefix)}}`);
    assert.is(users.get('a')?.slice(0, 3), prefix);
  });
}

webconfig('client_auth_type: RequireClientCert is the older name of RequireAnyClientCert', () => {
  const { tls } = parseWebConfig('w', `${PAIR}  client_auth_type: RequireClientCert`);
  assert.is(tls?.clientAuth, 'RequireAnyClientCert');
});

webconfig('every name of a cipher suite and of a curve is taken', () => {
  const { tls } = parseWebConfig(
    'w',
    `${PAIR}  cipher_suites: [${Object.keys(CIPHER_SUITES)}]\n  curve_preferences: [${Object.keys(CURVES)}]`,
  );
  assert.is(tls?.cipherSuites.length, 13);
  assert.is(tls?.curves.length, 4);
});

webconfig('an interval of 0 is no rate limit', () => {
  assert.is(parseWebConfig('w', 'rate_limit: {interval: 0, burst: 1}').rateLimit, undefined);
});

/** Each with the line that the message has to name. */
const REFUSED: ReadonlyArray<readonly [text: string, line: number, message: RegExp]> = [
  ['\n\nnonsense: 1\n', 3, /^nonsense: unknown key; known keys: tls_server_config, http_server_/],
  ['constructor: 1\n', 1, /^constructor: unknown key/],
  ['__proto__: 1\n', 1, /^__proto__: unknown key/],
  ['# one\n- a list\n', 1, /^is not a mapping$/],
  ['text\n', 1, /^is not a mapping$/],
  ['a: b: c\n', 1, /Nested mappings/],
  ['tls_server_config: {\n', 2, /Flow map/],
  ['rate_limit:\nrate_limit:\n', 2, /is set twice/],
  ['basic_auth_users:\n  a: 1\n  a: 2\n', 3, /is set twice/],
  ['a: 1\n---\nb: 1\n', 2, /multiple documents/i],
  ['basic_auth_users: {a: !!binary eA==}\n', 1, /^basic_auth_users.a: has the tag !!binary/],
  ['basic_auth_users: *unknown\n', 1, /^basic_auth_users: \*unknown has no anchor/],
  ['basic_auth_users:\n  a: &a [*a]\n', 2, /^basic_auth_users.a: is not a string/],
  ['basic_auth_users: &a\n  b: *a\n', 2, /^basic_auth_users.b: is not a string/],
  ['? [a]\n: b\n', 1, /a key is not a string/],
  ['# one\nhttp_server_config:\n  http2: "yes"\n', 3, /http2: is not true or false/],
  ['http_server_config:\n  <<: 3\n', 2, /<<: is not a mapping or a list of mappings/],
  ['<<: &a\n  <<: *a\n', 2, /merges too many mappings/],
  ['basic_auth_users:\n  a: &h x\n  <<: {a: *h}\n', 3, /a: is set twice/],
  [
    'http_server_config:\n  headers:\n    X-Frame-Options: deny\n    <<: {X-Frame-Options: deny}\n',
    4,
    /twice/,
  ],
  ['\nhttp_server_config: {} # \u0007\n', 2, /a control character/],
  ['tls_server_config: yes\n', 1, /^tls_server_config: is not a mapping/],
  [`${PAIR}  certfile: x\n`, 4, /^tls_server_config.certfile: unknown key; known keys: cert, /],
  ['tls_server_config:\n  key_file: k\n', 1, /^tls_server_config: cert or cert_file is missing/],
  ['tls_server_config:\n  cert_file: c\n', 1, /: key or key_file is missing/],
  ['tls_server_config:\n  cert_file: ""\n  key_file: k\n', 1, /: cert or cert_file is missing/],
  ['tls_server_config:\n  min_version: TLS13\n', 1, /: cert or cert_file is missing/],
  [`${PAIR}  cert: inline\n`, 2, /cert_file: cert is set as well/],
  [`${PAIR}  cert_file: twice\n`, 4, /is set twice/],
  ['tls_server_config:\n  cert_file: {}\n', 2, /cert_file: is not a string/],
  ['tls_server_config:\n  cert_file: [c]\n', 2, /cert_file: is not a string/],
  [`${PAIR}  min_version: TLS14\n`, 4, /min_version: "TLS14" is not one of TLS10, TLS11, /],
  [`${PAIR}  min_version: constructor\n`, 4, /"constructor" is not one of/],
  [`${PAIR}  max_version: 1.2\n`, 4, /max_version: "1.2" is not one of/],
  [`${PAIR}  min_version: TLS13\n  max_version: TLS12\n`, 1, /min_version is above max_version/],
  [`${PAIR}  cipher_suites: AES\n`, 4, /cipher_suites: is not a list/],
  [`${PAIR}  cipher_suites:\n    - AES\n`, 5, /cipher_suites: "AES" is not one of TLS_AES_128_/],
  [`${PAIR}  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n`, 4, /is not one of/],
  [`${PAIR}  curve_preferences: [CurveP255]\n`, 4, /"CurveP255" is not one of CurveP256, /],
  [`${PAIR}  prefer_server_cipher_suites: 1\n`, 4, /is not true or false/],
  [`${PAIR}  client_auth_type: Everybody\n`, 4, /"Everybody" is not one of NoClientCert, /],
  [`${PAIR}  client_ca_file: ca\n`, 4, /client_ca_file: has no effect without a client_auth_type/],
  [`${PAIR}  client_allowed_sans: [a]\n`, 4, /has no effect without a client_auth_type/],
  [
    `${PAIR}  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []\n`,
    5,
    /client_allowed_sans: would allow no client/,
  ],
  [`${PAIR}  client_auth_type: RequireAndVerifyClientCert\n`, 4, /needs client_ca or client_ca_/],
  [`${PAIR}  client_auth_type: VerifyClientCertIfGiven\n`, 4, /needs client_ca or client_ca_/],
  ['http_server_config:\n  http2: maybe\n', 2, /http2: is not true or false/],
  ['http_server_config:\n  http3: true\n', 2, /http3: unknown key; known keys: http2, headers/],
  ['http_server_config:\n  headers:\n    X-Other: a\n', 3, /X-Other: unknown key; known keys: /],
  ['http_server_config:\n  headers:\n    X-Frame-Options: no\n', 3, /"no" is not one of deny, s/],
  [
    'http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n',
    3,
    /"sniff" is not one of nosniff/,
  ],
  [
    'http_server_config:\n  headers:\n    X-XSS-Protection: "1\\r\\nX-Evil: 1"\n',
    3,
    /contains a character that no header may contain/,
  ],
  ['basic_auth_users:\n  a: secret\n', 2, /^basic_auth_users.a: is not a bcrypt hash/],
  ['basic_auth_users:\n  a:\n', 2, /^basic_auth_users.a: is not a bcrypt hash/],
  [`basic_auth_users:\n  a: x${HASH}\n`, 2, /is not a bcrypt hash/],
  [
    `basic_auth_users:\n  a: ${HASH.replace('$10', '$99')}\n`,
    2,
    /has the cost 99, which must be from 4 to 16/,
  ],
  [
    `basic_auth_users:\n  a: ${HASH.replace('$10', '$03')}\n`,
    2,
    /has the cost 3, which must be from 4 to 16/,
  ],
  ['rate_limit:\n  interval: soon\n  burst: 1\n', 2, /interval: is not a duration such as/],
  ['rate_limit:\n  interval: "5"\n  burst: 1\n', 2, /interval: is not a duration such as/],
  ['rate_limit:\n  interval: -1s\n  burst: 1\n', 2, /interval: is negative/],
  ['rate_limit:\n  interval: 1s\n  burst: x\n', 3, /burst: is not a number/],
];

for (const [text, line, message] of REFUSED) {
  webconfig(`${JSON.stringify(text)} is refused, and line ${line} named`, () => {
    const error = thrownBy(() => parseWebConfig('/etc/web.yml', text));
    assert.instance(error, WebConfigError);
    const [, prefix, what = ''] =
      /^(\/etc\/web\.yml:\d+): (.*)$/.exec(String((error as Error).message)) ?? [];
    assert.is(prefix, `/etc/web.yml:${line}`, String(error));
    assert.match(what, message);
  });
}

for (const text of ['{a: secret}', '{a:secret}', '{"a:secret": x}', '\n  ? a:secret\n  : x']) {
  webconfig(
    `basic_auth_users: ${JSON.stringify(text)}: the error does not show the password`,
    () => {
      const error = thrownBy(() => parseWebConfig('w', `basic_auth_users: ${text}`));
      assert.instance(error, WebConfigError);
      assert.not.match(String(error), 'secret');
    },
  );
}

webconfig('scalars have the types of YAML 1.1, and any scalar is taken as text', () => {
  const { headers, users } = parseWebConfig(
    'w',
    `http_server_config: {http2: On, headers: {X-XSS-Protection: 0}}
basic_auth_users:
  no: |
    ${HASH}
  ~: "${HASH}  "
  010: !anything ${HASH}
`,
  );
  assert.equal([...headers], [['X-XSS-Protection', '0']]);
  assert.equal([...users.keys()], ['no', '', '010']);
  assert.equal(new Set(users.values()), new Set([HASH]));
});

webconfig('empty text means that a key is not set', () => {
  const empty = 'tls_server_config: {cert_file: "", key_file: "", client_auth_type: ""}';
  assert.is(parseWebConfig('w', empty).tls, undefined);
  const { tls } = parseWebConfig(
    '/w',
    `${PAIR}  cert: ""\n  client_ca_file: ""\n  client_auth_type: ""\n`,
  );
  assert.is(tls?.cert.kind, 'file');
  assert.is(tls?.clientCa, undefined);
  assert.is(tls?.clientAuth, 'NoClientCert');
});

webconfig('merge keys: sections are put together, and the later value of a key counts', () => {
  const { tls, users, headers } = parseWebConfig(
    '/w',
    `<<: &base
  basic_auth_users: {alice: ${HASH}}
  tls_server_config: &pair {cert_file: a.pem, key_file: k.pem}
basic_auth_users: {bob: ${HASH}}
tls_server_config: {<<: [*pair, {key_file: other.pem, max_version: TLS12}], cert_file: c.pem}
http_server_config: {headers: {<<: [{X-Frame-Options: deny}, {X-XSS-Protection: 1}]}}
`,
  );
  assert.equal([...users.keys()], ['alice', 'bob']);
  assert.equal(
    [shown(tls)?.cert, shown(tls)?.key, tls?.maxVersion],
    ['/c.pem', '/k.pem', 'TLSv1.2'],
  );
  assert.is(headers.size, 2);
});

for (const [written, intervalMs, burst] of [
  ['{interval: 1500000000, burst: 0x10}', 1_500, 16],
  ['{interval: 1e6, burst: 1.9}', 1, 1],
  ['{interval: +1s, burst: 1_000}', 1_000, 1_000],
  ['{interval: 1s, burst: 010}', 1_000, 8],
  ['{interval: 1s, burst: 0b11}', 1_000, 3],
  ['{interval: "1s", burst: +089}', 1_000, 89],
  ['{interval: 1s}', 1_000, 0],
  ['{interval: 1s, burst: -1}', 1_000, -1],
] as const) {
  webconfig(`rate_limit: ${written}`, () => {
    const { rateLimit } = parseWebConfig('w', `rate_limit: ${written}`);
    assert.equal(rateLimit, { intervalMs, burst });
  });
}

webconfig('a token bucket without a burst refuses every request', () => {
  const bucket = new TokenBucket({ intervalMs: 1, burst: 0 }, 0);
  assert.equal(
    [0, 1_000].map((at) => bucket.take(at)),
    [false, false],
  );
});

for (const [text, ms] of [
  ['0', 0],
  ['0s', 0],
  ['1s', 1_000],
  ['1.5s', 1_500],
  ['.5s', 500],
  ['+1s', 1_000],
  ['-1s', -1_000],
  ['9999999h', undefined],
  ['+', undefined],
  ['1h1m1s1ms', 3_661_001],
  ['100us', 0.1],
  ['100\u00b5s', 0.1],
  ['', undefined],
  ['1', undefined],
  ['s', undefined],
  ['1d', undefined],
  ['1s ', undefined],
  ['1s-1s', undefined],
] as const) {
  webconfig(`the duration ${JSON.stringify(text)}`, () => assert.is(parseGoDuration(text), ms));
}

webconfig('a token bucket lets a burst pass, and then one each interval', () => {
  const bucket = new TokenBucket({ intervalMs: 100, burst: 2 }, 0);
  const takes = [0, 0, 0, 99, 101, 102, 1_000, 1_000, 1_000].map((at) => bucket.take(at));
  assert.equal(takes, [true, true, false, false, true, false, true, true, false]);
});

/** Without the nodes. */
function shown(tls: TlsConfig | undefined) {
  if (tls === undefined) return undefined;
  const { node: _, ...rest } = tls;
  const text = (source: PemSource | undefined) =>
    source?.kind === 'file' ? source.path : source?.pem;
  return { ...rest, cert: text(tls.cert), key: text(tls.key), clientCa: text(tls.clientCa) };
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

webconfig.run();
