import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RpcClient } from '../../src/rpc/client.ts';
import { parseEndpoint } from '../../src/rpc/endpoint.ts';
import { RpcError, type RpcErrorCode } from '../../src/util/errors.ts';
import { timed, within } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';

const client = suite('xml-rpc client');

const TIMEOUT_MS = 500;
const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
client.after(() => rmSync(dir, { recursive: true, force: true }));

const FAULT =
  '<fault><value><struct><member><name>faultCode</name><value><int>6</int></value></member><member><name>faultString</name><value><string>SHUTDOWN_STATE</string></value></member></struct></value></fault>';

function reply(value: string): string {
  return `<?xml version='1.0'?><methodResponse><params><param><value>${value}</value></param></params></methodResponse>`;
}

client(
  'requests over TCP and a Unix socket carry the right path, method and credentials',
  timed(10_000, async () => {
    let seen = '';
    const answer: RequestListener = (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        seen = `${request.method} ${request.url} ${request.headers.authorization} ${/<methodName>(.*)<\/methodName>/.exec(body)?.[1]}`;
        response.end(reply('<string>wörker 🚀</string>'));
      });
    };
    const wanted = `POST /RPC2 Basic ${Buffer.from('mé:p@:ss').toString('base64')} supervisor.getIdentification`;
    await serving(createHttpServer(answer), async (port) => {
      const rpc = connect(`http://m%C3%A9:p%40%3Ass@127.0.0.1:${port}`);
      assert.is(await rpc.call('supervisor.getIdentification', []), 'wörker 🚀');
      assert.is(seen, wanted);
    });
    await serving(
      createHttpServer(answer),
      async () => {
        const rpc = connect(`unix://m%C3%A9:p%40%3Ass@${dir}/s.sock`);
        assert.is(await rpc.call('supervisor.getIdentification', []), 'wörker 🚀');
        assert.is(seen, wanted);
      },
      join(dir, 's.sock'),
    );
  }),
);

client(
  'an untrusted TLS certificate is refused',
  timed(20_000, async () => {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'pipe' },
    );
    const server = createHttpsServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      (_, response) => response.end(reply('<int>1</int>')),
    );
    await serving(server, async (port) => {
      await failsWith(
        connect(`https://localhost:${port}`),
        'ERR_RPC_UNREACHABLE',
        /self-signed certificate/,
      );
      const script = `import { RpcClient } from './src/rpc/client.ts'; import { parseEndpoint } from './src/rpc/endpoint.ts';
        console.log(await new RpcClient(parseEndpoint('https://localhost:${port}', {}), { timeoutMs: 5000, keepOpen: false }).call('m', []));`;
      const output = await within(
        10_000,
        'a trusting client',
        new Promise<string>((resolve, reject) => {
          execFile(
            process.execPath,
            ['--import', 'tsx', '--input-type=module', '-e', script],
            { env: { ...process.env, NODE_EXTRA_CA_CERTS: cert } },
            (error, stdout) => (error ? reject(error) : resolve(stdout)),
          );
        }),
      );
      assert.is(output, '1\n');
    });
  }),
);

const FAILURES: ReadonlyArray<
  readonly [title: string, answer: RequestListener, code: RpcErrorCode, message: RegExp]
> = [
  [
    '401 with a page',
    (_, response) =>
      response.writeHead(401).end('<html><head><title>Unauthorized</title></head></html>'),
    'ERR_RPC_UNAUTHORIZED',
    /requires a username and password \(SUPERVISOR_USERNAME, SUPERVISOR_PASSWORD\)$/,
  ],
  [
    '401 with nothing',
    (_, response) => response.writeHead(401).end(),
    'ERR_RPC_UNAUTHORIZED',
    /requires a username and password/,
  ],
  [
    '404',
    (_, response) => response.writeHead(404).end('not here'),
    'ERR_RPC_HTTP_STATUS',
    /answered with HTTP status 404$/,
  ],
  [
    '500',
    (_, response) => response.writeHead(500).end('oops'),
    'ERR_RPC_HTTP_STATUS',
    /answered with HTTP status 500$/,
  ],
  [
    'a fault',
    (_, response) => response.end(`<?xml version='1.0'?><methodResponse>${FAULT}</methodResponse>`),
    'ERR_RPC_FAULT',
    /answered m with SHUTDOWN_STATE \(fault 6\)$/,
  ],
  [
    'a web page',
    (_, response) => response.end('<html><body>hello</body></html>'),
    'ERR_RPC_NOT_XML_RPC',
    /did not answer with XML-RPC/,
  ],
  [
    'no XML',
    (_, response) => response.end('hello'),
    'ERR_RPC_NOT_XML_RPC',
    /did not answer with XML-RPC/,
  ],
  [
    'nothing',
    (_, response) => response.end(),
    'ERR_RPC_NOT_XML_RPC',
    /did not answer with XML-RPC/,
  ],
  [
    'half a reply',
    (_, response) => response.end(reply('<int>1</int>').slice(0, 80)),
    'ERR_RPC_NOT_XML_RPC',
    /did not answer with XML-RPC/,
  ],
  [
    'a reply that breaks off',
    (_, response) =>
      response
        .writeHead(200, { 'content-length': 999 })
        .write(reply('<int>1</int>').slice(0, 80), () => response.destroy()),
    'ERR_RPC_NOT_XML_RPC',
    /did not answer with XML-RPC/,
  ],
  [
    'a connection that is closed',
    (request) => request.socket.destroy(),
    'ERR_RPC_UNREACHABLE',
    /cannot be reached: connection closed/,
  ],
  [
    'status 100 without end',
    ({ socket }) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(20)),
    'ERR_RPC_UNREACHABLE',
    /cannot be reached: too many HTTP status 1xx/,
  ],
  ['silence', () => {}, 'ERR_RPC_TIMEOUT', /did not answer within 0.5 s$/],
  [
    'an answer that stalls',
    (_, response) => response.write('<?xml'),
    'ERR_RPC_TIMEOUT',
    /did not answer within 0.5 s$/,
  ],
];

