/** One Alertmanager: the queue of alerts for it, and sending them. */

import http from 'node:http';
import https from 'node:https';
import { Backoff } from '../util/backoff.ts';
import { messageOf } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { describeHttpUrl, type HttpUrl } from '../util/url.ts';
import type { ClientConfig } from './client-config.ts';
import { describeLocation, type HttpResult, httpRequest } from './http-request.ts';
import type { PostableAlert } from './payload.ts';

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
  readonly config?: ClientConfig | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Only tests are in a hurry. */
  readonly timing?: Timing;
}

/** `refused` is an answer that a second try would get as well. */
type Outcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused' | 'failed'; readonly reason: string };

/**
 * Keeps only the latest state of each alert. One request is in flight at a time; alerts that
 * failed are sent again after a growing delay, unless a later state has replaced them.
 */
export class AlertmanagerClient {
  readonly #options: AlertmanagerClientOptions;
  readonly #name: string;
  readonly #agent: http.Agent;
  readonly #pending = new Map<string, PostableAlert>();
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

  /** Adds alerts to the queue, by the key that identifies each. Returns at once. */
  enqueue(alerts: ReadonlyMap<string, PostableAlert>): void {
    if (this.#options.signal.aborted) return;
    for (const [key, alert] of alerts) {
      this.#pending.delete(key);
      this.#pending.set(key, alert);
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
    const batch = new Map([...this.#pending].slice(0, MAX_BATCH));
    for (const key of batch.keys()) this.#pending.delete(key);
    const { signal } = this.#options;
    const result = await this.#post(JSON.stringify([...batch.values()]));
    this.#isSending = false;
    if (signal.aborted) return;
    this.#record(classify(result), batch);
    void this.#send();
  }

  async #post(json: string): Promise<HttpResult> {
    const { url, signal, config } = this.#options;
    const { timeoutMs } = this.#timing;
    try {
      const settings = await config?.();
      const options = { ...settings, json, agent: this.#agent, timeoutMs, signal };
      return await httpRequest(url, '/api/v2/alerts', options);
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error) };
    }
  }

  #record(outcome: Outcome, batch: ReadonlyMap<string, PostableAlert>): void {
    const { log } = this.#options;
    const alertmanager = this.#name;
    if (outcome.kind === 'accepted') {
      this.#sent += batch.size;
      if (this.#backoff.failures > 0)
        log.info('Alertmanager accepts alerts again', { alertmanager });
      this.#backoff.succeed();
      return;
    }
    this.#failed += batch.size;
    if (this.#backoff.failures === 0) {
      log.warn('Alertmanager did not accept alerts', { alertmanager, reason: outcome.reason });
    }
    const delayMs = this.#backoff.fail();
    if (outcome.kind === 'failed') this.#retry(batch, delayMs);
  }

  #retry(batch: ReadonlyMap<string, PostableAlert>, delayMs: number): void {
    for (const [key, alert] of batch) {
      if (!this.#pending.has(key)) this.#pending.set(key, alert);
    }
    this.#dropOldest();
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      void this.#send();
    }, delayMs);
  }
}

function classify(result: HttpResult): Outcome {
  if (result.kind === 'failed') return result;
  return classifyStatus(result.status, result.location);
}

/** Of a list with one invalid alert Alertmanager accepts the others and answers 400. */
function classifyStatus(status: number, location: string | undefined): Outcome {
  if (status >= 200 && status < 300) return { kind: 'accepted' };
  if (status >= 300 && status < 400) {
    return { kind: 'failed', reason: `HTTP status ${status} ${describeLocation(location)}` };
  }
  const reason = `HTTP status ${status}`;
  const isPermanent = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  return { kind: isPermanent ? 'refused' : 'failed', reason };
}
