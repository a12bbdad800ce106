/** The HTTP side: what Prometheus scrapes and what people and probes ask. No request waits on supervisord. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { constants, gzip } from 'node:zlib';

export interface ListenAddress {
  /** Empty for all interfaces. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface HttpOptions {
  readonly addresses: readonly ListenAddress[];
  readonly telemetryPath: string;
  readonly contentType: string;
  readonly render: () => Promise<string>;
  /** Why the exporter is not ready; undefined once it is. */
  readonly notReady: () => string | undefined;
  /** A request could not be answered, which should not be. */
  readonly onError: (error: unknown) => void;
}

export interface HttpService {
  /** The addresses listened on, with the ports that were chosen. */
  readonly addresses: readonly ListenAddress[];
  /** Stops listening and ends all connections at once. */
  close(): void;
}

/** An address that can't be listened on; the message names it and says why. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** A request head larger than this is answered 431; Prometheus sends about 300 bytes. */
const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the 60 s between two scrapes, so that a scraper keeps its connection. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** How long a client may take to read an answer: Prometheus gives up a scrape after 10 s by default. */
const SEND_TIMEOUT_MS = 15_000;
/** Answers being read at once. With one more, the one that has been read the longest is cut off. */
const MAX_UNREAD_ANSWERS = 40;
/** Connections at once, to each address; further ones are closed. */
const MAX_CONNECTIONS = 1_000;

/** Listens on every address, or rejects with ListenError and listens on none. */
export async function serveHttp(options: HttpOptions): Promise<HttpService> {
  const servers: Server[] = [];
  const unread = new UnreadAnswers();
  const close = () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  try {
    for (const address of options.addresses) {
      const server = createServer(
        { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 5_000 },
        (request, response) => {
          unread.add(response);
          answer(options, request, response).catch((error: unknown) => {
            options.onError(error);
            if (response.headersSent) response.destroy();
            else sendText(request, response, 500, 'internal error\n');
          });
        },
      );
      server.maxConnections = MAX_CONNECTIONS;
      server.headersTimeout = HEADERS_TIMEOUT_MS;
      server.requestTimeout = REQUEST_TIMEOUT_MS;
      server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
      await startListening(server, address);
      servers.push(server);
    }
  } catch (error) {
    close();
    throw error;
  }
  const addresses = servers.map((server, index) => {
    const bound = server.address();
    const asked = options.addresses[index];
    return { host: asked?.host ?? '', port: typeof bound === 'object' && bound ? bound.port : 0 };
  });
  return { addresses, close };
}

export function formatAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EACCES: 'no permission',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'no such host',
};

function startListening(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = LISTEN_REASONS[error.code ?? ''] ?? error.message;
      reject(new ListenError(`can't listen on ${formatAddress(address)}: ${reason}`));
    });
    // Without a host Node listens on all IPv6 and IPv4 addresses.
    const host = address.host === '' ? {} : { host: address.host };
    server.listen({ ...host, port: address.port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** Keeps clients that do not read what they asked for from filling the memory. */
class UnreadAnswers {
  readonly #unread = new Set<ServerResponse>();

  add(response: ServerResponse): void {
    this.#unread.add(response);
    const deadline = setTimeout(() => response.destroy(), SEND_TIMEOUT_MS);
    response.once('close', () => {
      clearTimeout(deadline);
      this.#unread.delete(response);
    });
    const [oldest] = this.#unread;
    if (this.#unread.size > MAX_UNREAD_ANSWERS) oldest?.destroy();
  }
}

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(request, response, 405, 'method not allowed\n');
  }
  const [path] = (request.url ?? '/').split('?');
  switch (path) {
    case options.telemetryPath:
      return sendMetrics(options, request, response);
    case '/-/healthy':
      return sendText(request, response, 200, 'healthy\n');
    case '/-/ready': {
      const reason = options.notReady();
      if (reason === undefined) return sendText(request, response, 200, 'ready\n');
      return sendText(request, response, 503, `not ready: ${reason}\n`);
    }
    case '/':
      return send(
        request,
        response,
        200,
        'text/html; charset=utf-8',
        landingPage(options.telemetryPath),
      );
    default:
      return sendText(request, response, 404, 'not found\n');
  }
}

async function sendMetrics(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const text = await options.render();
  response.setHeader('Vary', 'Accept-Encoding');
  if (!acceptsGzip(request.headers['accept-encoding'])) {
    return send(request, response, 200, options.contentType, text);
  }
  // Level 1 makes it nineteen times smaller; level 6 takes five times as long for little more.
  gzip(text, { level: constants.Z_BEST_SPEED }, (error, compressed) => {
    if (error) return send(request, response, 200, options.contentType, text);
    response.setHeader('Content-Encoding', 'gzip');
    send(request, response, 200, options.contentType, compressed);
  });
}

/** Whether an Accept-Encoding names gzip (RFC 9110, section 12.5.3), and not with a weight of 0. */
function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((coding) => /^\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i.test(coding));
}

function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): void {
  send(request, response, status, 'text/plain; charset=utf-8', text);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function landingPage(telemetryPath: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>supervisor-exporter</title></head>
<body>
<h1>supervisor-exporter</h1>
<p>Every state change of every program that this supervisord runs, as it happens.</p>
<p><a href="${escapeHtml(telemetryPath)}">Metrics</a></p>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
