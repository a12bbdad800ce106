/** XML-RPC calls to supervisord: promises, a deadline, and errors that a person understands. */

import http from 'node:http';
import { basicAuthorization } from '../util/url.ts';
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
    const agent = await this.#agent();
    try {
      return await this.#inTime(this.#exchange(agent, methodName, params));
    } catch (error) {
      // A reply may still come on it, and would be taken for that of the next call.
      this.close();
      throw error;
    } finally {
      if (agent !== this.#kept) agent.destroy();
    }
  }

  async #inTime<T>(exchange: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(
        () => reject(this.#error('timeout', `did not answer within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([exchange, late]);
    } finally {
      clearTimeout(deadline);
    }
  }

  async #exchange(
    agent: http.Agent,
    methodName: string,
    params: readonly unknown[],
  ): Promise<unknown> {
    // Loaded when first used: READY does not wait for it.
    const { serializeMethodCall } = await import('xmlrpc/lib/serializer.js');
    const { readReply } = await import('./reply.ts');
    const response = await this.#post(agent, serializeMethodCall(methodName, params));
    if (response.statusCode !== 200) throw this.#refusal(response.statusCode);
    try {
      return await readReply(response);
    } catch (error) {
      const fault = readFault(error);
      if (fault !== undefined) throw this.#fault(methodName, fault, error);
      const reason = messageOf(error);
      throw this.#error('not-xml-rpc', `did not answer with XML-RPC: ${reason}`, error);
    }
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

  /** Resolves to the head of the answer. */
  async #post(agent: http.Agent, xml: string): Promise<http.IncomingMessage> {
    const { request } = this.#isSecure() ? await import('node:https') : http;
    const endpoint = this.#endpoint;
    const { credentials } = endpoint;
    const options: http.RequestOptions = {
      method: 'POST',
      agent,
      path: endpoint.path,
      headers: {
        'Content-Type': 'text/xml',
        'Content-Length': Buffer.byteLength(xml),
        Connection: this.#options.keepOpen ? 'keep-alive' : 'close',
        ...(credentials && { Authorization: basicAuthorization(credentials) }),
      },
      ...(endpoint.kind === 'unix'
        ? { socketPath: endpoint.socketPath }
        : { host: endpoint.host, port: endpoint.port }),
    };
    return new Promise((resolve, reject) => {
      request(options, resolve)
        .on('error', (error) => {
          const reason = transportReason(error);
          reject(this.#error('unreachable', `can't be reached: ${reason}`, error));
        })
        .end(xml);
    });
  }

  #refusal(status: number | undefined): RpcError {
    if (status !== 401) {
      return this.#error('http-status', `answered with HTTP status ${status}`);
    }
    const hint =
      this.#endpoint.credentials === undefined
        ? 'wants a username and password'
        : 'refuses this username and password';
    return this.#error('unauthorized', `${hint} (SUPERVISOR_USERNAME, SUPERVISOR_PASSWORD)`);
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
