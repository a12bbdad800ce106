/** XML-RPC calls to supervisord: promises, a deadline, and errors that a person understands. */

import http from 'node:http';
import type xmlrpc from 'xmlrpc';
import { basicAuthorization } from '../url.ts';
import { describeEndpoint, type SupervisorEndpoint } from './endpoint.ts';

export type RpcErrorKind =
  | 'unreachable'
  | 'unauthorized'
  | 'timeout'
  | 'http-status'
  | 'fault'
  | 'not-xml-rpc';

/** A call that failed. The message names the endpoint, never the credentials. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly kind: RpcErrorKind;

  constructor(kind: RpcErrorKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

export interface RpcCall {
  readonly methodName: string;
  readonly params: readonly unknown[];
}

type ClientOptions = Exclude<Parameters<typeof xmlrpc.createClient>[0], string>;

/** What `xmlrpc` hands on to node:http beside the options that its types name. */
interface TransportOptions extends ClientOptions {
  readonly socketPath?: string;
  readonly agent: http.Agent;
}

/** A process takes about 1 kB of a reply; 10,000 of them are far from this. */
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
const REPLY_CHECK_MS = 20;

export interface RpcClientOptions {
  /** For each call. */
  readonly timeoutMs: number;
  /**
   * Whether to keep the connection open between calls. supervisord reads a call on an open
   * connection in the turn in which it comes; a new connection is accepted in one turn and
   * read in the next.
   */
  readonly keepOpen: boolean;
}

export class RpcClient {
  readonly #endpoint: SupervisorEndpoint;
  readonly #options: RpcClientOptions;
  #kept: http.Agent | undefined;

  constructor(endpoint: SupervisorEndpoint, options: RpcClientOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
  }

  /** Closes the connection that was kept open. */
  close(): void {
    this.#kept?.destroy();
    this.#kept = undefined;
  }

  /**
   * Makes several calls in one turn of supervisord, with nothing in between. Resolves to
   * their results; rejects with RpcError, also when a single one of them is a fault.
   */
  async multicall(calls: readonly RpcCall[]): Promise<unknown[]> {
    const results = await this.multicallSettled(calls);
    for (const result of results) {
      if (result instanceof RpcError) throw result;
    }
    return results;
  }

