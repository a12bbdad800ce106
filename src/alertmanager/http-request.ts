/** One HTTP request that always settles, whatever the server does. */

import http from 'node:http';
import https from 'node:https';
import { messageOf } from '../util/errors.ts';
import { basicAuthorization, type HttpUrl } from '../util/url.ts';
import type { TlsOptions } from './client-config.ts';

const MAX_BODY_BYTES = 64 * 1024;
/** Redirects that keep the method and the body (RFC 9110, 15.4.8 and 15.4.9). */
const FOLLOWED_STATUSES: readonly number[] = [307, 308];
const MAX_SHOWN_LOCATION = 200;

export type HttpResult =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly location: string | undefined;
      /** Undefined where it is longer than `maxBodyBytes`. */
      readonly body: string | undefined;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export type Method =
  | { readonly method: 'GET' }
  | { readonly method: 'POST'; readonly json: string };

export interface RequestOptions {
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
  readonly signal: AbortSignal;
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
  method: Method,
  options: RequestOptions,
): Promise<HttpResult> {
  const { agent, timeoutMs, maxBodyBytes = MAX_BODY_BYTES, signal } = options;
  const { tls = {}, followRedirects = true } = options;
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(`no complete answer within ${timeoutMs / 1000} s`),
    timeoutMs,
  );
  const end = () => deadline.abort('the exporter is stopping');
  signal.addEventListener('abort', end);
  try {
    const authorization = authorizationOf(base) ?? options.authorization;
    const first = { url: toUrl(base, path), authorization, tls };
    const ending = { maxBodyBytes, signal: deadline.signal };
    const result = await send(first, method, agent, ending);
    const next = followRedirects ? redirectOf(result, first) : undefined;
    return next === undefined ? result : await send(next, method, false, ending);
  } catch (error) {
    return { kind: 'failed', reason: messageOf(error) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

/** A Location as it may be logged: without credentials, and without a query, which may hold some. */
export function describeLocation(location: string | undefined): string {
  if (location === undefined) return 'without a Location';
  const shown = location.replace(/[?#].*$/s, '').replace(/^([a-z]+:)?\/\/.*@/is, '$1//***@');
  return `to ${shown.slice(0, MAX_SHOWN_LOCATION)}`;
}

/** Credentials and a client certificate go along only to the same scheme, host and port. */
function redirectOf(result: HttpResult, from: Destination): Destination | undefined {
  if (result.kind === 'failed' || result.location === undefined) return undefined;
  if (!FOLLOWED_STATUSES.includes(result.status)) return undefined;
  const url = resolveUrl(result.location, from.url);
  if (url === undefined) return undefined;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const isSameOrigin = url.origin === from.url.origin;
  if (isSameOrigin) return { ...from, url };
  const { ca } = from.tls;
  return { url, authorization: undefined, tls: ca === undefined ? {} : { ca } };
}

/** URL.canParse needs Node 18.17. */
function resolveUrl(location: string, base: URL): URL | undefined {
  try {
    return new URL(location, base);
  } catch {
    return undefined;
  }
}

function send(
  { url, authorization, tls }: Destination,
  method: Method,
  agent: http.Agent | false,
  { maxBodyBytes, signal }: { readonly maxBodyBytes: number; readonly signal: AbortSignal },
): Promise<HttpResult> {
  const json = method.method === 'POST' ? method.json : undefined;
  return new Promise((resolve) => {
    const request = (url.protocol === 'https:' ? https : http).request({
      ...(url.protocol === 'https:' ? tls : {}),
      method: method.method,
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port,
      path: url.pathname + url.search,
      agent,
      headers: {
        ...(json !== undefined && {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(json),
        }),
        ...(authorization !== undefined && { Authorization: authorization }),
      },
    });
    let isSettled = false;
    const settle = (result: HttpResult) => {
      isSettled = true;
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const fail = (reason: string) => {
      if (isSettled) return;
      settle({ kind: 'failed', reason });
      request.destroy();
    };
    const onAbort = () => fail(String(signal.reason));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    request.on('error', (error) => fail(messageOf(error)));
    // Without this listener Node closes the connection of a 101 and emits neither response nor error.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      fail('HTTP status 101: not an Alertmanager');
    });
    request.on('close', () => fail('connection closed without an answer'));
    request.on('response', (response) => {
      const { statusCode: status = 0, headers } = response;
      const answered = { kind: 'answered', status, location: headers.location } as const;
      const chunks: Buffer[] = [];
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        if (received <= maxBodyBytes) return;
        settle({ ...answered, body: undefined });
        request.destroy();
      });
      response.on('end', () => settle({ ...answered, body: Buffer.concat(chunks).toString() }));
      response.on('error', (error) => fail(messageOf(error)));
      response.on('close', () => fail('connection closed within the answer'));
    });
    request.end(json);
  });
}

function toUrl({ secure, host, port, path: prefix }: HttpUrl, path: string): URL {
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const url = new URL(`${secure ? 'https' : 'http'}://${shownHost}:${port}`);
  const [pathname = '', query = ''] = path.split('?', 2);
  url.pathname = prefix + pathname;
  url.search = query;
  return url;
}

function authorizationOf({ credentials }: HttpUrl): string | undefined {
  return credentials && basicAuthorization(credentials);
}
