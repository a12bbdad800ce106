/** Web configuration files, judged by promtool and by the exporter. */

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebConfigError } from '../../src/util/errors.ts';
import { load } from '../../src/web-config/load.ts';
import { supportsPartialTrustChain } from '../../src/web-config/tls.ts';
import { makeCertificate } from '../support/certificates.ts';
import { timed } from '../support/deadline.ts';
import { withFolder } from '../support/prometheus.ts';

const toolkit = suite('web configuration files of the toolkit');

const SALTED = 'X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';
const HASH = `$2y$10$${SALTED}`;
const PAIR = 'cert_file: server.pem, key_file: server.key';
const tls = (rest: string) => `tls_server_config: {${PAIR}, ${rest}}\n`;
const auth = (type: string, rest = 'client_ca_file: ca.pem') =>
  tls(`client_auth_type: ${type}, ${rest}`);
const http = (rest: string) => `http_server_config: ${rest}\n`;
const header = (rest: string) => http(`{headers: {${rest}}}`);
const users = (rest: string) => `basic_auth_users: ${rest}\n`;
const user = (value: string) => `basic_auth_users:\n  alice: ${value}\n`;

/** The exporter agrees with promtool on each of them. */
const AGREED: readonly (string | Buffer)[] = [
  // Files and sections.
  '',
  '# nothing\n',
  '~\n',
  '---\n',
  '\ufeff# a byte order mark\n',
  Buffer.from(`\ufeff${users(`{alice: ${HASH}}`)}`, 'utf16le'),
  Buffer.from(`\ufeff${users(`{alice: nothing}`)}`, 'utf16le'),
  Buffer.from(`basic_auth_users: {"\xff": ${HASH}}\n`, 'latin1'),
  Buffer.from(`basic_auth_users: {zo\xeb: ${HASH}}\n`, 'latin1'),
  `basic_auth_users: {zoë: ${HASH}}\n`,
  '# \u0007\n',
  '# \0\n',
  '# \u007f\n',
  '# \u0085\n',
  '# \ud83d\ude00\n',
  'text\n',
  '- a list\n',
  'a: b: c\n',
  'nonsense: 1\n',
  'tls_server_config: {\n',
  'tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n',
  'tls_server_config: {}\n',
  'tls_server_config: ""\n',
  'tls_server_config: []\n',
  'tls_server_config: yes\n',
  'tls_server_config: Null\n',
  'http_server_config:\nhttp_server_config:\n',
  'http_server_config: !!map {}\n',
  '? http_server_config\n: {http2: true}\n',
  '"http_server_config": {http2: true}\n',
  'HTTP_server_config: {http2: true}\n',
  // Values that want a string.
  `tls_server_config: {${PAIR}}\n`,
  'tls_server_config: {cert_file: server.pem}\n',
  'tls_server_config: {key_file: server.key}\n',
  'tls_server_config: {cert_file: "", key_file: server.key}\n',
  'tls_server_config: {cert_file: "", key_file: ""}\n',
  'tls_server_config: {cert_file: , key_file: ~, client_auth_type: ""}\n',
  'tls_server_config: {cert_file: 7, key_file: server.key}\n',
  'tls_server_config: {cert_file: 007, key_file: server.key}\n',
  'tls_server_config: {cert_file: [server.pem], key_file: server.key}\n',
  'tls_server_config: {cert_file: missing.pem, key_file: server.key}\n',
  'tls_server_config: {cert_file: server.key, key_file: server.key}\n',
  'tls_server_config: {cert_file: server.pem, key_file: other.key}\n',
  'tls_server_config: {cert_file: both.pem, key_file: both.pem}\n',
  'tls_server_config: {cert_file: rsa.pem, key_file: rsa.key}\n',
  tls('cert_file: server.pem'),
  tls('certfile: server.pem'),
  // Lists and names.
  tls('min_version: TLS10, max_version: TLS13'),
  tls('min_version: "TLS12"'),
  tls('min_version: ""'),
  tls('min_version: '),
  tls('min_version: TLS14'),
  tls('min_version: 1.2'),
  tls('min_version: tls12'),
  tls('cipher_suites: []'),
  tls('cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]'),
  tls('cipher_suites: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'),
  tls('cipher_suites: [AES]'),
  tls('cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]'),
  tls('curve_preferences: [X25519, CurveP256, CurveP384, CurveP521]'),
  tls('curve_preferences: [P256]'),
  // Booleans.
  ...[
    'yes',
    'Yes',
    'YES',
    'y',
    'N',
    'on',
    'OFF',
    'true',
    'False',
    '~',
    'yEs',
    'truE',
    '1',
    '0',
  ].map((flag) => http(`{http2: ${flag}}`)),
  ...['"yes"', "'true'", '!!bool "yes"', '!!str yes', '!flag yes', '!!bool maybe', '[]'].map(
    (flag) => http(`{http2: ${flag}}`),
  ),
  http('{http2: |\n  true\n  }'),
  tls('prefer_server_cipher_suites: no'),
  tls('prefer_server_cipher_suites: 1'),
  // Clients.
  auth('NoClientCert', 'client_ca_file: ""'),
  auth('""', 'client_ca_file: ""'),
  auth('""'),
  auth('NoClientCert'),
  auth('RequestClientCert'),
  auth('RequireAnyClientCert', 'min_version: TLS12'),
  auth('RequireClientCert', 'min_version: TLS12'),
  auth('VerifyClientCertIfGiven'),
  auth('RequireAndVerifyClientCert'),
  auth('RequireAndVerifyClientCert', 'client_ca_file: missing.pem'),
  auth('RequireAndVerifyClientCert', 'client_ca_file: issuing.pem'),
  auth('RequireAndVerifyClientCert', 'client_ca_file: server.pem'),
  auth('RequireAndVerifyClientCert', 'client_ca_file: both.pem'),
  auth('requireandverifyclientcert'),
  'tls_server_config: {client_auth_type: RequestClientCert}\n',
  // Headers.
  header('X-Frame-Options: deny, X-Content-Type-Options: nosniff, X-XSS-Protection: 1; mode=block'),
  ...['DENY', '""', '', 'no', '0'].map((value) => header(`X-Frame-Options: ${value}`)),
  ...['0', '', 'yes', '1.0', '2020-01-01', '"é"', '[]', '{a: b}'].map((value) =>
    header(`X-XSS-Protection: ${value}`),
  ),
  header('x-frame-options: deny'),
  header('X-Other: a'),
  header('X-Frame-Options: deny, X-Frame-Options: deny'),
  http('{headers: }'),
  http('{headers: []}'),
  http('{http3: true}'),
  // Users.
  user(HASH),
  user(`"${HASH}"`),
  user(`'${HASH}   '`),
  user(`|\n    ${HASH}\n`),
  user(`>-\n    ${HASH}\n`),
  user(`${HASH}   `),
  user(`${HASH}x`),
  user(`!secret ${HASH}`),
  user(`!!str ${HASH}`),
  user(` ${HASH} # a comment`),
  user(`"\\n${HASH}"`),
  user(`!!int ${HASH}`),
  user(''),
  user('secret'),
  user('7'),
  user(HASH.replace('$10', '$03')),
  user(HASH.replace('$10', '$32')),
  user(HASH.replace('$2y', '$3y')),
  user(HASH.replace('$2y', '2y')),
  ...['$2a', '$2b'].map((prefix) => user(HASH.replace('$2y', prefix))),
  users('[]'),
  users('""'),
  users('{}'),
  users('!users {}'),
  users(`{007: ${HASH}, yes: ${HASH}, 1.5: ${HASH}, ~: ${HASH}, "": ${HASH.slice(1)}}`),
  users(`{~: ${HASH}, 1.5: ${HASH}}`),
  users(`{~: ${HASH}, "": ${HASH}}`),
  users(`{7: ${HASH}, "7": ${HASH}}`),
  users(`{7: ${HASH}, 07: ${HASH}}`),
  users(`{[a]: ${HASH}}`),
  users(`{a: &hash ${HASH}, b: *hash}`),
  users(`{&name a: ${HASH}, b: *name}`),
  users(`{a: &name ${HASH}, *name : ${HASH}}`),
  users(`{a: *unknown}`),
  users(`&all {a: *all}`),
  // Merge keys.
  users(`{<<: {a: ${HASH}}, b: ${HASH}}`),
  users(`{<<: {a: ${HASH}}, a: ${HASH}}`),
  users(`{a: ${HASH}, <<: {a: ${HASH}}}`),
  users(`{<<: [{a: ${HASH}}, {a: ${HASH}}]}`),
  users(`{<<: [{a: ${HASH}}, {b: ${HASH}}]}`),
  users(`{"<<": ${HASH}}`),
  users(`{!!merge <<: {a: ${HASH}}}`),
  users('{<<: }'),
  users('{<<: 3}'),
  users('{<<: [3]}'),
  users('{<<: [[{}]]}'),
  users('&all {<<: *all}'),
  '<<: {http_server_config: {http2: true}}\n',
  '<<: \n',
  '<<: {http_server_config: {http3: true}}\n',
  http('{<<: {http2: true}, http2: false}'),
  http('{http2: true, <<: {http2: false}}'),
  http('{http2: true, <<: {http2: maybe}}'),
  http('{<<: {http2: maybe}, http2: true}'),
  http('{http2: true, <<: {http2: false}, http2: true}'),
  http('{<<: &a {headers: {X-Frame-Options: deny}}, headers: {X-Frame-Options: deny}}'),
  http('{<<: &a {headers: {X-Frame-Options: deny}}, headers: {X-XSS-Protection: 1}}'),
  `<<: &base {tls_server_config: {${PAIR}}}\ntls_server_config: {min_version: TLS13}\n`,
];

