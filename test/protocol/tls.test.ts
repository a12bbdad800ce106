import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_HANDSHAKES } from '../../src/web-config/handshake-queue.ts';
import { parseWebConfig } from '../../src/web-config/parse.ts';
import { contextOptions, supportsPartialTrustChain } from '../../src/web-config/tls.ts';
import { makeCertificate } from '../support/certificates.ts';
import { eventually, timed, within } from '../support/deadline.ts';
import { type RunningExporter, runToEnd, withExporter } from '../support/exporter.ts';
import { withFolder } from '../support/prometheus.ts';
import { curl, sClient } from '../support/secure.ts';

const tls = suite('tls');

interface Pki {
  readonly dir: string;
  /** `--cacert` of the server, for curl. */
  readonly trust: readonly string[];
  /** `--cert` and `--key` of the client of that name. */
  readonly client: (name: 'scraper' | 'stranger' | 'unnamed') => string[];
}

/** An authority with a server and clients, and a stranger with a self-signed certificate. */
function withPki(body: (pki: Pki) => Promise<void>): Promise<void> {
  return withFolder('tls', async (dir) => {
    const by = makeCertificate(dir, 'ca', { isAuthority: true });
    makeCertificate(dir, 'server', { by, sans: 'DNS:localhost,IP:127.0.0.1' });
    makeCertificate(dir, 'rsa', { by, sans: 'DNS:localhost,IP:127.0.0.1', algorithm: 'rsa' });
    makeCertificate(dir, 'scraper', {
      by,
      sans: 'DNS:scraper,IP:::1,URI:spiffe://cluster/scraper,email:a@b.example',
    });
    makeCertificate(dir, 'unnamed', { by });
    makeCertificate(dir, 'stranger', { sans: 'DNS:scraper' });
    await body({
      dir,
      trust: ['--cacert', by.cert],
      client: (name) => ['--cert', join(dir, `${name}.pem`), '--key', join(dir, `${name}.key`)],
    });
  });
}

/** Runs the exporter with a tls_server_config that has these lines besides the certificate. */
function withTls(
  dir: string,
  lines: readonly string[],
  body: (exporter: RunningExporter) => Promise<void>,
  certificate = 'server',
): Promise<void> {
  const file = join(dir, 'web.yml');
  writeFileSync(file, webConfig(certificate, lines));
  return withExporter({ args: [`--web.config.file=${file}`, '--log.level=debug'] }, body);
}

function webConfig(certificate: string, lines: readonly string[]): string {
  const pair = [`cert_file: ${certificate}.pem`, `key_file: ${certificate}.key`];
  return ['tls_server_config:', ...[...pair, ...lines].map((line) => `  ${line}`), ''].join('\n');
}

tls(
  'everything is served over TLS, and nothing without',
  timed(30_000, () =>
    withPki(({ dir, trust }) =>
      withTls(dir, [], async (exporter) => {
        for (const path of ['/metrics', '/', '/-/healthy', '/-/ready']) {
          assert.is((await curl(exporter, 'https', path, ...trust)).status, 200, path);
        }
        assert.is((await curl(exporter, 'https', '/nonsense', ...trust)).status, 404);
        const plain = await curl(exporter, 'http', '/metrics');
        assert.is(plain.status, 400);
        assert.match(plain.text, 'Client sent an HTTP request to an HTTPS server.');
        assert.not.match(plain.text, 'supervisord');
        const untrusting = await curl(exporter, 'https', '/metrics');
        assert.match(untrusting.error, /certificate/);
        const output = await sClient(exporter, '-brief', '-CAfile', join(dir, 'ca.pem'));
        assert.match(output, /Protocol version: TLSv1\.3/);
        assert.match(output, /Verification: OK/);
        assert.match(output, /HTTP\/1\.1 200 OK.*healthy/s);
        assert.match(
          exporter.stderr,
          /level=WARN msg="a client was refused" client=127\.0\.0\.1 reason="tlsv1 alert unknown ca"/,
        );
        assert.match(exporter.stderr, /reason="plain HTTP on the port of HTTPS"/);
      }),
    ),
  ),
);

