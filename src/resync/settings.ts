/** Fetches what the configuration says of processes (`getAllConfigInfo`), when processes are added. */

import type { ChangeFeed } from '../processes/changes.ts';
import type { ProcessTable } from '../processes/table.ts';
import { AdaptiveTimeout } from '../rpc/adaptive-timeout.ts';
import type { RpcClient } from '../rpc/client.ts';
import { CONFIG_CALL, parseConfigInfo } from '../rpc/config-info.ts';
import { Backoff } from '../util/backoff.ts';
import { DutyCycle } from '../util/duty-cycle.ts';
import { messageOf, RpcError, type RpcErrorCode } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';

/** supervisord answers for all processes at once, 1 ms each. */
const SHARE_OF_SUPERVISORD = 0.05;
const LONGEST_PAUSE_MS = 60_000;
/** A snapshot adds all its processes in one turn, and events may add more. */
const COLLECT_MS = 50;

/**
 * Failures that are permanent if supervisord answers other calls. Each further call would write two
 * tracebacks to supervisord's log. One value that XML-RPC cannot carry
 * (`stdout_logfile_maxbytes=2GB`) fails the whole reply with HTTP status 500, and Supervisor 3
 * before 3.3 lacks the method.
 */
const PERMANENT: readonly RpcErrorCode[] = [
  'ERR_RPC_HTTP_STATUS',
  'ERR_RPC_FAULT',
  'ERR_RPC_NOT_XML_RPC',
  'ERR_RPC_UNEXPECTED_VALUE',
];

export interface SettingsFetcherOptions {
  readonly client: RpcClient;
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export class SettingsFetcher {
  readonly #options: SettingsFetcherOptions;
  readonly #dutyCycle = new DutyCycle({
    share: SHARE_OF_SUPERVISORD,
    longestPauseMs: LONGEST_PAUSE_MS,
  });
  readonly #backoff = new Backoff({ firstMs: 1_000, longestMs: LONGEST_PAUSE_MS });
  readonly #timeout: AdaptiveTimeout;
  #timer: NodeJS.Timeout | undefined;
  #isFetching = false;
  /** Whether processes were added since the last fetch began. */
  #isDue = false;
  #hasFailedForGood = false;
  #earliest = 0;

  constructor(options: SettingsFetcherOptions) {
    this.#options = options;
    this.#timeout = new AdaptiveTimeout(options.client.timeoutMs, () => options.table.size);
    options.signal.addEventListener('abort', () => clearTimeout(this.#timer));
    options.changes.subscribe(({ kind }) => {
      if (kind === 'added') this.#schedule();
    });
  }

  #schedule(): void {
    this.#isDue = true;
    if (this.#hasFailedForGood || this.#isFetching || this.#timer !== undefined) return;
    const delay = Math.max(COLLECT_MS, this.#earliest - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#fetch();
    }, delay);
  }

  async #fetch(): Promise<void> {
    const { client, table, changes } = this.#options;
    this.#isDue = false;
    this.#isFetching = true;
    const began = performance.now();
    // Asked before and after a call that fails: a breakdown may end while the call is made.
    const wasAnswering = await client.isAnswering();
    try {
      for (const { group, name, settings } of parseConfigInfo(
        await client.call(CONFIG_CALL, [], this.#timeout),
      )) {
        changes.publish(table.configure({ group, name }, settings));
      }
      this.#backoff.succeed();
      this.#earliest = performance.now() + this.#dutyCycle.record(began, performance.now());
    } catch (error) {
      this.#failed(error, wasAnswering && (await this.#isPermanent(error)));
    }
    this.#isFetching = false;
    if (this.#isDue && !this.#options.signal.aborted) this.#schedule();
  }

  /** If supervisord also fails other calls, it may answer this one later. */
  async #isPermanent(error: unknown): Promise<boolean> {
    if (!(error instanceof RpcError) || !PERMANENT.includes(error.code)) return false;
    return this.#options.client.isAnswering();
  }

  #failed(error: unknown, isPermanent: boolean): void {
    const { log } = this.#options;
    this.#hasFailedForGood = isPermanent;
    if (this.#hasFailedForGood) {
      log.warn(
        'settings of processes are unknown: supervisord cannot report its configuration; this call is not repeated',
        { reason: messageOf(error) },
      );
      return;
    }
    if (this.#backoff.failures === 0) {
      log.info('settings of processes are not known yet', { reason: messageOf(error) });
    }
    this.#earliest = performance.now() + this.#backoff.fail();
    this.#isDue = true;
  }
}
