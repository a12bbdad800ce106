/** What is asked of supervisord beside snapshots: settings, and why programs ended as soon as one has. */

import type { Config } from '../cli/flags.ts';
import type { ChangeFeed } from '../processes/changes.ts';
import type { ProcessTable } from '../processes/table.ts';
import { RpcClient } from '../rpc/client.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Logger } from '../util/log.ts';
import { type Death, knockAt, Nudge, type Remains } from './detector.ts';
import { ExitReasons } from './reasons.ts';

export interface InquiriesParts {
  readonly endpoint: SupervisorEndpoint;
  readonly config: Pick<Config, 'exitReasons' | 'nudge' | 'supervisorTimeoutMs'>;
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly log: Logger;
  /** What there is of a process; looked at not so closely, a zombie is alive. */
  readonly lookAt: (pid: number, closely: boolean) => Remains;
}

export class Inquiries {
  readonly #reasons: ExitReasons | undefined;
  readonly #nudge: Nudge | undefined;

  nudges = 0;

  constructor({ endpoint, config, ...parts }: InquiriesParts) {
    const { table, log, lookAt, changes } = parts;
    const { exitReasons, nudge, supervisorTimeoutMs: timeoutMs } = config;
    if (exitReasons) {
      const kept = new RpcClient(endpoint, { timeoutMs, keepOpen: true });
      this.#reasons = new ExitReasons({ client: kept, table, log, changes });
    }
    const wake = (deaths: readonly Death[]) => {
      this.nudges += 1;
      const isAsked = deaths.length > 0 && this.#reasons?.foretell(deaths);
      if (!isAsked) knockAt(endpoint);
    };
    if (nudge) this.#nudge = new Nudge({ table, lookAt, wake });
  }

  start(): void {
    this.#nudge?.start();
  }

  stop(): void {
    this.#nudge?.stop();
    this.#reasons?.stop();
  }
}
