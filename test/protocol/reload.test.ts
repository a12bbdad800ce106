import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../src/web/server.ts';
import { makeCertificate } from '../support/certificates.ts';
import { eventually, timed, within } from '../support/deadline.ts';
import { type RunningExporter, withExporter } from '../support/exporter.ts';
import { withFolder } from '../support/prometheus.ts';
import { curl, htpasswd, sClient } from '../support/secure.ts';

const reload = suite('reload');

const TLS = 'tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n';
const SANS = 'DNS:localhost,IP:127.0.0.1';

/** The file is there before the exporter starts; `write` replaces it in one step. */
function withFile(
  text: string,
  body: (exporter: RunningExporter, write: (text: string) => void, dir: string) => Promise<void>,
): Promise<void> {
  return withFolder('reload', async (dir) => {
    makeCertificate(dir, 'server', { sans: SANS });
    const file = join(dir, 'web.yml');
    const write = (next: string) => {
      writeFileSync(`${file}.new`, next);
      renameSync(`${file}.new`, file);
    };
    write(text);
    await withExporter({ args: [`--web.config.file=${file}`] }, (exporter) =>
      body(exporter, write, dir),
    );
  });
}

function users(passwords: Readonly<Record<string, string>>): string {
  const lines = Object.entries(passwords).map(
    ([user, word]) => `  ${user}: ${htpasswd(word, 5)}\n`,
  );
  return `basic_auth_users:\n${lines.join('')}`;
}

function times(text: string, part: string): number {
  return text.split(part).length - 1;
}

/** Waits until the log has so many lines with `part`. */
function logged(exporter: RunningExporter, part: string, count: number): Promise<void> {
  return eventually(8_000, () => assert.is(times(exporter.stderr, part), count, exporter.stderr));
}

const CHANGED = 'msg="web configuration changed"';
const REFUSED = 'msg="the new web configuration is refused, and the previous one stays in use"';

reload(
  'users: a new password counts and an old one does not, and connections of before are closed',
  timed(40_000, () =>
    withFile(users({ alice: 'old', bob: 'bob' }), async (exporter, write) => {
      const status = async (credentials: string) =>
        (await curl(exporter, 'http', '/metrics', '-u', credentials)).status;
      assert.is(await status('alice:old'), 200);
      assert.is(await status('alice:new'), 401);
      const { closed } = await keepOpen(exporter, 'bob:bob');
      write(users({ alice: 'new' }));
      await logged(exporter, CHANGED, 1);
      assert.is(await status('alice:old'), 401);
      assert.is(await status('alice:new'), 200);
      assert.is(await status('bob:bob'), 401);
      await within(5_000, 'end of the connection of before', closed);
      // The same again is no change.
      write(users({ alice: 'newer' }));
      await logged(exporter, CHANGED, 2);
      assert.is(times(exporter.stderr, REFUSED), 0);
    }),
  ),
);

reload(
  'a broken file changes nothing, is logged once, and never removes the protection',
  timed(60_000, () =>
    withFile(TLS + users({ alice: 'secret' }), async (exporter, write, dir) => {
      const trust = ['--cacert', join(dir, 'server.pem')];
      const assertGuarded = async () => {
        const right = await curl(exporter, 'https', '/', ...trust, '-u', 'alice:secret');
        assert.is(right.status, 200, right.error);
        assert.is((await curl(exporter, 'https', '/', ...trust)).status, 401);
        assert.is((await curl(exporter, 'http', '/')).status, 400);
      };
      await assertGuarded();
      const file = join(dir, 'web.yml');
      const broken: ReadonlyArray<readonly [how: () => void, reason: string]> = [
        [() => write('tls_server_config: {\n'), 'web.yml:2: Flow map'],
        [() => write(''), 'it turns TLS off, which requires a restart'],
        [() => write(TLS), 'it removes all basic_auth_users, which requires a restart'],
        [() => write(users({ alice: 'secret' })), 'it turns TLS off'],
        [
          () => write(`${TLS}basic_auth_users: {alice: secret}\n`),
          'web.yml:4: basic_auth_users.alice',
        ],
        [() => rmSync(file), 'web.yml: no such file'],
      ];
      for (const [index, [how, reason]] of broken.entries()) {
        how();
        await logged(exporter, REFUSED, index + 1);
        assert.ok(exporter.stderr.includes(reason), `${exporter.stderr} has no ${reason}`);
        await assertGuarded();
      }
      write('');
      await logged(exporter, REFUSED, broken.length + 1);
      write('# still empty\n');
      await sleep(2_000);
      assert.is(times(exporter.stderr, REFUSED), broken.length + 1);
      write(`${TLS}${users({ alice: 'secret', bob: 'bob' })}`);
      await logged(exporter, CHANGED, 1);
      await assertGuarded();
      assert.is((await curl(exporter, 'https', '/', ...trust, '-u', 'bob:bob')).status, 200);
    }),
  ),
);

reload(
  'a renewed certificate is served, a pair that does not match is not',
  timed(40_000, () =>
    withFile(TLS, async (exporter, _, dir) => {
      const trusted = join(dir, 'ca.pem');
      const by = makeCertificate(dir, 'ca', { isAuthority: true });
      const verified = async () =>
        (await sClient(exporter, '-CAfile', trusted)).includes('Verification: OK');
      assert.is(await verified(), false);
      const next = makeCertificate(dir, 'next', { by, sans: SANS });
      renameSync(next.cert, join(dir, 'server.pem'));
      await logged(exporter, REFUSED, 1);
      assert.match(
        exporter.stderr,
        /web\.yml:3: tls_server_config\.key_file: is not the key of the/,
      );
      assert.is(await verified(), false);
      renameSync(next.key, join(dir, 'server.key'));
      await logged(exporter, CHANGED, 1);
      assert.is(await verified(), true);
    }),
  ),
);

