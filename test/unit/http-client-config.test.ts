import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openHttpClientConfig } from '../../src/alertmanager/http-client-config.ts';
import { AlertmanagerConfigError } from '../../src/util/errors.ts';
import { timed } from '../support/deadline.ts';

const configs = suite('configuration of the Alertmanager client');

async function withFiles(
  files: Readonly<Record<string, string>>,
  body: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-client-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

const AUTHORIZATIONS: ReadonlyArray<readonly [yaml: string, authorization: string | undefined]> = [
  ['', undefined],
  ['basic_auth: { username: me, password: "a:b" }', basic('me:a:b')],
  ['basic_auth: { username: me, password_file: secret }', basic('me:from file')],
  ['authorization: { credentials: token }', 'Bearer token'],
  ['authorization: { type: Custom, credentials_file: secret }', 'Custom from file'],
];
for (const [yaml, authorization] of AUTHORIZATIONS) {
  configs(`the header of: ${yaml || 'an empty file'}`, () =>
    withFiles({ 'am.yml': yaml, secret: '  from file\n' }, async (dir) => {
      const settings = await (await openHttpClientConfig(join(dir, 'am.yml')))();
      assert.is(settings.authorization, authorization);
      assert.is(settings.followRedirects, true);
    }),
  );
}

configs(
  'a file that is replaced by a pipe is an error, and not waited for',
  timed(5_000, () =>
    withFiles(
      { 'am.yml': 'authorization: { credentials_file: secret }', secret: 'old' },
      async (dir) => {
        const readConfig = await openHttpClientConfig(join(dir, 'am.yml'));
        rmSync(join(dir, 'secret'));
        execFileSync('mkfifo', [join(dir, 'secret')]);
        const outcome = await readConfig().then(() => 'read', String);
        assert.match(outcome, /secret: it is not a regular file$/);
      },
    ),
  ),
);

configs('files are read again, and one that cannot be read is an error', () =>
  withFiles(
    {
      'am.yml':
        'basic_auth: { username: me, password_file: secret }\ntls_config: { ca_file: ca, server_name: am }\nfollow_redirects: no\n',
      secret: 'old',
      ca: 'PEM',
    },
    async (dir) => {
      const readConfig = await openHttpClientConfig(join(dir, 'am.yml'));
      writeFileSync(join(dir, 'secret'), 'new\n');
      assert.equal(await readConfig(), {
        authorization: basic('me:new'),
        tls: { ca: 'PEM', servername: 'am' },
        followRedirects: false,
      });
      rmSync(join(dir, 'secret'));
      await readConfig().then(
        () => assert.unreachable(),
        (error: unknown) => {
          assert.instance(error, AlertmanagerConfigError);
          assert.is((error as Error).message, `${join(dir, 'secret')}: no such file`);
        },
      );
    },
  ),
);

const INVALID: Readonly<Record<string, RegExp>> = {
  'basic_auth: { username: me, password: hunter2, password_file: secret }':
    /:1: basic_auth: password and password_file exclude each other$/,
  'basic_auth: { username: me }': /basic_auth: lacks password or password_file$/,
  'basic_auth: { password: hunter2 }\nauthorization: { credentials: hunter2 }':
    /basic_auth and authorization exclude each other$/,
  'authorization: { type: Basic, credentials: hunter2 }': /type Basic is written as basic_auth$/,
  'authorization: { type: "a b", credentials: hunter2 }': /type is not the name of a scheme$/,
  'tls_config: { cert_file: a }': /tls_config: cert_file and key_file need each other$/,
  'tls_config: { ca_file: missing }': /missing: no such file$/,
  'bearer_token: hunter2': /unknown key; known keys: basic_auth, authorization/,
  'authorization: { credentials_file: lines }': /lines: has more than one line$/,
  'basic_auth: [hunter2': /am\.yml:1/,
};
for (const [yaml, reason] of Object.entries(INVALID)) {
  configs(`refused: ${yaml.replace('\n', ', ')}`, () =>
    withFiles({ 'am.yml': yaml, secret: 'x', lines: 'hunter2\nhunter2' }, async (dir) => {
      await openHttpClientConfig(join(dir, 'am.yml')).then(
        () => assert.unreachable(),
        (error: unknown) => {
          assert.instance(error, AlertmanagerConfigError);
          assert.match((error as Error).message, reason);
          assert.not.match((error as Error).message, 'hunter2');
        },
      );
    }),
  );
}

configs.run();
