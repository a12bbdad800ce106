/** Where supervisord's XML-RPC is, read from a URL. */

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export type SupervisorEndpoint = (
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly secure: boolean; readonly host: string; readonly port: number }
) & {
  readonly path: string;
  readonly credentials: Credentials | undefined;
};

/** supervisord answers XML-RPC here and nowhere else; a proxy in front of it may add a prefix. */
const RPC_PATH = '/RPC2';

/** Supervisor's own convention, which has them over a URL without any. */
export interface CredentialsEnvironment {
  readonly SUPERVISOR_USERNAME?: string | undefined;
  readonly SUPERVISOR_PASSWORD?: string | undefined;
}

/** Reads `unix:///PATH`, `http://HOST[:PORT]` or `https://…`. A string says what is wrong with it. */
export function parseEndpoint(
  text: string,
  environment: CredentialsEnvironment,
): SupervisorEndpoint | string {
  const shown = JSON.stringify(withoutPassword(text));
  const unix = /^unix:\/\/(?:([^/@]*)@)?(\/.+)$/.exec(text);
  if (unix !== null) {
    const [, userinfo = '', socketPath = ''] = unix;
    const [username = '', ...password] = userinfo.split(':');
    const credentials =
      credentialsOf(decode(username), decode(password.join(':'))) ??
      environmentCredentials(environment);
    return { kind: 'unix', socketPath, path: RPC_PATH, credentials };
  }
  if (!URL.canParse(text)) return `${shown} is no URL`;
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return `${shown} is not of the form http://…, https://… or unix:///…`;
  }
  const secure = url.protocol === 'https:';
  return {
    kind: 'tcp',
    secure,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    path: rpcPath(url.pathname),
    credentials:
      credentialsOf(decode(url.username), decode(url.password)) ??
      environmentCredentials(environment),
  };
}

/** For people: the endpoint without its credentials. */
export function describeEndpoint(endpoint: SupervisorEndpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.socketPath}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.secure ? 'https' : 'http'}://${host}:${endpoint.port}`;
}

/** A URL fit to be shown, even one that can't be parsed. */
export function withoutPassword(text: string): string {
  return text.replace(/^([a-z]+:\/\/)?.*@/s, '$1***@');
}

function rpcPath(pathname: string): string {
  const prefix = pathname.replace(/\/+$/, '');
  return prefix.endsWith(RPC_PATH) ? prefix : prefix + RPC_PATH;
}

function credentialsOf(username: string, password: string): Credentials | undefined {
  return username === '' && password === '' ? undefined : { username, password };
}

function environmentCredentials(environment: CredentialsEnvironment): Credentials | undefined {
  return credentialsOf(
    environment.SUPERVISOR_USERNAME ?? '',
    environment.SUPERVISOR_PASSWORD ?? '',
  );
}

/** A percent sign that encodes nothing stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
