/** Calls supervisord's XML-RPC interface. */

import xmlrpc from 'xmlrpc';
import serializer from 'xmlrpc/lib/serializer.js';
import type { RpcCall } from '../src/rpc/client.ts';
import { within } from '../test/support/deadline.ts';

const TIMEOUT_MS = 60_000;
/** For a call that thousands of processes make slow. */
const UNREAD_TIMEOUT_MS = 300_000;
/** supervisord's fault code for stopping a process that is not running. */
const NOT_RUNNING = 70;

/** The members of supervisord's process information that the benches use. */
export interface ProcessInfo {
  readonly name: string;
  readonly group: string;
  readonly state: number;
  readonly pid: number;
}

export class SupervisordRpc {
  readonly #client: xmlrpc.Client;
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/RPC2`;
    this.#client = xmlrpc.createClient({ host: '127.0.0.1', port, path: '/RPC2' });
  }

  call<Result>(method: string, ...params: readonly unknown[]): Promise<Result> {
    return this.#call(`supervisor.${method}`, params);
  }

  /** Several calls that supervisord runs in one turn of its loop. */
  multicall(calls: readonly RpcCall[]): Promise<unknown[]> {
    return this.#call('system.multicall', [calls]);
  }

  /** Makes a call and receives the reply without parsing it. */
  async unread(method: string, params: readonly unknown[]): Promise<void> {
    const reply = await fetch(this.#url, {
      method: 'POST',
      headers: { 'Content-Type': 'text/xml' },
      body: serializer.serializeMethodCall(method, params),
      signal: AbortSignal.timeout(UNREAD_TIMEOUT_MS),
    });
    await reply.arrayBuffer();
  }

  processes(): Promise<ProcessInfo[]> {
    return this.call('getAllProcessInfo');
  }

  /** Calls a method for a process that may not be running at the moment; returns false if so. */
  async callRunning(method: string, ...params: readonly unknown[]): Promise<boolean> {
    try {
      await this.call(method, ...params);
      return true;
    } catch (error) {
      if ((error as { faultCode?: number }).faultCode === NOT_RUNNING) return false;
      throw error;
    }
  }

  #call<Result>(method: string, params: readonly unknown[]): Promise<Result> {
    const answer = new Promise<Result>((resolve, reject) => {
      this.#client.methodCall(method, [...params], (error, value: Result) =>
        error ? reject(error) : resolve(value),
      );
    });
    return within(TIMEOUT_MS, method, answer);
  }
}
