/** Checks of a request before it is answered. */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * The origin-form of a request target: a server must accept the absolute-form on every
 * request (RFC 9112, section 3.2.2). Any other form is left as it is.
 */
export function originForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** RFC 9112, section 3.2: one Host, which only HTTP/1.0 may leave out. */
export function hasValidHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
  return hosts.length === 1 || (hosts.length === 0 && httpVersion === '1.0');
}

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0);
}

/**
 * Whether the Host may be a name in the public DNS, as one with a dot: a web site can let its own name
 * resolve to a loopback address, and then read the answers that a browser on this host receives.
 */
export function hasForeignHost({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 && host.includes('.');
}
