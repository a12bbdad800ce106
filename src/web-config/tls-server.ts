/** An HTTPS server whose certificates and client policy can change while it runs. */

import type http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { errorCode } from '../util/errno.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { HandshakeQueue } from './handshake-queue.ts';
import { opensslReason } from './tls.ts';

/** Node's default is two minutes. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface TlsServerOptions {
  readonly http: http.ServerOptions;
  readonly listener: http.RequestListener;
  /** Why a client is refused; undefined if it is allowed. */
  readonly verifyClient: (certificate: ClientCertificate | undefined) => string | undefined;
  readonly onAllowed: (socket: Socket) => void;
  readonly onRefused: (client: string, reason: string) => void;
  /** A client has closed its connection before the handshake was complete, as port checks do. */
  readonly onAborted: (client: string, reason: string) => void;
}

export interface TlsSettings {
  readonly context: SecureContextOptions;
  readonly requestsCertificate: boolean;
}

export function createTlsServer(options: TlsServerOptions, settings: TlsSettings): https.Server {
  const { verifyClient, onAllowed, onRefused, onAborted } = options;
  const server = https.createServer(
    {
      ...options.http,
      ...settings.context,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      // `verifyClient` decides, since it knows all policies of Go.
      rejectUnauthorized: false,
    },
    options.listener,
  );
  applySettings(server, settings);
  // Before the HTTP server sees the connection.
  server.prependListener('secureConnection', (socket) => {
    const reason = verifyClient(certificateOf(socket));
    if (reason === undefined) return onAllowed(socket);
    onRefused(socket.remoteAddress ?? '', reason);
    socket.destroy();
  });
  server.on('tlsClientError', (error, socket) => {
    const report = errorCode(error) === 'ECONNRESET' ? onAborted : onRefused;
    report(addressOf(socket), reasonOf(error));
  });
  limitHandshakes(server);
  // A socket keeps its address after the first access.
  server.prependListener('connection', (socket: Socket) => void socket.remoteAddress);
  return server;
}

/** Puts a queue before the only listener that a TLS server has for new connections, which begins the handshake. */
function limitHandshakes(server: https.Server): void {
  const [begin, ...others] = server.listeners('connection');
  if (begin === undefined || others.length > 0) throw new Error('not a server of node:https');
  const queue = new HandshakeQueue({ waitMs: HANDSHAKE_TIMEOUT_MS });
  server.removeListener('connection', begin as (socket: Socket) => void);
  server.on('connection', (socket: Socket) =>
    queue.add(socket, () => void begin.call(server, socket)),
  );
  const end = (socket: TLSSocket) => {
    const transport = parentOf(socket);
    if (transport !== undefined) queue.end(transport);
  };
  server.prependListener('secureConnection', end);
  server.on('tlsClientError', (_error, socket) => end(socket));
}

/** Applies to the connections to come. */
export function applySettings(
  server: https.Server,
  { context, requestsCertificate }: TlsSettings,
): void {
  server.setSecureContext(context);
  // Node has no public way to change or pass on these two; tls.Server reads both at each connection.
  // setSecureContext ignores allowPartialTrustChain, and SNICallback is not called for clients that
  // connect to an IP address. Where a later Node ignores the context set here, such clients are refused.
  Object.assign(server, {
    requestCert: requestsCertificate,
    _sharedCreds: createSecureContext(context),
  });
}

function certificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  return (
    certificate && {
      // Null after a successful verification, in spite of its type.
      verificationError: socket.authorized ? undefined : String(socket.authorizationError),
      subjectAltName: certificate.subjectAltName,
    }
  );
}

/** Of the handshake that failed. The socket may be closed by now; its parent has kept the address. */
function addressOf(socket: TLSSocket): string {
  return socket.remoteAddress ?? parentOf(socket)?.remoteAddress ?? '';
}

/** The socket under TLS, which Node does not show. */
function parentOf(socket: TLSSocket): Socket | undefined {
  return (socket as { _parent?: Socket })._parent;
}

function reasonOf(error: Error): string {
  return errorCode(error) === 'ERR_SSL_HTTP_REQUEST'
    ? 'plain HTTP on the port of HTTPS'
    : opensslReason(error);
}
