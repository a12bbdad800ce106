/** One Alertmanager: what it has yet to be told, and the telling. */

import http from 'node:http';
import https from 'node:https';
import type { Logger } from '../util/log.ts';
import { basicAuthorization, describeHttpUrl, type HttpUrl } from '../util/url.ts';
import type { WireAlert } from './wire.ts';

const TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
/** Alerts in one request. */
const MAX_BATCH = 500;
/** Alerts that wait while an Alertmanager is away; past that the oldest is dropped. */
const MAX_PENDING = 10_000;

export interface TargetOptions {
  readonly url: HttpUrl;
  readonly log: Logger;
  readonly onSent: (alerts: number) => void;
  readonly onFailed: (alerts: number) => void;
}

/** What came of a request: `refused` is an answer that would be the same the next time. */
type Outcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused' | 'failed'; readonly reason: string };

/**
 * Of each alert only the latest state waits. One request is under way at a time; what
 * failed is tried again, less and less often, unless it has been overtaken.
 */
export class Target {
  readonly #options: TargetOptions;
  readonly #agent: http.Agent;
  readonly #pending = new Map<string, WireAlert>();
  #isSending = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: TargetOptions) {
    this.#options = options;
    const settings = { keepAlive: true, maxSockets: 1 };
    this.#agent = options.url.secure ? new https.Agent(settings) : new http.Agent(settings);
  }

  /** Takes alerts to be told, by the key that says which alert each is. Does nothing that takes time. */
  offer(alerts: ReadonlyMap<string, WireAlert>): void {
    for (const [key, alert] of alerts) {
      this.#pending.delete(key);
      this.#pending.set(key, alert);
    }
    this.#dropOldest();
    if (this.#retry === undefined) void this.#send();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#pending.clear();
    this.#agent.destroy();
  }

  #dropOldest(): void {
    for (const [key] of this.#pending) {
      if (this.#pending.size <= MAX_PENDING) return;
      this.#pending.delete(key);
      this.#options.onFailed(1);
    }
  }

  async #send(): Promise<void> {
    if (this.#isSending || this.#pending.size === 0) return;
    this.#isSending = true;
    const batch = new Map([...this.#pending].slice(0, MAX_BATCH));
    for (const key of batch.keys()) this.#pending.delete(key);
    const outcome = await this.#post([...batch.values()]);
    this.#isSending = false;
    this.#note(outcome, batch);
    if (this.#retry === undefined) void this.#send();
  }

  #note(outcome: Outcome, batch: ReadonlyMap<string, WireAlert>): void {
    const { log, onSent, onFailed, url } = this.#options;
    const alertmanager = describeHttpUrl(url);
    if (outcome.kind === 'accepted') {
      onSent(batch.size);
      if (this.#failures > 0) log.info('Alertmanager takes alerts again', { alertmanager });
      this.#failures = 0;
      return;
    }
    onFailed(batch.size);
    if (this.#failures === 0) {
      log.warn('Alertmanager does not take alerts', { alertmanager, reason: outcome.reason });
    }
    this.#failures += 1;
    if (outcome.kind === 'failed') this.#tryAgain(batch);
  }

  #tryAgain(batch: ReadonlyMap<string, WireAlert>): void {
    for (const [key, alert] of batch) {
      if (!this.#pending.has(key)) this.#pending.set(key, alert);
    }
    this.#dropOldest();
    const delay = Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LONGEST_RETRY_MS);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#send();
    }, delay);
  }

  #post(alerts: readonly WireAlert[]): Promise<Outcome> {
    const { url } = this.#options;
    const body = JSON.stringify(alerts);
    const request = (url.secure ? https : http).request({
      method: 'POST',
      host: url.host,
      port: url.port,
      path: `${url.path}/api/v2/alerts`,
      agent: this.#agent,
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        ...(url.credentials && { Authorization: basicAuthorization(url.credentials) }),
      },
    });
    return new Promise((resolve) => {
      const deadline = setTimeout(() => {
        resolve({ kind: 'failed', reason: `no answer within ${TIMEOUT_MS / 1000} s` });
        request.destroy();
      }, TIMEOUT_MS);
      request.on('close', () => clearTimeout(deadline));
      request.on('error', (error) => resolve({ kind: 'failed', reason: error.message }));
      request.on('response', (response) => {
        response.resume();
        response.on('end', () => resolve(judge(response.statusCode ?? 0)));
        response.on('error', (error) => resolve({ kind: 'failed', reason: error.message }));
      });
      request.end(body);
    });
  }
}

/** Of a list with one bad alert Alertmanager takes the others and answers 400: not to be sent again. */
function judge(status: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'accepted' };
  const reason = `HTTP status ${status}`;
  const isPassing = status >= 500 || status === 429 || status === 408;
  return { kind: isPassing ? 'failed' : 'refused', reason };
}
