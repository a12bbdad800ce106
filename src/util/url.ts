/** http:// and https:// URLs: parsed, and described without credentials. */

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface HttpUrl {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** Without a trailing slash: empty for the root. */
  readonly path: string;
  readonly credentials: Credentials | undefined;
}

/** Undefined for a text that is not a URL of one of these schemes. */
export function parseHttpUrl(text: string): HttpUrl | undefined {
  const url = parseUrl(text);
  if (url === undefined) return undefined;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const secure = url.protocol === 'https:';
  return {
    secure,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    path: url.pathname.replace(/\/+$/, ''),
    credentials: credentialsOf(url.username, url.password),
  };
}

/** Undefined for a text that is not a URL. URL.canParse needs Node 18.17. */
export function parseUrl(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/** Decodes the percent-encoded credentials of a URL; undefined where both are empty. */
export function credentialsOf(username: string, password: string): Credentials | undefined {
  if (username === '' && password === '') return undefined;
  return { username: decode(username), password: decode(password) };
}

/** The value of an Authorization header (RFC 7617). */
export function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The URL without credentials. */
export function describeHttpUrl({ secure, host, port, path }: HttpUrl): string {
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return `${secure ? 'https' : 'http'}://${shownHost}:${port}${path}`;
}

/** An invalid percent sequence is taken literally. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
