/** The address of supervisord's XML-RPC server, parsed from a URL. */

import { InvalidUrlError } from '../util/errors.ts';
import {
  type Credentials,
  credentialsOf,
  describeHttpUrl,
  type HttpUrl,
  parseHttpUrl,
} from '../util/url.ts';

export type SupervisorEndpoint =
  | {
      readonly kind: 'unix';
      readonly socketPath: string;
      readonly path: string;
      readonly credentials: Credentials | undefined;
    }
  | ({ readonly kind: 'tcp' } & HttpUrl);

/** The only path on which supervisord serves XML-RPC; a proxy in front of it may add a prefix. */
const RPC_PATH = '/RPC2';

/** By Supervisor's convention, used where the URL has no credentials. */
export interface CredentialsEnvironment {
  readonly SUPERVISOR_USERNAME?: string | undefined;
  readonly SUPERVISOR_PASSWORD?: string | undefined;
}

/**
 * Parses `unix:///PATH`, `http://HOST[:PORT]` or `https://…`. Throws InvalidUrlError, whose
 * message does not repeat the URL: a password may be in any part of one that is malformed.
 */
export function parseEndpoint(
  text: string,
  environment: CredentialsEnvironment,
): SupervisorEndpoint {
  const endpoint = parseUnix(text) ?? parseTcp(text);
  if (endpoint === undefined) {
    throw new InvalidUrlError('is not of the form http://…, https://… or unix:///…');
  }
  const credentials = endpoint.credentials ?? environmentCredentials(environment);
  return { ...endpoint, credentials };
}

/** For people: the endpoint without its credentials. */
export function describeEndpoint(endpoint: SupervisorEndpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.socketPath}`;
  return describeHttpUrl({ ...endpoint, path: '' });
}

function parseUnix(text: string): SupervisorEndpoint | undefined {
  const [, userinfo = '', socketPath] = /^unix:\/\/(?:([^/@]*)@)?(\/.+)$/.exec(text) ?? [];
  if (socketPath === undefined) return undefined;
  const [username = '', ...password] = userinfo.split(':');
  const credentials = credentialsOf(username, password.join(':'));
  return { kind: 'unix', socketPath, path: RPC_PATH, credentials };
}

function parseTcp(text: string): SupervisorEndpoint | undefined {
  const url = parseHttpUrl(text);
  if (url === undefined) return undefined;
  const path = url.path.endsWith(RPC_PATH) ? url.path : url.path + RPC_PATH;
  return { kind: 'tcp', ...url, path };
}

function environmentCredentials(environment: CredentialsEnvironment): Credentials | undefined {
  const { SUPERVISOR_USERNAME: username = '', SUPERVISOR_PASSWORD: password = '' } = environment;
  return username === '' && password === '' ? undefined : { username, password };
}