/** promtool takes them, and the exporter refuses them on purpose. */
const STRICTER: ReadonlyArray<readonly [text: string, reason: string]> = [
  [`${users(`{a: ${HASH}}`)}---\nnonsense: 1\n`, 'a second document would be ignored'],
  ['tls_server_config: {min_version: TLS13}\n', 'it would serve plain HTTP'],
  ['tls_server_config: {cipher_suites: [~]}\n', 'the empty name of a cipher suite is none'],
  [tls('curve_preferences: [~]'), 'the empty name of a curve is none'],
  [tls('min_version: TLS13, max_version: TLS12'), 'no handshake could succeed'],
  [
    auth('RequireAndVerifyClientCert', 'client_ca_file: ""'),
    'Go would take any client with a public certificate',
  ],
  [auth('VerifyClientCertIfGiven', 'client_ca_file: ""'), 'the same'],
  [auth('RequireAndVerifyClientCert', 'client_ca_file: empty.pem'), 'no client could be verified'],
  [auth('RequireAndVerifyClientCert', 'client_ca_file: half.pem'), 'Go would skip a certificate'],
  [header('X-XSS-Protection: "1\\u0007"'), 'HTTP does not allow the character'],
  [header('X-XSS-Protection: "1\\nX-Evil: 1"'), 'HTTP does not allow the character'],
  [user(HASH.replace('$10', '$17')), 'a comparison would take eight seconds'],
  [user(HASH.replace('$10', '$31')), 'a comparison would take days'],
  [user(HASH.replace('$2y', '$2x')), 'the prefix of a faulty implementation'],
  [user(HASH.replace('$2y', '$2')), 'the prefix was given up in 1999'],
  [user(HASH.slice(0, -1)), 'no password could be right'],
  [user(HASH.replace('X0h', '***')), 'no password could be right'],
  [user('!!binary eA=='.replace('eA==', btoa(HASH))), 'binary values are not supported'],
];