for (const [title, answer, code, message] of FAILURES) {
  client(
    `${title}: ${code}, in words`,
    timed(10_000, () =>
      serving(createHttpServer(answer), async (port) => {
        await failsWith(connect(`http://127.0.0.1:${port}`), code, message);
      }),
    ),
  );
}

client(
  'a missing server is reported as unreachable in plain words',
  timed(10_000, async () => {
    await failsWith(
      connect(`http://127.0.0.1:${await freePort()}`),
      'ERR_RPC_UNREACHABLE',
      /connection refused$/,
    );
    await failsWith(
      connect(`unix://${dir}/none.sock`),
      'ERR_RPC_UNREACHABLE',
      /unix:.*none.sock cannot be reached: no such socket$/,
    );
  }),
);

client(
  'errors never contain a password',
  timed(10_000, () =>
    serving(
      createHttpServer((_, response) => response.writeHead(401).end()),
      async (port) => {
        const error = await failsWith(
          connect(`http://me:secret@127.0.0.1:${port}`),
          'ERR_RPC_UNAUTHORIZED',
          /rejects this username and password/,
        );
        assert.not.match(error.message + String(error.stack), 'secret');
      },
    ),
  ),
);

client(
  'a fault in one result fails the multicall and names the call',
  timed(10_000, () => {
    const fault = FAULT.replace('<fault><value>', '').replace('</value></fault>', '');
    return serving(
      createHttpServer((_, response) =>
        response.end(
          reply(`<array><data><value><int>1</int></value><value>${fault}</value></data></array>`),
        ),
      ),
      async (port) => {
        const calls = ['supervisor.one', 'supervisor.two'].map((methodName) => ({
          methodName,
          params: [],
        }));
        const rpc = connect(`http://127.0.0.1:${port}`);
        await assertRejects(
          rpc.multicall(calls),
          'ERR_RPC_FAULT',
          /answered supervisor.two with SHUTDOWN_STATE/,
        );
        await assertRejects(
          rpc.multicall(calls.slice(1)),
          'ERR_RPC_NOT_XML_RPC',
          /a result for each call/,
        );
      },
    );
  }),
);

function connect(url: string): RpcClient {
  const endpoint = parseEndpoint(url, {});
  return new RpcClient(endpoint, { timeoutMs: TIMEOUT_MS, keepOpen: false });
}

function failsWith(rpc: RpcClient, code: RpcErrorCode, message: RegExp): Promise<RpcError> {
  return assertRejects(rpc.call('m', []), code, message);
}

async function assertRejects(
  promise: Promise<unknown>,
  code: RpcErrorCode,
  message: RegExp,
): Promise<RpcError> {
  const error = await within(5_000, 'rejection', promise).then(
    (value) => new Error(`resolved to ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) throw error;
  assert.is(error.code, code, error.message);
  assert.match(error.message, message);
  assert.not.match(error.message, '\n');
  return error;
}

/** Runs `body` against a server with its own port or socket. */
async function serving(
  server: Server,
  body: (port: number) => Promise<void>,
  socketPath?: string,
): Promise<void> {
  await new Promise<void>((resolve) =>
    socketPath === undefined
      ? server.listen(0, '127.0.0.1', resolve)
      : server.listen(socketPath, resolve),
  );
  try {
    await body(socketPath === undefined ? (server.address() as AddressInfo).port : 0);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

client.run();
