/** Asks for the settings of processes that are new. */

import type { ProcessTable } from '../processes/table.ts';
import type { RpcClient } from '../rpc/client.ts';
import { CONFIG_CALL, parseConfigInfo } from '../rpc/config-info.ts';
import type { Logger } from '../util/log.ts';

/** supervisord answers for all processes at once: with many of them it is not to do little else. */
const SHARE_OF_SUPERVISORD = 0.05;
const LONGEST_PAUSE_MS = 60_000;

export interface SettingsOptions {
  readonly client: RpcClient;
  readonly table: ProcessTable;
  readonly log: Logger;
}

export class Settings {
  readonly #options: SettingsOptions;
  #timer: NodeJS.Timeout | undefined;
  #isFetching = false;
  #pauseMs = 0;
  #hasFailed = false;

  constructor(options: SettingsOptions) {
    this.#options = options;
  }

  /** A snapshot is in. Settings change only together with the processes that have them. */
  check(): void {
    if (this.#isFetching || !(this.#options.table.takeNewcomers() || this.#hasFailed)) return;
    this.#isFetching = true;
    this.#timer = setTimeout(() => void this.#fetch(), this.#pauseMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  async #fetch(): Promise<void> {
    const { client, table, log } = this.#options;
    const began = performance.now();
    try {
      const configs = parseConfigInfo(await client.call(CONFIG_CALL, []));
      for (const config of configs) table.configure(config, config);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed)
        log.info('settings of programs are not known', { reason: String(error) });
      this.#hasFailed = true;
    }
    this.#pauseMs = Math.min((performance.now() - began) / SHARE_OF_SUPERVISORD, LONGEST_PAUSE_MS);
    this.#isFetching = false;
    if (!this.#hasFailed) this.check();
  }
}
