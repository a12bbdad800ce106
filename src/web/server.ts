/** The HTTP server: passes requests to their answer, and limits what clients may cost. */

import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ListenAddress } from '../util/address.ts';
import { ByAddress } from '../util/by-address.ts';
import { errorCode } from '../util/errno.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { type BoundAddress, listenOn } from './listen.ts';
import { hasBody, hasValidHost, originForm } from './request.ts';
import { sendText } from './respond.ts';
import { RequestScheduler } from './scheduler.ts';
import { UnsentAnswers, type UnsentLimits } from './unsent.ts';

/** Answers a request. A rejection is a fault of ours, and is answered 500. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Makes a server of HTTP, or of HTTPS. */
export type CreateServer = (options: ServerOptions, listener: RequestListener) => Server;

interface Limits extends UnsentLimits {
  /** At once, to each listen address. One more closes the newest connection of the client address with the most. */
  readonly maxConnections: number;
}

export interface WebOptions {
  readonly addresses: readonly ListenAddress[];
  /** Plain HTTP if left out. */
  readonly createServer?: CreateServer | undefined;
  readonly answer: Answer;
  /** A request could not be answered. */
  readonly onError: (error: unknown) => void;
  /** Stops listening and ends all connections at once. */
  readonly signal: AbortSignal;
  readonly limits?: Partial<Limits>;
}

/** A request head larger than this is answered 431; Prometheus sends about 300 bytes. */
const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the 60 s between two scrapes, so that a scraper keeps its connection. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** Prometheus gives up a scrape after 10 s by default. */
const LIMITS: Limits = { sendTimeoutMs: 15_000, maxUnsent: 40, maxConnections: 1_000 };

/** Listens on every address, or rejects with ListenError and listens on none. */
export async function serve(options: WebOptions): Promise<readonly BoundAddress[]> {
  const servers: Server[] = [];
  const limits = { ...LIMITS, ...options.limits };
  const connectionOptions = {
    scheduler: new RequestScheduler(),
    unsent: new UnsentAnswers(limits),
  };
  const close = () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  const create = () => {
    const server = createServer(options, connectionOptions);
    limitConnections(server, limits);
    servers.push(server);
    return server;
  };
  options.signal.addEventListener('abort', close, { once: true });
  try {
    const bound: BoundAddress[] = [];
    for (const address of options.addresses) bound.push(...(await listenOn(address, create)));
    if (options.signal.aborted) close();
    return bound;
  } catch (error) {
    close();
    throw error;
  }
}

function createServer(options: WebOptions, connectionOptions: ConnectionOptions): Server {
  const handle = (request: IncomingMessage, response: ServerResponse) =>
    void handleRequest(options, request, response);
  const server = (options.createServer ?? createHttpServer)(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: 5_000,
      // Node would answer by itself, without a `request`.
      requireHostHeader: false,
    },
    handle,
  );
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  // Without these Node answers `Expect` by itself, and closes the connection of CONNECT.
  server.on('checkContinue', handle);
  server.on('checkExpectation', handle);
  server.on('connect', (request: IncomingMessage, connection: Duplex) => {
    const response = new ServerResponse(request);
    response.assignSocket(connection as Socket);
    response.once('finish', () => connection.end());
    handle(request, response);
  });
  server.on('clientError', refuse);
  interpose(server, (socket) => new Connection(socket, connectionOptions));
  answerPlainHttp(server);
  return server;
}

function limitConnections(server: Server, { maxConnections }: Limits): void {
  const open = new ByAddress<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket, socket.remoteAddress);
    socket.once('close', () => open.delete(socket));
    if (open.size > maxConnections) open.takeFromLargest('newest')?.destroy();
  });
}

async function handleRequest(
  { answer, onError }: WebOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const connection: Duplex = request.socket;
  if (connection instanceof Connection) connection.startAnswer(response);
  // A body is not read, so what follows it cannot be read either.
  if (hasBody(request) || request.method === 'CONNECT') response.setHeader('Connection', 'close');
  try {
    if (!hasValidHost(request)) {
      response.setHeader('Connection', 'close');
      return sendText(request, response, 400, 'one Host header is required\n');
    }
    request.url = originForm(request.url ?? '/');
    await answer(request, response);
  } catch (error) {
    onError(error);
    if (response.headersSent) response.destroy();
    else sendText(request, response, 500, 'internal error\n');
  }
}

/**
 * Puts a Connection between each socket and Node's own listener for new connections, which
 * is the same function for HTTP and HTTPS and takes any Duplex (node:http, event `connection`).
 */
function interpose(server: Server, connect: (socket: Socket) => Connection): void {
  const [parse] = createHttpServer().listeners('connection');
  const event = ['secureConnection', 'connection'].find(
    (name) => parse !== undefined && server.listeners(name).includes(parse),
  );
  if (parse === undefined || event === undefined) throw new Error('not a server of node:http');
  server.removeListener(event, parse as (socket: Socket) => void);
  server.on(event, (socket: Socket) => {
    if (!socket.destroyed) parse.call(server, connect(socket));
  });
}

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Answers what is not HTTP. */
function refuse(error: Error, connection: Duplex): void {
  // A failed TLS handshake is an error of this kind too, and there is no Connection yet.
  const isAnswerable = connection instanceof Connection && connection.writable;
  if (!isAnswerable || errorCode(error) === 'ECONNRESET') return void connection.destroy();
  const status = REFUSALS[errorCode(error) ?? ''] ?? '400 Bad Request';
  connection.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}

const PLAIN_HTTP_ANSWER =
  'HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n' +
  'Client sent an HTTP request to an HTTPS server.\n';

/** Answers http:// on a TLS port, as Go does. A server without TLS does not emit the event. */
function answerPlainHttp(server: Server): void {
  /** The sockets under TLS, by the client's address. */
  const sockets = new Map<string, Socket>();
  const keyOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    sockets.set(key, socket);
    socket.once('close', () => sockets.delete(key));
  });
  server.on('tlsClientError', (error: Error, secureSocket: Socket) => {
    if (errorCode(error) !== 'ERR_SSL_HTTP_REQUEST') return;
    sockets.get(keyOf(secureSocket))?.end(PLAIN_HTTP_ANSWER);
  });
}
