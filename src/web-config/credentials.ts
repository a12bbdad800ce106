/** Basic authentication as clients send it (RFC 7617). */

import type { Credentials } from '../util/url.ts';

/** undefined for what is not Basic, or has no colon in it. */
export function readBasicAuthorization(header: string | undefined): Credentials | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  // The first colon ends the user; a password may hold more of them.
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
