/** One HTTP request that always settles, whatever the server does. */

import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { messageOf } from '../util/errors.ts';
import { limitInterimAnswers } from '../util/interim-answers.ts';
import { basicAuthorization, describeHttpUrl, type HttpUrl, parseUrl } from '../util/url.ts';
import type { TlsOptions } from './http-client-config.ts';

const MAX_BODY_BYTES = 64 * 1024;
/** Redirects that keep the method and the body (RFC 9110, 15.4.8 and 15.4.9). */
const FOLLOWED_STATUSES: readonly number[] = [307, 308];
const MAX_SHOWN_LOCATION = 200;

export interface HttpAnswer {
  readonly kind: 'answered';
  readonly status: number;
  readonly location: string | undefined;
  /** Undefined where it is longer than `maxBodyBytes`. */
  readonly body: string | undefined;
}

export type HttpResult = HttpAnswer | { readonly kind: 'failed'; readonly reason: string };

export interface RequestOptions {
  /** The body of a POST; a GET without it. */
  readonly json?: string;
  /** The value of the Authorization header, if the URL has no credentials. */
  readonly authorization?: string | undefined;
  readonly tls?: TlsOptions;
  /** False: a redirect is an answer like any other. */
  readonly followRedirects?: boolean;
  /** False: a connection only for this request. */
  readonly agent: http.Agent | false;
  /** For the whole request, a redirect included. */
  readonly timeoutMs: number;
  /** A longer body is not read to its end. */
  readonly maxBodyBytes?: number;
  /** Aborting it ends the request. */
  readonly signal?: AbortSignal;
}

interface Destination {
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly tls: TlsOptions;
}

/** Requests `path`, which may have a query, under `base`, and follows one redirect of status 307 or 308. */
export async function httpRequest(
  base: HttpUrl,
  path: string,
  options: RequestOptions,
): Promise<HttpResult> {
  const { timeoutMs, tls = {}, followRedirects = true, signal } = options;
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(`no complete answer within ${timeoutMs / 1000} s`),
    timeoutMs,
  );
  const end = () => deadline.abort('the exporter is stopping');
  signal?.addEventListener('abort', end);
  // A signal that is aborted already emits no event.
  if (signal?.aborted) end();
  try {
    const authorization = base.credentials
      ? basicAuthorization(base.credentials)
      : options.authorization;
    const first = { url: new URL(describeHttpUrl(base) + path), authorization, tls };
    const answer = await send(first, options.agent, options, deadline.signal);
    const redirect = followRedirects ? redirectOf(answer, first) : undefined;
    if (redirect === undefined) return answer;
    return await send(redirect, false, options, deadline.signal);
  } catch (error) {
    const { aborted, reason } = deadline.signal;
    return { kind: 'failed', reason: aborted ? String(reason) : messageOf(error) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}

/** A Location as it may be logged: without credentials, and without a query, which may hold some. */
export function describeLocation(location: string | undefined): string {
  if (location === undefined) return 'without a Location';
  const shown = location.replace(/[?#].*$/s, '').replace(/^([a-z]+:)?\/\/.*@/is, '$1//***@');
  return `to ${shown.slice(0, MAX_SHOWN_LOCATION)}`;
}

/** Credentials and a client certificate go along only to the same scheme, host and port. */
function redirectOf({ status, location }: HttpAnswer, from: Destination): Destination | undefined {
  if (location === undefined || !FOLLOWED_STATUSES.includes(status)) return undefined;
  const url = parseUrl(location, from.url);
  if (url === undefined) return undefined;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  if (url.origin === from.url.origin) return { ...from, url };
  const { ca } = from.tls;
  return { url, authorization: undefined, tls: ca === undefined ? {} : { ca } };
}

/** Rejects where there is no complete answer. */
async function send(
  { url, authorization, tls }: Destination,
  agent: http.Agent | false,
  { json, maxBodyBytes = MAX_BODY_BYTES }: RequestOptions,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const isSecure = url.protocol === 'https:';
  const request = (isSecure ? https : http).request(url, {
    ...(isSecure ? tls : {}),
    method: json === undefined ? 'GET' : 'POST',
    agent,
    signal,
    // Credentials of a Location are not ours.
    auth: null,
    headers: {
      ...(json !== undefined && {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(json),
      }),
      ...(authorization !== undefined && { Authorization: authorization }),
    },
  });
  limitInterimAnswers(request);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
    // Without this listener Node closes the connection of a 101 and emits neither response nor error.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('HTTP status 101: not an Alertmanager'));
    });
    request.on('close', () => reject(new Error('connection closed without an answer')));
    request.end(json);
  });
  const { statusCode: status = 0, headers } = response;
  const answer = { kind: 'answered', status, location: headers.location } as const;
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of response) {
    received += chunk.length;
    if (received > maxBodyBytes) return { ...answer, body: undefined };
    chunks.push(chunk);
  }
  return { ...answer, body: Buffer.concat(chunks).toString() };
}