tls(
  'certificate, key and client CA can stand in the file itself',
  timed(30_000, () =>
    withPki(async ({ dir, trust, client }) => {
      const inline = (key: string, name: string) =>
        `  ${key}: |\n${readFileSync(join(dir, name), 'utf8').replaceAll(/^(?=.)/gm, '    ')}`;
      const file = join(dir, 'web.yml');
      writeFileSync(
        file,
        `tls_server_config:\n${inline('cert', 'server.pem')}${inline('key', 'server.key')}${inline('client_ca', 'ca.pem')}  client_auth_type: RequireAndVerifyClientCert\n`,
      );
      await withExporter({ args: [`--web.config.file=${file}`] }, async (exporter) => {
        const { status } = await curl(exporter, 'https', '/', ...trust, ...client('scraper'));
        assert.is(status, 200);
        assert.is((await curl(exporter, 'https', '/', ...trust)).status, 0);
      });
    }),
  ),
);

/** Whether no certificate, a stranger's and a verified one are allowed. */
const POLICIES: ReadonlyArray<readonly [lines: readonly string[], allowed: readonly boolean[]]> = [
  [[], [true, true, true]],
  [['client_auth_type: RequestClientCert'], [true, true, true]],
  [['client_auth_type: RequireAnyClientCert'], [false, true, true]],
  [['client_auth_type: RequireClientCert'], [false, true, true]],
  [
    ['client_auth_type: VerifyClientCertIfGiven', 'client_ca_file: ca.pem'],
    [true, false, true],
  ],
  [
    ['client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.pem'],
    [false, false, true],
  ],
];

tls(
  'each client_auth_type allows the clients that it names, with TLS 1.2 and 1.3',
  timed(60_000, () =>
    withPki(async ({ dir, trust, client }) => {
      for (const [lines, allowed] of POLICIES) {
        await withTls(dir, lines, async (exporter) => {
          for (const version of ['1.2', '1.3']) {
            const found: boolean[] = [];
            for (const certificate of [[], client('stranger'), client('scraper')]) {
              const limit = ['--tls-max', version, ...trust, ...certificate];
              const { status } = await curl(exporter, 'https', '/-/healthy', ...limit);
              found.push(status === 200);
            }
            assert.equal(found, allowed, `${lines[0]}, TLS ${version}`);
          }
          if (!allowed.every(Boolean)) assert.match(exporter.stderr, /msg="a client was refused"/);
          // Without a check of clients no browser asks its user for a certificate.
          const output = await sClient(
            exporter,
            '-brief',
            '-CAfile',
            join(dir, 'ca.pem'),
            '-trace',
          );
          assert.is(/CertificateRequest/.test(output), lines.length > 0, lines[0]);
        });
      }
    }),
  ),
);

tls(
  'client_allowed_sans: a verified client with none of the names is refused',
  timed(60_000, () =>
    withPki(async ({ dir, trust, client }) => {
      const auth = ['client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.pem'];
      for (const [san, isAllowed] of [
        ['scraper', true],
        ['"::1"', true],
        ['spiffe://cluster/scraper', true],
        ['a@b.example', true],
        ['scrape', false],
        ['SCRAPER.example', false],
      ] as const) {
        await withTls(dir, [...auth, `client_allowed_sans: [x, ${san}]`], async (exporter) => {
          const known = await curl(exporter, 'https', '/', ...trust, ...client('scraper'));
          assert.is(known.status === 200, isAllowed, san);
          const unnamed = await curl(exporter, 'https', '/', ...trust, ...client('unnamed'));
          assert.is(unnamed.status, 0);
        });
      }
    }),
  ),
);

const OLD = ['-cipher', 'ALL:@SECLEVEL=0'];