  /** The same, where a call that is a fault has an RpcError for its result, and the others stand. */
  async multicallSettled(calls: readonly RpcCall[]): Promise<unknown[]> {
    const results = await this.call('system.multicall', [calls]);
    if (!Array.isArray(results) || results.length !== calls.length) {
      throw this.#error(
        'not-xml-rpc',
        'did not answer system.multicall with a result for each call',
      );
    }
    return results.map((result, index) => {
      const fault = readFault(result);
      return fault === undefined ? result : this.#fault(calls[index]?.methodName ?? '', fault);
    });
  }

  /** Makes one call. Rejects with RpcError. */
  async call(methodName: string, params: readonly unknown[]): Promise<unknown> {
    const wasOpen = this.#kept !== undefined && Object.keys(this.#kept.freeSockets).length > 0;
    try {
      return await this.#callOnce(methodName, params);
    } catch (error) {
      // A connection that was kept open may turn out to be closed on the other side.
      if (!wasOpen || !(error instanceof RpcError) || error.kind !== 'unreachable') throw error;
      return this.#callOnce(methodName, params);
    }
  }

  async #callOnce(methodName: string, params: readonly unknown[]): Promise<unknown> {
    // Loaded when first used: READY does not wait for it.
    const { default: library } = await import('xmlrpc');
    const agent = await this.#agent();
    const readBefore = bytesRead(agent);
    let deadline: NodeJS.Timeout | undefined;
    let sizeCheck: NodeJS.Timeout | undefined;
    return new Promise<unknown>((resolve, reject) => {
      deadline = setTimeout(() => {
        const seconds = this.#options.timeoutMs / 1000;
        reject(this.#error('timeout', `did not answer within ${seconds} s`));
      }, this.#options.timeoutMs);
      // `xmlrpc` has no limit of its own, and gathers whatever comes.
      sizeCheck = setInterval(() => {
        if (bytesRead(agent) - readBefore > MAX_REPLY_BYTES) {
          reject(this.#error('not-xml-rpc', `sent a reply of over ${MAX_REPLY_BYTES} bytes`));
        }
      }, REPLY_CHECK_MS);
      // The callback may come more than once; the first one settles the promise.
      this.#connect(library, agent).methodCall(methodName, [...params], (error: unknown, value) => {
        if (error) reject(this.#explain(methodName, error));
        else resolve(value);
      });
    })
      .catch((error: unknown) => {
        // A reply may still come on it, and would be taken for that of the next call.
        this.close();
        throw error;
      })
      .finally(() => {
        clearTimeout(deadline);
        clearInterval(sizeCheck);
        if (agent !== this.#kept) agent.destroy();
      });
  }

  async #agent(): Promise<http.Agent> {
    const { keepOpen } = this.#options;
    if (this.#kept !== undefined) return this.#kept;
    const settings = { keepAlive: keepOpen, maxSockets: 1 };
    const { Agent } = this.#isSecure() ? await import('node:https') : http;
    const agent = new Agent(settings);
    if (keepOpen) this.#kept = agent;
    return agent;
  }

  #isSecure(): boolean {
    return this.#endpoint.kind === 'tcp' && this.#endpoint.secure;
  }

  /** A client for one call, since `xmlrpc` keeps and alters the options it is given. */
  #connect(library: typeof xmlrpc, agent: http.Agent): xmlrpc.Client {
    const endpoint = this.#endpoint;
    const { credentials } = endpoint;
    const headers: Record<string, string> = {
      Connection: this.#options.keepOpen ? 'keep-alive' : 'close',
    };
    if (credentials !== undefined) headers['Authorization'] = basicAuthorization(credentials);
    const common = { path: endpoint.path, headers, agent };
    if (endpoint.kind === 'unix') {
      const options: TransportOptions = { ...common, socketPath: endpoint.socketPath };
      return library.createClient(options);
    }
    const options: TransportOptions = { ...common, host: endpoint.host, port: endpoint.port };
    return this.#isSecure() ? library.createSecureClient(options) : library.createClient(options);
  }

  #explain(methodName: string, error: unknown): RpcError {
    const fault = readFault(error);
    if (fault !== undefined) return this.#fault(methodName, fault, error);

    const status = readStatus(error);
    if (status === 401) {
      const hint =
        this.#endpoint.credentials === undefined
          ? 'wants a username and password'
          : 'refuses this username and password';
      return this.#error(
        'unauthorized',
        `${hint} (SUPERVISOR_USERNAME, SUPERVISOR_PASSWORD)`,
        error,
      );
    }
    if (status !== undefined && status !== 200) {
      return this.#error('http-status', `answered with HTTP status ${status}`, error);
    }
    if (status === 200) {
      return this.#error('not-xml-rpc', `did not answer with XML-RPC: ${messageOf(error)}`, error);
    }
    return this.#error('unreachable', `can't be reached: ${transportReason(error)}`, error);
  }

  #fault(methodName: string, fault: Fault, cause?: unknown): RpcError {
    return this.#error(
      'fault',
      `answered ${methodName} with ${fault.faultString} (fault ${fault.faultCode})`,
      cause,
    );
  }

  #error(kind: RpcErrorKind, what: string, cause?: unknown): RpcError {
    return new RpcError(kind, `supervisord at ${describeEndpoint(this.#endpoint)} ${what}`, cause);
  }
}

interface Fault {
  readonly faultCode: number;
  readonly faultString: string;
}

/** A fault is a struct in the results of a multicall, and an Error with the same members elsewhere. */
function readFault(value: unknown): Fault | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { faultCode, faultString } = value as Partial<Fault>;
  return typeof faultCode === 'number'
    ? { faultCode, faultString: String(faultString) }
    : undefined;
}

/** `xmlrpc` hangs the response on an error that came after its head. */
function readStatus(error: unknown): number | undefined {
  const status = (error as { res?: { statusCode?: unknown } } | undefined)?.res?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

const TRANSPORT_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed',
  ENOENT: 'no such socket',
  EACCES: 'no permission to use the socket',
  ENOTFOUND: 'no such host',
  EPIPE: 'connection closed',
};

function transportReason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return (code !== undefined && TRANSPORT_REASONS[code]) || messageOf(error);
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s+/g, ' ').slice(0, 120);
}

/** What has come over the connections that an agent has open. */
function bytesRead(agent: http.Agent): number {
  const sockets = [...Object.values(agent.sockets), ...Object.values(agent.freeSockets)].flatMap(
    (open) => open ?? [],
  );
  return sockets.reduce((total, socket) => total + socket.bytesRead, 0);
}
