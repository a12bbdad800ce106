/** The HTTP server: where it listens, and what clients may cost. */

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { ListenError } from '../util/errors.ts';
import { formatAddress, type ListenAddress } from './address.ts';
import { sendText } from './respond.ts';

/**
 * Answers a request, or rejects, which should not be. `outlive` takes the response out of
 * the bounds on how long and how many: for an answer that goes on, and has bounds of its own.
 */
export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  outlive: () => void,
) => Promise<void>;

/** Makes a server of HTTP, or of HTTPS. */
export type CreateServer = (options: ServerOptions, listener: RequestListener) => Server;

export interface WebOptions {
  readonly addresses: readonly ListenAddress[];
  /** Plain HTTP if left out. */
  readonly createServer?: CreateServer | undefined;
  readonly answer: Answer;
  /** A request could not be answered. */
  readonly onError: (error: unknown) => void;
}

export interface WebService {
  /** The addresses listened on, with the ports that were chosen. */
  readonly addresses: readonly ListenAddress[];
  /** Stops listening and ends all connections at once. */
  close(): void;
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
export async function serve(options: WebOptions): Promise<WebService> {
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
      const server = (options.createServer ?? createServer)(
        { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 5_000 },
        (request, response) => {
          const outlive = unread.add(response);
          options.answer(request, response, outlive).catch((error: unknown) => {
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

  /** Returns what takes it out again. */
  add(response: ServerResponse): () => void {
    this.#unread.add(response);
    const deadline = setTimeout(() => response.destroy(), SEND_TIMEOUT_MS);
    const remove = () => {
      clearTimeout(deadline);
      this.#unread.delete(response);
    };
    response.once('close', remove);
    const [oldest] = this.#unread;
    if (this.#unread.size > MAX_UNREAD_ANSWERS) oldest?.destroy();
    return remove;
  }
}