/** A root, an issuing authority, clients of both, and certificates that nothing in the file verifies. */
function withChain(
  body: (pki: { dir: string; client: (name: string) => string[] }) => Promise<void>,
) {
  return withFolder('chain', async (dir) => {
    const sans = 'DNS:localhost,IP:127.0.0.1';
    const root = makeCertificate(dir, 'root', { isAuthority: true });
    const issuing = makeCertificate(dir, 'issuing', { isAuthority: true, by: root });
    const other = makeCertificate(dir, 'other', { isAuthority: true, by: root });
    makeCertificate(dir, 'server', { sans });
    makeCertificate(dir, 'scraper', { by: issuing });
    makeCertificate(dir, 'expired', { by: issuing, isExpired: true });
    makeCertificate(dir, 'cousin', { by: other });
    makeCertificate(dir, 'ofroot', { by: root });
    makeCertificate(dir, 'self', {});
    makeCertificate(dir, 'forged', {
      by: { cert: join(dir, 'scraper.pem'), key: join(dir, 'scraper.key') },
    });
    const read = (name: string) => readFileSync(join(dir, `${name}.pem`), 'utf8');
    writeFileSync(join(dir, 'both.pem'), read('root') + read('issuing'));
    writeFileSync(join(dir, 'pinned.pem'), `${read('scraper')}${read('self')}`);
    // The client sends its issuer as well.
    writeFileSync(join(dir, 'full.pem'), read('scraper') + read('issuing'));
    writeFileSync(join(dir, 'full.key'), readFileSync(join(dir, 'scraper.key')));
    await body({
      dir,
      client: (name) => ['--cert', join(dir, `${name}.pem`), '--key', join(dir, `${name}.key`)],
    });
  });
}

const CLIENTS = ['scraper', 'full', 'cousin', 'ofroot', 'self', 'expired', 'forged'] as const;

/** Go's verdict on the clients: each certificate of the file is an anchor. */
const ANCHORS: ReadonlyArray<
  readonly [file: string, allowed: readonly (typeof CLIENTS)[number][]]
> = [
  ['issuing', ['scraper', 'full']],
  ['scraper', ['scraper', 'full']],
  ['self', ['self']],
  ['pinned', ['scraper', 'full', 'self']],
  ['root', ['full', 'ofroot']],
  ['both', ['scraper', 'full', 'ofroot']],
  ['expired', []],
];

/** Older versions of Node refuse a file that lacks the issuer of one of its certificates. */
const TAKEN = supportsPartialTrustChain()
  ? ANCHORS
  : ANCHORS.filter(([file]) => ['self', 'root', 'both'].includes(file));

tls(
  'client_ca_file: each certificate is an anchor, also of an issuing authority or of one client',
  timed(90_000, () =>
    withChain(async ({ dir, client }) => {
      const caFile = join(dir, 'ca.pem');
      const copy = (name: string) => writeFileSync(caFile, readFileSync(join(dir, `${name}.pem`)));
      const [[first]] = TAKEN as [(typeof TAKEN)[number]];
      copy(first);
      const lines = ['client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.pem'];
      await withTls(dir, lines, async (exporter) => {
        let changes = 0;
        for (const [file, allowed] of TAKEN) {
          if (file !== first) {
            copy(file);
            changes += 1;
            await eventually(8_000, () => {
              const found = exporter.stderr.split('msg="web configuration changed"').length - 1;
              assert.is(found, changes, exporter.stderr);
            });
          }
          // By name, and by IP address, for which clients send no SNI.
          for (const host of ['localhost', '127.0.0.1']) {
            const found: string[] = [];
            for (const name of CLIENTS) {
              const { status } = await curl(
                exporter,
                'https',
                '/-/healthy',
                ...['--cacert', join(dir, 'server.pem'), '--connect-to', `localhost::${host}:`],
                ...(host === 'localhost'
                  ? []
                  : ['--url', exporter.url('/').replace('http', 'https')]),
                ...client(name),
              );
              if (status === 200) found.push(name);
            }
            assert.equal(found, allowed, `${file}.pem, ${host}`);
          }
        }
        for (const reason of ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_HAS_EXPIRED']) {
          assert.match(
            exporter.stderr,
            `level=WARN msg="a client was refused" client=127.0.0.1 reason="a certificate that client_ca does not verify: ${reason}"`,
          );
        }
      });
    }),
  ),
);