/** Keys that promtool 2.42 does not know yet; `isTaken` is what exporter-toolkit 19a7c2d does. */
const NEWER: ReadonlyArray<readonly [text: string, isTaken: boolean]> = [
  ['rate_limit: {}\n', true],
  ['rate_limit:\n', true],
  ...(
    [
      ['0', true],
      ['1s', true],
      ['+1s', true],
      ['1m30s', true],
      ['.5s', true],
      ['"1s"', true],
      ['5', true],
      ['1e9', true],
      ['0x10', true],
      ['1_000', true],
      ['"5"', false],
      ['1', true],
      ['1d', false],
      ['soon', false],
      ['yes', false],
      ['9999999h', false],
      ['[]', false],
    ] as const
  ).map(
    ([interval, isTaken]) => [`rate_limit: {interval: ${interval}, burst: 1}\n`, isTaken] as const,
  ),
  ...(
    [
      ['0', true],
      ['-1', true],
      ['1.5', true],
      ['+1', true],
      ['010', true],
      ['0b11', true],
      ['~', true],
      ['"1"', false],
      ['x', false],
      ['1s', false],
      ['true', false],
    ] as const
  ).map(([burst, isTaken]) => [`rate_limit: {interval: 1s, burst: ${burst}}\n`, isTaken] as const),
  ['rate_limit: {interval: 1s}\n', true],
  ['rate_limit: {burst: 1}\n', true],
  ['rate_limit: {limit: 1}\n', false],
  [auth('RequireAndVerifyClientCert', 'client_ca_file: ca.pem, client_allowed_sans: [a, 1]'), true],
  [auth('RequireAndVerifyClientCert', 'client_ca_file: ca.pem, client_allowed_sans: a'), false],
  [auth('RequireAndVerifyClientCert', 'client_ca_file: ca.pem, client_allowed_sans: '), true],
  [tls('cert: "", key: "", client_ca: ""'), true],
  ['tls_server_config: {cert: x, key: y}\n', false],
  ['tls_server_config: {cert: "", key: ""}\n', true],
  ['tls_server_config: {cert: x}\n', false],
];

