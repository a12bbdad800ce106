/** XML-RPC calls to supervisord, with a timeout and plain errors. */

import http from 'node:http';
import { describeSystemError } from '../util/errno.ts';
import { messageOf, RpcError, type RpcErrorCode } from '../util/errors.ts';
import { limitInterimAnswers } from '../util/interim-answers.ts';
import { basicAuthorization } from '../util/url.ts';
import type { AdaptiveTimeout } from './adaptive-timeout.ts';
import { describeEndpoint, type SupervisorEndpoint } from './endpoint.ts';

export interface RpcCall {
  readonly methodName: string;
  readonly params: readonly unknown[];
}

export interface RpcClientOptions {
  /** For each call without a timeout of its own. */
  readonly timeoutMs: number;
  /**
   * Whether to keep the connection open between calls. supervisord reads a call on an open
   * connection in the turn in which it arrives; it accepts a new connection in one turn and reads
   * from it in the next.
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

  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /** Closes the connection that is kept open. */
  close(): void {
    this.#kept?.destroy();
    this.#kept = undefined;
  }

  /**
   * Makes several calls in one turn of supervisord, with nothing in between. Resolves to
   * their results; rejects with RpcError, also when a single one of them is a fault.
   */
  async multicall(calls: readonly RpcCall[], timeout?: AdaptiveTimeout): Promise<unknown[]> {
    const results = await this.multicallSettled(calls, timeout);
    for (const result of results) {
      if (result instanceof RpcError) throw result;
    }
    return results;
  }

  /** The same, but a call that is a fault has an RpcError as its result. */
  async multicallSettled(calls: readonly RpcCall[], timeout?: AdaptiveTimeout): Promise<unknown[]> {
    const results = await this.call('system.multicall', [calls], timeout);
    if (!Array.isArray(results) || results.length !== calls.length) {
      throw this.#error(
        'ERR_RPC_NOT_XML_RPC',
        'did not answer system.multicall with a result for each call',
      );
    }
    return results.map((result, index) => {
      const fault = readFault(result);
      return fault === undefined ? result : this.#fault(calls[index]?.methodName ?? '', fault);
    });
  }

  /** Makes one call. Rejects with RpcError. */
  async call(
    methodName: string,
    params: readonly unknown[],
    timeout?: AdaptiveTimeout,
  ): Promise<unknown> {
    const wasOpen = this.#kept !== undefined && Object.keys(this.#kept.freeSockets).length > 0;
    try {
      return await this.#callOnce(methodName, params, timeout);
    } catch (error) {
      // supervisord may have closed the connection that was kept open.
      if (!wasOpen || !(error instanceof RpcError) || error.code !== 'ERR_RPC_UNREACHABLE')
        throw error;
      return this.#callOnce(methodName, params, timeout);
    }
  }

  /** Whether supervisord answers a call that always succeeds. Never rejects. */
  isAnswering(): Promise<boolean> {
    return this.call('supervisor.getState', []).then(
      () => true,
      () => false,
    );
  }

  async #callOnce(
    methodName: string,
    params: readonly unknown[],
    timeout: AdaptiveTimeout | undefined,
  ): Promise<unknown> {
    const agent = await this.#agent();
    try {
      return await this.#inTime(
        (onProgress) => this.#exchange(agent, methodName, params, onProgress),
        timeout,
      );
    } catch (error) {
      // A late reply on this connection would be taken for that of the next call.
      this.close();
      throw error;
    } finally {
      if (agent !== this.#kept) agent.destroy();
    }
  }

  /** An adaptive timeout begins again with each part of the reply. */
  async #inTime<T>(
    exchange: (onProgress: () => void) => Promise<T>,
    timeout: AdaptiveTimeout | undefined,
  ): Promise<T> {
    const ms = timeout?.ms ?? this.#options.timeoutMs;
    const began = performance.now();
    let lastAt = began;
    let silentMs = 0;
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => {
        timeout?.timedOut();
        const isPartial = timeout !== undefined && lastAt !== began;
        const what = isPartial ? 'sent nothing for' : 'did not answer within';
        reject(this.#error('ERR_RPC_TIMEOUT', `${what} ${ms / 1000} s`));
      }, ms);
    });
    const onProgress = () => {
      const now = performance.now();
      silentMs = Math.max(silentMs, now - lastAt);
      lastAt = now;
      if (timeout !== undefined && now - began < timeout.longestMs) deadline?.refresh();
    };
    try {
      const reply = await Promise.race([exchange(onProgress), late]);
      timeout?.answered(silentMs);
      return reply;
    } finally {
      clearTimeout(deadline);
    }
  }

  async #exchange(
    agent: http.Agent,
    methodName: string,
    params: readonly unknown[],
    onProgress: () => void,
  ): Promise<unknown> {
    // Loaded when first used, so that READY does not wait for it.
    const { default: serializer } = await import('xmlrpc/lib/serializer.js');
    const { readReply } = await import('./reply.ts');
    const response = await this.#post(agent, serializer.serializeMethodCall(methodName, params));
    if (response.statusCode !== 200) throw this.#refusal(response.statusCode);
    try {
      return await readReply(response, onProgress);
    } catch (error) {
      const fault = readFault(error);
      if (fault !== undefined) throw this.#fault(methodName, fault, error);
      const reason = shorten(messageOf(error));
      throw this.#error('ERR_RPC_NOT_XML_RPC', `did not answer with XML-RPC: ${reason}`, error);
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

  /** Resolves to the head of the response. */
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
      const call = request(options, resolve);
      limitInterimAnswers(call);
      call.on('error', (error) => {
        const reason = transportReason(error);
        reject(this.#error('ERR_RPC_UNREACHABLE', `cannot be reached: ${reason}`, error));
      });
      call.end(xml);
    });
  }

  #refusal(status: number | undefined): RpcError {
    if (status !== 401) {
      return this.#error('ERR_RPC_HTTP_STATUS', `answered with HTTP status ${status}`);
    }
    const hint =
      this.#endpoint.credentials === undefined
        ? 'requires a username and password'
        : 'rejects this username and password';
    return this.#error(
      'ERR_RPC_UNAUTHORIZED',
      `${hint} (SUPERVISOR_USERNAME, SUPERVISOR_PASSWORD)`,
    );
  }

  #fault(methodName: string, fault: Fault, cause?: unknown): RpcError {
    return this.#error(
      'ERR_RPC_FAULT',
      `answered ${methodName} with ${fault.faultString} (fault ${fault.faultCode})`,
      cause,
    );
  }

  #error(code: RpcErrorCode, what: string, cause?: unknown): RpcError {
    return new RpcError(code, `supervisord at ${describeEndpoint(this.#endpoint)} ${what}`, cause);
  }
}

interface Fault {
  readonly faultCode: number;
  readonly faultString: string;
}

/** A fault is a struct in the results of a multicall, and an Error with the same members otherwise. */
function readFault(value: unknown): Fault | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { faultCode, faultString } = value as Partial<Fault>;
  return typeof faultCode === 'number'
    ? { faultCode, faultString: shorten(String(faultString)) }
    : undefined;
}

/** What system errors mean for supervisord's server; a library's message may be long. */
function transportReason(error: unknown): string {
  return shorten(
    describeSystemError(error, {
      ENOENT: 'no such socket',
      EACCES: 'no permission to use the socket',
    }),
  );
}

function shorten(message: string): string {
  return message.slice(0, 1_000).replaceAll(/\s+/g, ' ').slice(0, 120);
}
