/** Applies a web configuration to each request before it is answered: headers, rate limit, password. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Credentials } from '../util/url.ts';
import { isClientConnected } from '../web/connection.ts';
import { sendText } from '../web/respond.ts';
import type { Answer } from '../web/server.ts';
import type { Authenticator } from './authenticator.ts';
import type { TokenBucket } from './token-bucket.ts';
import type { WebConfig } from './webconfig.ts';

export interface MiddlewareOptions {
  /** The configuration in use now. */
  readonly config: () => WebConfig;
  readonly limiter: () => TokenBucket | undefined;
  readonly authenticator: Authenticator;
  /** A request has a right password. */
  readonly onAuthenticated: (request: IncomingMessage) => void;
}

/** RFC 7617 requires a realm; the charset asks clients to send UTF-8. */
const CHALLENGE = 'Basic realm="supervisor-exporter", charset="UTF-8"';

export function middleware(options: MiddlewareOptions, handle: Answer): Answer {
  return async (request, response) => {
    const { headers, users } = options.config();
    for (const [name, value] of headers) response.setHeader(name, value);
    if (options.limiter()?.take(performance.now()) === false) {
      return sendRetryLater(request, response, 429, 'too many requests\n');
    }
    if (users.size === 0) return handle(request, response);
    const verdict = await authenticate(options.authenticator, users, request);
    switch (verdict) {
      case 'right':
        options.onAuthenticated(request);
        return handle(request, response);
      case 'wrong':
        response.setHeader('WWW-Authenticate', CHALLENGE);
        return sendText(request, response, 401, 'unauthorized\n');
      case 'busy':
        return sendRetryLater(
          request,
          response,
          429,
          'too many passwords are waiting to be compared\n',
        );
      case 'unavailable':
        return sendRetryLater(request, response, 503, 'passwords cannot be compared now\n');
      default: {
        const unhandled: never = verdict;
        throw new Error(`unhandled verdict ${unhandled}`);
      }
    }
  };
}

function authenticate(
  authenticator: Authenticator,
  users: WebConfig['users'],
  request: IncomingMessage,
) {
  const credentials = readBasicAuthorization(request.headers.authorization);
  if (credentials === undefined) return 'wrong';
  return authenticator.check(users, {
    credentials,
    client: request.socket.remoteAddress ?? '',
    isClientConnected: () => isClientConnected(request),
  });
}

/** The credentials of an Authorization header (RFC 7617); undefined if it is not Basic or has no colon. */
export function readBasicAuthorization(header: string | undefined): Credentials | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  // The first colon ends the user name; a password may contain more of them.
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function sendRetryLater(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): void {
  response.setHeader('Retry-After', '1');
  sendText(request, response, status, text);
}