toolkit(
  'promtool and the exporter take and refuse the same files, with the documented exceptions',
  timed(30_000, () =>
    withFolder('toolkit', async (dir) => {
      makeFiles(dir);
      const texts = [...AGREED, ...STRICTER.map(([text]) => text), ...NEWER.map(([text]) => text)];
      const names = texts.map((text, index) => {
        writeFileSync(join(dir, `${index}.yml`), text);
        return `${index}.yml`;
      });
      const byPromtool = judge(dir, names);
      const stricter = new Set(STRICTER.map(([text]) => text));
      const newer = new Map(NEWER);
      const wrong: string[] = [];
      for (const [index, text] of texts.entries()) {
        const theirs = byPromtool.get(`${index}.yml`);
        assert.ok(theirs, `promtool says nothing of ${index}.yml`);
        const { outcome } = await load(join(dir, `${index}.yml`));
        const isTaken = !(outcome instanceof WebConfigError);
        const reason = isTaken ? 'taken' : outcome.message;
        const known = newer.get(String(text));
        const isUnknownKey = /field \S+ not found in type web/.test(theirs);
        const wanted = known !== undefined && isUnknownKey ? known : theirs.startsWith('SUCCESS');
        if (stricter.has(String(text))) {
          if (!wanted || isTaken)
            wrong.push(`no exception: ${JSON.stringify(text)}: ${theirs}; ${reason}`);
        } else if (!supportsPartialTrustChain() && /lacks the issuer of .* Node/.test(reason)) {
          assert.ok(wanted, `${text}: older versions of Node are stricter`);
        } else if (isTaken !== wanted) {
          wrong.push(`${JSON.stringify(String(text))}: promtool: ${theirs.trim()}; we: ${reason}`);
        }
      }
      assert.equal(wrong, []);
    }),
  ),
);

function makeFiles(dir: string): void {
  const by = makeCertificate(dir, 'ca', { isAuthority: true });
  const issuing = makeCertificate(dir, 'issuing', { isAuthority: true, by });
  makeCertificate(dir, 'server', { by: issuing });
  makeCertificate(dir, 'other');
  makeCertificate(dir, 'rsa', { algorithm: 'rsa' });
  const text = (name: string) => readFileSync(join(dir, name), 'utf8');
  writeFileSync(join(dir, 'both.pem'), `${text('server.key')}${text('server.pem')}`);
  writeFileSync(join(dir, 'empty.pem'), '');
  const half = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  writeFileSync(join(dir, 'half.pem'), `${text('ca.pem')}${half}`);
}

/** What promtool prints about each file. */
function judge(dir: string, names: readonly string[]): Map<string, string> {
  const options = { cwd: dir, encoding: 'utf8' } as const;
  const { stdout, stderr } = spawnSync('promtool', ['check', 'web-config', ...names], options);
  return new Map(
    [...`${stdout}${stderr}`.matchAll(/^(\d+\.yml) (SUCCESS|FAILED(?:.|\n(?!\d+\.yml ))*)/gm)].map(
      ([, name = '', verdict = '']) => [name, verdict],
    ),
  );
}

toolkit.run();
