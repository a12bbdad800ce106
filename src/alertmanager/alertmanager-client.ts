/** One Alertmanager: the queue of alerts for it, and sending them. */

import http from 'node:http';
import https from 'node:https';
import { Backoff } from '../util/backoff.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { describeHttpUrl, type HttpUrl } from '../util/url.ts';
import type { ReadHttpClientConfig } from './http-client-config.ts';
import { describeLocation, type HttpResult, httpRequest } from './http-request.ts';
import type { SerializedAlert } from './payload.ts';

/** Short enough that a server that hangs does not delay the other alerts for long. */
const TIMING: Timing = { timeoutMs: 5_000, firstRetryMs: 1_000, longestRetryMs: 30_000 };
/** Alerts in one request. */
const MAX_BATCH = 500;
/** Alerts that wait while an Alertmanager is unreachable; the oldest above that is dropped. */
const MAX_PENDING = 10_000;

export interface Timing {
  readonly timeoutMs: number;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
}

/** What one Alertmanager accepted and what it did not, in alerts; each try counts. */
export interface AlertmanagerStats {
  /** Its URL without credentials. */
  readonly alertmanager: string;
  readonly sent: number;
  readonly failed: number;
}

export interface AlertmanagerClientOptions {
  readonly url: HttpUrl;
  /** Credentials and TLS; credentials of the URL win. */
  readonly readHttpConfig?: ReadHttpClientConfig | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Only tests are in a hurry. */
  readonly timing?: Timing;
}

interface Refusal {
  readonly reason: string;
  /** Whether a second try would be refused as well. */
  readonly isFinal: boolean;
}

/**
 * Keeps only the latest state of each alert. One request is in flight at a time; alerts that
 * failed are sent again after a growing delay, unless a later state has replaced them.
 */
export class AlertmanagerClient {
  readonly #options: AlertmanagerClientOptions;
  readonly #name: string;
  readonly #agent: http.Agent;
  /** The JSON of each alert; the oldest first. */
  readonly #pending = new Map<string, string>();
  readonly #timing: Timing;
  readonly #backoff: Backoff;
  #sent = 0;
  #failed = 0;
  #isSending = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: AlertmanagerClientOptions) {
    this.#options = options;
    this.#timing = options.timing ?? TIMING;
    const { firstRetryMs: firstMs, longestRetryMs: longestMs } = this.#timing;
    this.#backoff = new Backoff({ firstMs, longestMs });
    this.#name = describeHttpUrl(options.url);
    const settings = { keepAlive: true, maxSockets: 1 };
    this.#agent = options.url.secure ? new https.Agent(settings) : new http.Agent(settings);
    options.signal.addEventListener('abort', () => this.#abort(), { once: true });
  }

  get stats(): AlertmanagerStats {
    return { alertmanager: this.#name, sent: this.#sent, failed: this.#failed };
  }

  /** Adds alerts to the queue. Returns at once. */
  enqueue(alerts: readonly SerializedAlert[]): void {
    if (this.#options.signal.aborted) return;
    for (const { key, json } of alerts) {
      this.#pending.delete(key);
      this.#pending.set(key, json);
    }
    this.#dropOldest();
    void this.#send();
  }

  #abort(): void {
    clearTimeout(this.#retryTimer);
    this.#pending.clear();
    this.#agent.destroy();
  }

  #dropOldest(): void {
    for (const [key] of this.#pending) {
      if (this.#pending.size <= MAX_PENDING) return;
      this.#pending.delete(key);
      this.#failed += 1;
    }
  }

  async #send(): Promise<void> {
    if (this.#isSending || this.#retryTimer !== undefined || this.#pending.size === 0) return;
    this.#isSending = true;
    const batch = Array.from(this.#pending, ([key, json]) => ({ key, json })).slice(0, MAX_BATCH);
    for (const { key } of batch) this.#pending.delete(key);
    const result = await this.#post(`[${batch.map(({ json }) => json).join(',')}]`);
    this.#isSending = false;
    if (this.#options.signal.aborted) return;
    this.#record(refusalOf(result), batch);
    void this.#send();
  }

  async #post(json: string): Promise<HttpResult> {
    const { url, signal, readHttpConfig } = this.#options;
    const { timeoutMs } = this.#timing;
    try {
      const config = await readHttpConfig?.();
      const options = { ...config, json, agent: this.#agent, timeoutMs, signal };
      return await httpRequest(url, '/api/v2/alerts', options);
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error) };
    }
  }

  #record(refusal: Refusal | undefined, batch: readonly SerializedAlert[]): void {
    const { log } = this.#options;
    const alertmanager = this.#name;
    const isFirstFailure = this.#backoff.failures === 0;
    if (refusal === undefined) {
      this.#sent += batch.length;
      if (!isFirstFailure) log.info('Alertmanager accepts alerts again', { alertmanager });
      this.#backoff.succeed();
      return;
    }
    this.#failed += batch.length;
    const { reason, isFinal } = refusal;
    if (isFirstFailure) log.warn('Alertmanager did not accept alerts', { alertmanager, reason });
    const delayMs = this.#backoff.fail();
    if (!isFinal) this.#retry(batch, delayMs);
  }

  #retry(batch: readonly SerializedAlert[], delayMs: number): void {
    for (const { key, json } of batch) {
      if (!this.#pending.has(key)) this.#pending.set(key, json);
    }
    this.#dropOldest();
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      void this.#send();
    }, delayMs);
  }
}

/** Undefined where the alerts were accepted. Of a list with one invalid alert Alertmanager accepts the others and answers 400. */
function refusalOf(result: HttpResult): Refusal | undefined {
  if (result.kind === 'failed') return { reason: result.reason, isFinal: false };
  const { status, location } = result;
  if (status >= 200 && status < 300) return undefined;
  const target = status >= 300 && status < 400 ? ` ${describeLocation(location)}` : '';
  const isFinal = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  return { reason: `HTTP status ${status}${target}`, isFinal };
}
