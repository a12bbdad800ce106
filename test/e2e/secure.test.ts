import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../support/certificates.ts';
import { eventually, timed } from '../support/deadline.ts';
import { type Prometheus, withFolder, withPrometheus } from '../support/prometheus.ts';
import { htpasswd } from '../support/secure.ts';
import { play } from '../support/supervisord.ts';

const secure = suite('secure');

secure(
  'a real Prometheus scrapes the exporter with tls_config and basic_auth, but not with a wrong password',
  timed(90_000, () =>
    withFolder('secure', async (dir) => {
      const by = makeCertificate(dir, 'ca', { isAuthority: true });
      makeCertificate(dir, 'server', { by, sans: 'DNS:exporter.example' });
      const client = makeCertificate(dir, 'prometheus', { by, sans: 'DNS:prometheus.example' });
      writeFileSync(
        join(dir, 'web.yml'),
        `tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example]
basic_auth_users:
  prometheus: ${htpasswd('secret')}
`,
      );
      const tls_config = {
        ca_file: by.cert,
        cert_file: client.cert,
        key_file: client.key,
        server_name: 'exporter.example',
      };
      const scrapeWith = (
        supervisordPort: number,
        password: string,
        body: (prometheus: Prometheus) => Promise<void>,
      ) =>
        withPrometheus(`127.0.0.1:${supervisordPort}`, body, {
          scheme: 'https',
          tls_config,
          basic_auth: { username: 'prometheus', password },
        });
      const flags = [`--web.config.file=${join(dir, 'web.yml')}`];
      await play({ conf: 'quiet', flags }, async ({ port }) => {
        await scrapeWith(port, 'secret', async (prometheus) => {
          await eventually(20_000, async () => {
            const [state] = await prometheus.query('supervisord_state{name="steady"}');
            assert.is(state?.value[1], '20');
          });
          const [target] = await prometheus.targets();
          assert.equal(target?.health, 'up', target?.lastError);
        });
        await scrapeWith(port, 'wrong', (prometheus) =>
          eventually(20_000, async () => {
            const [target] = await prometheus.targets();
            assert.is(target?.health, 'down');
            assert.match(target?.lastError ?? '', /401 Unauthorized/);
          }),
        );
      });
    }),
  ),
);

secure.run();
