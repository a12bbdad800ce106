/** The client against a real Alertmanager with TLS, client certificates and a password. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AlertmanagerClient } from '../../src/alertmanager/alertmanager-client.ts';
import { openHttpClientConfig } from '../../src/alertmanager/http-client-config.ts';
import { serialize } from '../../src/alertmanager/payload.ts';
import { createLogger } from '../../src/util/log.ts';
import { parseHttpUrl } from '../../src/util/url.ts';
import { makeCertificate } from '../support/certificates.ts';
import { eventually, timed } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';
import { withFolder } from '../support/prometheus.ts';

const tls = suite('Alertmanager with TLS');

const ALERT = {
  labels: { alertname: 'X' },
  annotations: {},
  startsAt: new Date().toISOString(),
  endsAt: new Date(Date.now() + 60_000).toISOString(),
};

tls(
  'a private authority, a client certificate and a password that is replaced',
  timed(60_000, () =>
    withFolder('alertmanager-tls', async (dir) => {
      const ca = makeCertificate(dir, 'ca', { isAuthority: true });
      const server = makeCertificate(dir, 'server', { by: ca, sans: 'DNS:am.example' });
      makeCertificate(dir, 'client', { by: ca, sans: 'DNS:client' });
      writeFileSync(
        join(dir, 'web.yml'),
        `tls_server_config: { cert_file: ${server.cert}, key_file: ${server.key}, client_ca_file: ${ca.cert}, client_auth_type: RequireAndVerifyClientCert }\nbasic_auth_users: { me: "${hashSync('right', 4)}" }\n`,
      );
      writeFileSync(
        join(dir, 'am.yml'),
        'basic_auth: { username: me, password_file: password }\ntls_config: { ca_file: ca.pem, cert_file: client.pem, key_file: client.key, server_name: am.example }\n',
      );
      writeFileSync(join(dir, 'password'), 'wrong\n');
      writeFileSync(
        join(dir, 'alertmanager.yml'),
        'route: { receiver: a }\nreceivers: [{ name: a }]\n',
      );
      const port = await freePort();
      await withAlertmanager(dir, port, async () => {
        const url = parseHttpUrl(`https://127.0.0.1:${port}`);
        if (url === undefined) throw new Error('no URL');
        let logged = '';
        const abort = new AbortController();
        const client = new AlertmanagerClient({
          url,
          readHttpConfig: await openHttpClientConfig(join(dir, 'am.yml')),
          log: createLogger('info', 'logfmt', (line) => {
            logged += line;
          }),
          signal: abort.signal,
          timing: { timeoutMs: 2_000, firstRetryMs: 100, longestRetryMs: 200 },
        });
        try {
          await eventually(20_000, () => {
            client.enqueue([serialize({ ...ALERT, labels: { alertname: 'x' } })]);
            assert.match(logged, /HTTP status 401|ECONNREFUSED|refused/);
          });
          writeFileSync(join(dir, 'password'), 'right\n');
          await eventually(20_000, () => {
            client.enqueue([serialize({ ...ALERT, labels: { alertname: 'x' } })]);
            assert.ok(client.stats.sent > 0, logged);
          });
          assert.match(logged, 'Alertmanager accepts alerts again');
        } finally {
          abort.abort();
        }
      });
    }),
  ),
);

async function withAlertmanager(
  dir: string,
  port: number,
  body: () => Promise<void>,
): Promise<void> {
  const child = spawn(
    'prometheus-alertmanager',
    [
      `--config.file=${dir}/alertmanager.yml`,
      `--web.config.file=${dir}/web.yml`,
      `--storage.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  const exited = once(child, 'close');
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  try {
    await body();
  } finally {
    child.kill('SIGTERM');
    await exited;
    process.off('exit', kill);
  }
}

tls.run();