tls(
  'without allowPartialTrustChain a client_ca_file that lacks an issuer is refused, and no other',
  timed(30_000, () =>
    withChain(async ({ dir }) => {
      const file = join(dir, 'web.yml');
      const read = (name: string) => readFileSync(join(dir, name), 'utf8');
      const auth = ['client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.pem'];
      const { tls: config } = parseWebConfig(file, webConfig('server', auth));
      assert.ok(config);
      const create = (name: string) => {
        const pems = { cert: read('server.pem'), key: read('server.key'), clientCa: read(name) };
        return () => contextOptions(config, pems, () => false);
      };
      for (const name of ['root.pem', 'both.pem', 'self.pem']) assert.not.throws(create(name));
      for (const name of ['issuing.pem', 'scraper.pem', 'pinned.pem', 'full.pem']) {
        assert.throws(create(name), /web\.yml:5: .*client_ca_file: lacks the issuer of .* CN=/);
      }
    }),
  ),
);

tls(
  'refused clients are logged at the default level, ten at once and then one a minute',
  timed(60_000, () =>
    withPki(async ({ dir, trust, client }) => {
      const file = join(dir, 'web.yml');
      const auth = ['client_auth_type: RequireAndVerifyClientCert', 'client_ca_file: ca.pem'];
      writeFileSync(file, webConfig('server', [...auth, 'client_allowed_sans: [scraper]']));
      await withExporter({ args: [`--web.config.file=${file}`] }, async (exporter) => {
        // A check of the port is no refusal.
        const check = createConnection(exporter.port, '127.0.0.1');
        await within(5_000, 'connection', new Promise<void>((resolve) => check.end(resolve)));
        await curl(exporter, 'http', '/');
        await curl(exporter, 'https', '/');
        await curl(exporter, 'https', '/', ...trust);
        await curl(exporter, 'https', '/', ...trust, ...client('stranger'));
        await curl(exporter, 'https', '/', ...trust, ...client('unnamed'));
        await curl(exporter, 'https', '/', ...trust, '--tls-max', '1.1');
        const reasons = [
          ...exporter.stderr.matchAll(/a client was refused" client=\S+ reason="?([^"\n]+)/g),
        ];
        assert.equal(
          reasons.map(([, reason]) => reason),
          [
            'plain HTTP on the port of HTTPS',
            'tlsv1 alert unknown ca',
            'no certificate',
            'a certificate that client_ca does not verify: DEPTH_ZERO_SELF_SIGNED_CERT',
            'a certificate with none of client_allowed_sans',
            'unsupported protocol',
          ],
        );
        for (let number = 0; number < 20; number++) await curl(exporter, 'http', '/');
        assert.is(exporter.stderr.split('a client was refused').length - 1, 10);
      });
    }),
  ),
);

tls(
  'min_version and max_version: what is outside them is refused',
  timed(60_000, () =>
    withPki(async ({ dir }) => {
      const flags = { TLS10: '-tls1', TLS11: '-tls1_1', TLS12: '-tls1_2', TLS13: '-tls1_3' };
      const spoken = { TLS10: 'TLSv1', TLS11: 'TLSv1.1', TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' };
      for (const [lines, accepted] of [
        [[], ['TLS12', 'TLS13']],
        [['min_version: TLS13'], ['TLS13']],
        [['max_version: TLS12'], ['TLS12']],
        [
          ['min_version: TLS11', 'max_version: TLS12'],
          ['TLS11', 'TLS12'],
        ],
        [['min_version: TLS10'], ['TLS10', 'TLS11', 'TLS12', 'TLS13']],
      ] as const) {
        await withTls(dir, lines, async (exporter) => {
          for (const name of ['TLS10', 'TLS11', 'TLS12', 'TLS13'] as const) {
            const output = await sClient(exporter, '-brief', flags[name], ...OLD);
            const isAccepted = output.includes(`Protocol version: ${spoken[name]}\n`);
            assert.is(isAccepted, accepted.join().includes(name), `${lines}: ${name}\n${output}`);
          }
        });
      }
    }),
  ),
);

tls(
  'cipher_suites, their order, and curve_preferences',
  timed(60_000, () =>
    withPki(async ({ dir }) => {
      const suites = [
        'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
        'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
      ];
      const list = `cipher_suites: [${suites}]`;
      const ofClient = ['-cipher', 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305'];
      const curves = 'curve_preferences: [CurveP521, CurveP384]';
      await withTls(
        dir,
        [list, curves],
        async (exporter) => {
          const chosen = async (...args: string[]) =>
            /Ciphersuite: (\S+)/.exec(await sClient(exporter, '-brief', ...args))?.[1];
          assert.is(await chosen('-tls1_2', ...ofClient), 'ECDHE-RSA-CHACHA20-POLY1305');
          assert.is(await chosen('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'), undefined);
          // As in Go, cipher_suites do not concern TLS 1.3.
          assert.is(
            await chosen('-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'),
            'TLS_AES_128_GCM_SHA256',
          );
          assert.match(
            await sClient(exporter, '-brief', '-curves', 'P-384:P-521'),
            /Server Temp Key: ECDH, secp384r1|Peer Temp Key: ECDH, secp384r1/,
          );
          assert.is(await chosen('-curves', 'X25519'), undefined);
        },
        'rsa',
      );
      const preference = 'prefer_server_cipher_suites: false';
      await withTls(
        dir,
        [list, preference],
        async (exporter) => {
          const output = await sClient(exporter, '-brief', '-tls1_2', ...ofClient);
          assert.match(output, /Ciphersuite: ECDHE-RSA-AES256-GCM-SHA384/);
        },
        'rsa',
      );
    }),
  ),
);

tls(
  'HTTP/1.1 is what is spoken, whatever http2 says',
  timed(30_000, () =>
    withPki(async ({ dir, trust }) => {
      const file = join(dir, 'web.yml');
      writeFileSync(file, `${webConfig('server', [])}http_server_config:\n  http2: true\n`);
      await withExporter({ args: [`--web.config.file=${file}`] }, async (exporter) => {
        const { text } = await curl(exporter, 'https', '/-/healthy', '--http2', ...trust);
        assert.match(text, /^HTTP\/1\.1 200/);
      });
    }),
  ),
);

tls(
  'http_server_config.headers are on every answer, errors among them',
  timed(30_000, () =>
    withFolder('headers', async (dir) => {
      const file = join(dir, 'web.yml');
      writeFileSync(
        file,
        `http_server_config:
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000; includeSubDomains
`,
      );
      await withExporter({ args: [`--web.config.file=${file}`] }, async (exporter) => {
        for (const [path, ...args] of [['/metrics'], ['/nonsense'], ['/', '-XPOST']] as const) {
          const { text } = await curl(exporter, 'http', path, ...args);
          assert.match(text, /^X-Frame-Options: deny\r$/m);
          assert.match(text, /^Strict-Transport-Security: max-age=31536000; includeSubDomains\r$/m);
        }
      });
    }),
  ),
);

tls(
  'limits hold over TLS: a head too large, and a handshake that never ends',
  timed(40_000, () =>
    withPki(({ dir, trust }) =>
      withTls(dir, [], async (exporter) => {
        const large = await curl(
          exporter,
          'https',
          '/',
          ...trust,
          '-H',
          `x: ${'y'.repeat(20_000)}`,
        );
        assert.is(large.status, 431);
        const silent = createConnection(exporter.port, '127.0.0.1');
        silent.on('error', () => {});
        const began = performance.now();
        await within(
          15_000,
          'end of the silent connection',
          new Promise((resolve) => silent.once('close', resolve)),
        );
        assert.ok(performance.now() - began > 8_000);
        assert.is((await curl(exporter, 'https', '/-/healthy', ...trust)).status, 200);
      }),
    ),
  ),
);

tls(
  'clients that begin a handshake and stop do not keep others out, and none negotiates again',
  timed(40_000, () =>
    withPki(({ dir, trust }) =>
      withTls(dir, [], async (exporter) => {
        const stopped = Array.from({ length: 2 * MAX_HANDSHAKES }, () => {
          const socket = createConnection(exporter.port, '127.0.0.1', () =>
            socket.write(Buffer.from('16030100ff01', 'hex')),
          );
          return socket.on('error', () => {});
        });
        const { status } = await curl(exporter, 'https', '/-/healthy', ...trust);
        for (const socket of stopped) socket.destroy();
        assert.is(status, 200);
        const socket = connect({
          port: exporter.port,
          maxVersion: 'TLSv1.2',
          rejectUnauthorized: false,
        });
        await once(socket, 'secureConnect');
        const refused = once(socket, 'error');
        socket.renegotiate({}, () => {});
        const [error] = await refused;
        assert.match(String(error), 'no renegotiation');
        socket.destroy();
      }),
    ),
  ),
);

tls(
  'a file that can not be used: one line that says where, nothing on stdout, exit status 2',
  timed(60_000, () =>
    withPki(async ({ dir }) => {
      const file = join(dir, 'web.yml');
      writeFileSync(join(dir, 'empty.pem'), '');
      writeFileSync(
        join(dir, 'half.pem'),
        `${readFileSync(join(dir, 'ca.pem'))}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      );
      for (const [text, message] of [
        [undefined, 'web.yml: no such file'],
        ['tls: {}\n', 'web.yml:1: tls: unknown key'],
        [
          webConfig('missing', []),
          `web.yml:2: tls_server_config.cert_file: cannot read ${dir}/missing.pem: no such file`,
        ],
        [
          webConfig('.', []).replace('..pem', '.'),
          `web.yml:2: tls_server_config.cert_file: cannot read ${dir}: it is a folder`,
        ],
        [
          webConfig('server', []).replace('server.pem', 'empty.pem'),
          'web.yml:2: tls_server_config.cert_file: contains no PEM certificate that OpenSSL can read',
        ],
        [
          webConfig('server', []).replace('server.key', 'server.pem'),
          'web.yml:3: tls_server_config.key_file: contains no PEM private key that OpenSSL can read',
        ],
        [
          webConfig('server', []).replace('server.key', 'rsa.key'),
          'web.yml:3: tls_server_config.key_file: is not the key of the certificate',
        ],
        [
          webConfig('server', [
            'client_ca_file: half.pem',
            'client_auth_type: RequireAndVerifyClientCert',
          ]),
          'web.yml:4: tls_server_config.client_ca_file: contains no PEM certificate',
        ],
        [
          webConfig('server', [
            'client_ca_file: empty.pem',
            'client_auth_type: RequireAndVerifyClientCert',
          ]),
          'web.yml:4: tls_server_config.client_ca_file: contains no PEM certificate',
        ],
      ] as const) {
        if (text !== undefined) writeFileSync(file, text);
        const { code, stdout, stderr } = await runToEnd([
          `--web.config.file=${file}`,
          '--web.listen-address=127.0.0.1:0',
        ]);
        assert.is(code, 2, stderr);
        assert.is(stdout, '');
        assert.ok(stderr.includes(`${dir}/${message}`), `${stderr} has no ${message}`);
        assert.match(stderr, /^\S+ level=ERROR msg=.*\n$/);
      }
    }),
  ),
);

tls.run();
