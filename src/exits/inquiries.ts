/** What is asked of supervisord beside snapshots: settings, and why programs ended as soon as one has. */

import type { Config } from '../cli/flags.ts';
import type { ExporterMetrics } from '../metrics/exporter.ts';
import type { ProcessTable } from '../processes/table.ts';
import { Settings } from '../resync/settings.ts';
import { RpcClient } from '../rpc/client.ts';
import type { SupervisorEndpoint } from '../rpc/endpoint.ts';
import type { Logger } from '../util/log.ts';
import { type Death, knockAt, Nudge, type Remains } from './detector.ts';
import { ExitReasons } from './reasons.ts';

export interface InquiriesParts {
  readonly endpoint: SupervisorEndpoint;
  /** For what can wait. */
  readonly client: RpcClient;
  readonly config: Pick<Config, 'exitReasons' | 'nudge' | 'supervisorTimeoutMs'>;
  readonly table: ProcessTable;
  readonly metrics: ExporterMetrics;
  readonly log: Logger;
  /** What there is of a process; looked at not so closely, a zombie is alive. */
  readonly lookAt: (pid: number, closely: boolean) => Remains;
  /** The process table has changed. */
  readonly onChange: () => void;
}

export class Inquiries {
  readonly #settings: Settings;
  readonly #reasons: ExitReasons | undefined;
  readonly #nudge: Nudge | undefined;

  constructor({ endpoint, client, config, ...parts }: InquiriesParts) {
    const { table, log, metrics, lookAt, onChange } = parts;
    const { exitReasons, nudge, supervisorTimeoutMs: timeoutMs } = config;
    this.#settings = new Settings({ client, table, log });
    if (exitReasons) {
      const kept = new RpcClient(endpoint, { timeoutMs, keepOpen: true });
      this.#reasons = new ExitReasons({ client: kept, table, log, onChange });
    }
    const wake = (deaths: readonly Death[]) => {
      metrics.nudges.inc();
      const isAsked = deaths.length > 0 && this.#reasons?.foretell(deaths);
      if (!isAsked) knockAt(endpoint);
    };
    if (nudge) this.#nudge = new Nudge({ table, lookAt, wake });
  }

  start(): void {
    this.#nudge?.start();
  }

  /** The process table has changed. */
  poke(): void {
    this.#reasons?.poke();
  }

  /** A snapshot is in. */
  check(): void {
    this.#settings.check();
  }

  stop(): void {
    this.#nudge?.stop();
    this.#reasons?.stop();
    this.#settings.stop();
  }
}
