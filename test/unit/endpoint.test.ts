import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeEndpoint, parseEndpoint } from '../../src/rpc/endpoint.ts';
import { InvalidUrlError } from '../../src/util/errors.ts';

const endpoint = suite('endpoint');

const TCP = {
  kind: 'tcp',
  secure: false,
  host: 'h',
  port: 80,
  path: '/RPC2',
  credentials: undefined,
};
const UNIX = { kind: 'unix', socketPath: '/run/s.sock', path: '/RPC2', credentials: undefined };

const URLS: ReadonlyArray<
  readonly [url: string, expected: Readonly<Record<string, unknown>>, shown: string]
> = [
  ['http://h', TCP, 'http://h:80'],
  ['http://h:9001', { ...TCP, port: 9001 }, 'http://h:9001'],
  ['http://h:9001/', { ...TCP, port: 9001 }, 'http://h:9001'],
  ['http://h/RPC2', TCP, 'http://h:80'],
  ['http://h/prefix/', { ...TCP, path: '/prefix/RPC2' }, 'http://h:80'],
  ['https://h', { ...TCP, secure: true, port: 443 }, 'https://h:443'],
  ['http://[::1]:9001', { ...TCP, host: '::1', port: 9001 }, 'http://[::1]:9001'],
  [
    'http://me:pass@h',
    { ...TCP, credentials: { username: 'me', password: 'pass' } },
    'http://h:80',
  ],
  [
    'http://me:p%40%3Ass%25@h',
    { ...TCP, credentials: { username: 'me', password: 'p@:ss%' } },
    'http://h:80',
  ],
  ['unix:///run/s.sock', UNIX, 'unix:///run/s.sock'],
  [
    'unix:///run/a@b:c d.sock',
    { ...UNIX, socketPath: '/run/a@b:c d.sock' },
    'unix:///run/a@b:c d.sock',
  ],
  [
    'unix://me:pa:ss@/run/s.sock',
    { ...UNIX, credentials: { username: 'me', password: 'pa:ss' } },
    'unix:///run/s.sock',
  ],
];

for (const [url, expected, shown] of URLS) {
  endpoint(`${url} is understood, and shown without its credentials`, () => {
    const parsed = parseEndpoint(url, {});
    assert.equal(parsed, expected);
    assert.is(describeEndpoint(parsed), shown);
  });
}

endpoint('the credentials of the environment serve where the URL has none', () => {
  const environment = { SUPERVISOR_USERNAME: 'env', SUPERVISOR_PASSWORD: 'word' };
  for (const [url, username] of [
    ['http://h', 'env'],
    ['unix:///s', 'env'],
    ['http://me:pass@h', 'me'],
  ] as const) {
    const parsed = parseEndpoint(url, environment);
    assert.is(parsed.credentials?.username, username);
  }
});

for (const url of ['', 'h', 'ftp://u:SECRET@h', 'http://u:SECRET', 'unix://u:SECRET@s']) {
  endpoint(`${JSON.stringify(url)} is refused with an error that does not repeat it`, () => {
    assert.throws(
      () => parseEndpoint(url, {}),
      (error: unknown) => error instanceof InvalidUrlError && !error.message.includes('SECRET'),
    );
  });
}

endpoint.run();