reload(
  'a volume of Kubernetes: the files are links, and one link is swapped',
  timed(40_000, () =>
    withFolder('reload', async (dir) => {
      const fill = (version: string, password: string) => {
        mkdirSync(join(dir, version));
        makeCertificate(join(dir, version), 'server', { sans: SANS });
        writeFileSync(join(dir, version, 'web.yml'), TLS + users({ alice: password }));
        symlinkSync(version, join(dir, '..new'));
        renameSync(join(dir, '..new'), join(dir, '..data'));
      };
      fill('..1', 'one');
      for (const name of ['web.yml', 'server.pem', 'server.key']) {
        symlinkSync(join('..data', name), join(dir, name));
      }
      await withExporter(
        { args: [`--web.config.file=${join(dir, 'web.yml')}`] },
        async (exporter) => {
          const status = async (version: string, password: string) => {
            const trust = ['--cacert', join(dir, version, 'server.pem')];
            return (await curl(exporter, 'https', '/', ...trust, '-u', `alice:${password}`)).status;
          };
          assert.is(await status('..1', 'one'), 200);
          fill('..2', 'two');
          await logged(exporter, CHANGED, 1);
          assert.is(await status('..1', 'one'), 0);
          assert.is(await status('..2', 'one'), 401);
          assert.is(await status('..2', 'two'), 200);
        },
      );
    }),
  ),
);

reload(
  'clients have to show certificates from now on, and need not any more',
  timed(40_000, () =>
    withFile(TLS, async (exporter, write, dir) => {
      const by = makeCertificate(dir, 'ca', { isAuthority: true });
      const client = makeCertificate(dir, 'client', { by });
      const status = async (...args: string[]) =>
        (await curl(exporter, 'https', '/', '--cacert', join(dir, 'server.pem'), ...args)).status;
      const shown = ['--cert', client.cert, '--key', client.key];
      assert.is(await status(), 200);
      write(`${TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n`);
      await logged(exporter, CHANGED, 1);
      assert.is(await status(), 0);
      assert.is(await status(...shown), 200);
      // Another authority under the same name.
      makeCertificate(dir, 'ca', { isAuthority: true });
      await logged(exporter, CHANGED, 2);
      assert.is(await status(...shown), 0);
      write(TLS);
      await logged(exporter, CHANGED, 3);
      assert.is(await status(), 200);
    }),
  ),
);

reload(
  'a TLS session is not taken up again, which would pass by a new configuration',
  timed(40_000, () =>
    withFile(TLS, async (exporter, _, dir) => {
      for (const version of ['-tls1_2', '-tls1_3']) {
        const session = join(dir, `session${version}`);
        assert.match(await sClient(exporter, version, '-sess_out', session), /^New, TLS/m);
        // Without tickets there is none to take up in TLS 1.2.
        if (!existsSync(session)) continue;
        assert.match(await sClient(exporter, version, '-sess_in', session), /^New, TLS/m);
      }
    }),
  ),
);

/** Makes a request and keeps its connection; `closed` settles once that is closed. */
function keepOpen(
  exporter: RunningExporter,
  credentials: string,
): Promise<{ readonly closed: Promise<unknown> }> {
  const agent = new http.Agent({ keepAlive: true });
  const answered = new Promise<{ closed: Promise<unknown> }>((resolve, reject) => {
    http
      .get(exporter.url('/-/healthy'), { auth: credentials, agent }, (response) => {
        const closed = new Promise((over) => response.socket.once('close', over));
        response.resume().on('end', () => resolve({ closed }));
      })
      .on('error', reject);
  });
  return within(5_000, 'answer', answered);
}

reload(
  'a client without a certificate is not identified by a configuration that demands one later',
  timed(40_000, () =>
    withFolder('reload', async (dir) => {
      makeCertificate(dir, 'server', { sans: SANS });
      const file = join(dir, 'web.yml');
      writeFileSync(file, TLS);
      const stop = new AbortController();
      // The build inserts it; no password is compared here.
      Reflect.set(globalThis, 'PASSWORD_WORKER', '');
      const { WebConfigServer } = await import('../../src/web-config/server.ts');
      const config = await WebConfigServer.open(file, {
        log: { debug: undefined, info: () => {}, warn: () => {}, error: () => {} },
        signal: stop.signal,
      });
      const answer = config.middleware(async (request, response) => {
        writeFileSync(
          file,
          `${TLS}  client_ca_file: server.pem\n  client_auth_type: RequireAndVerifyClientCert\n`,
        );
        await eventually(8_000, () => assert.ok(config.demandsCredentials));
        response.end(String(config.isIdentified(request)));
      });
      try {
        const [address] = await serve({
          addresses: [{ host: '127.0.0.1', port: 0 }],
          createServer: config.createServer,
          answer,
          onError: (error) => {
            throw error;
          },
          signal: stop.signal,
        });
        const port = address?.port ?? 0;
        const { text } = await curl({ port }, 'https', '/', '--cacert', join(dir, 'server.pem'));
        assert.match(text, /\r\n\r\nfalse$/);
      } finally {
        stop.abort();
      }
    }),
  ),
);

reload.run();
