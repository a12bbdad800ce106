/** What every request meets before it is answered: headers, the rate limit, the password. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { isClientConnected } from '../web/connection.ts';
import { sendText } from '../web/respond.ts';
import type { Answer } from '../web/server.ts';
import { readBasicAuthorization } from './credentials.ts';
import type { TokenBucket } from './limit.ts';
import type { Passwords } from './passwords.ts';
import type { WebConfig } from './webconfig.ts';

export interface GuardOptions {
  /** As it is now. */
  readonly config: () => WebConfig;
  readonly limiter: () => TokenBucket | undefined;
  readonly passwords: Passwords;
}

/** RFC 7617: a realm has to be there, and clients are to send UTF-8. */
const CHALLENGE = 'Basic realm="supervisor-exporter", charset="UTF-8"';

export function guard(options: GuardOptions, answer: Answer): Answer {
  return async (request, response) => {
    const { headers, users } = options.config();
    for (const [name, value] of headers) response.setHeader(name, value);
    if (options.limiter()?.take(performance.now()) === false) {
      return refuseForNow(request, response, 429, 'too many requests\n');
    }
    if (users.size === 0) return answer(request, response);
    const verdict = await authenticate(options.passwords, users, request);
    switch (verdict) {
      case 'right':
        return answer(request, response);
      case 'wrong':
        response.setHeader('WWW-Authenticate', CHALLENGE);
        return sendText(request, response, 401, 'unauthorized\n');
      case 'busy':
        return refuseForNow(request, response, 429, 'too many passwords to compare\n');
      case 'unavailable':
        return refuseForNow(request, response, 503, 'passwords can not be compared now\n');
      default: {
        const unhandled: never = verdict;
        throw new Error(`unhandled verdict ${unhandled}`);
      }
    }
  };
}

function authenticate(passwords: Passwords, users: WebConfig['users'], request: IncomingMessage) {
  const credentials = readBasicAuthorization(request.headers.authorization);
  if (credentials === undefined) return 'wrong';
  const client = request.socket.remoteAddress ?? '';
  return passwords.check(users, {
    credentials,
    client,
    isWanted: () => isClientConnected(request),
  });
}

function refuseForNow(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): void {
  response.setHeader('Retry-After', '1');
  sendText(request, response, status, text);
}
