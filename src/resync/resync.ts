/** Takes snapshots by XML-RPC, hands them to the reconciler, and says how XML-RPC is doing. */

import { type ExporterMetrics, showServer } from '../metrics/exporter.ts';
import type { RpcClient } from '../rpc/client.ts';
import type { ServerFacts, Snapshot } from '../supervisor/snapshot.ts';
import type { Logger } from '../util/log.ts';
import { fetchSnapshot } from './fetch.ts';
import type { Reconciler } from './ordering.ts';
import { Resync, type ResyncTrigger } from './scheduler.ts';

/** How long a token may take before the next snapshot is asked for all the same. */
const TOKEN_PATIENCE_SECONDS = 5;

export interface SnapshotsParts {
  /** Undefined where supervisord has no HTTP server: there are no snapshots then. */
  readonly client: RpcClient | undefined;
  readonly reconciler: Reconciler;
  readonly metrics: ExporterMetrics;
  readonly log: Logger;
  /** Is shown the first snapshot before anything else is. */
  readonly onFirst: (snapshot: Snapshot) => void;
  /** The process table has changed. */
  readonly onChange: () => void;
  /** supervisord has sent us a token, and it has yet to come. */
  readonly onTokenDue: () => void;
}

/** `none`: supervisord has no HTTP server. `pending`: the first answer has yet to come. */
export type RpcHealth = 'works' | 'pending' | 'none' | { readonly failure: string };

export class Snapshots {
  readonly #client: RpcClient | undefined;
  readonly #reconciler: Reconciler;
  readonly #metrics: ExporterMetrics;
  readonly #log: Logger;
  readonly #onFirst: (snapshot: Snapshot) => void;
  readonly #onTokenDue: () => void;
  readonly #onChange: () => void;
  readonly #resync = new Resync((trigger) => this.#take(trigger));
  /** Tells our tokens from those of other exporters and of earlier lives. node:crypto would take milliseconds to load. */
  readonly #life = `${Date.now()}-${Math.random()}`;
  #askedAt = 0;
  #isSeeded = false;
  #server: ServerFacts | undefined;
  /** Why XML-RPC fails; undefined while it works. */
  #failure: string | undefined;

  constructor(parts: SnapshotsParts) {
    this.#client = parts.client;
    this.#reconciler = parts.reconciler;
    this.#metrics = parts.metrics;
    this.#log = parts.log;
    this.#onFirst = parts.onFirst;
    this.#onTokenDue = parts.onTokenDue;
    this.#onChange = parts.onChange;
  }

  get arePossible(): boolean {
    return this.#client !== undefined;
  }

  /** What supervisord last said of itself; undefined before the first snapshot. */
  get server(): ServerFacts | undefined {
    return this.#server;
  }

  /** How XML-RPC is doing. */
  get health(): RpcHealth {
    if (!this.arePossible) return 'none';
    if (this.#failure !== undefined) return { failure: this.#failure };
    return this.#isSeeded ? 'works' : 'pending';
  }

  /** supervisord has told its own state by an event. */
  takeServerState(stateCode: number): void {
    if (this.#server !== undefined) this.#server = { ...this.#server, stateCode };
    this.#metrics.serverState.set(stateCode);
  }

  /** Asks for a snapshot, soon: this call itself does nothing that takes time. */
  request(trigger: ResyncTrigger): void {
    if (this.arePossible) this.#resync.request(trigger);
  }

  /**
   * Asks for a snapshot because of what came at `at`: an event that tells less than a
   * snapshot does, or a gap. While a token is under way there is no need: it comes behind
   * that, so its snapshot knows of it.
   */
  requestUnlessCovered(trigger: ResyncTrigger, at: number): void {
    const { isAwaitingToken, isDeaf } = this.#reconciler;
    const isCovered = isAwaitingToken && !isDeaf && at - this.#askedAt < TOKEN_PATIENCE_SECONDS;
    if (!isCovered) this.request(trigger);
  }

  isOwnToken(token: string): boolean {
    return token.startsWith(this.#life);
  }

  /** Why there is no snapshot yet; undefined once there is one, or if there never will be. */
  whyMissing(): string | undefined {
    if (!this.arePossible || this.#isSeeded) return undefined;
    return this.#failure ?? 'the first snapshot of supervisord is under way';
  }

  /** Whether supervisord's loop turns; taken for granted where there is no way to ask. */
  async isAnswering(): Promise<boolean> {
    try {
      await this.#client?.call('supervisor.getState', []);
      return true;
    } catch {
      return false;
    }
  }

  stop(): void {
    this.#resync.stop();
  }

  async #take(trigger: ResyncTrigger): Promise<boolean> {
    if (this.#client === undefined) return false;
    const began = performance.now();
    this.#askedAt = Date.now() / 1000;
    const token = `${this.#life}#${this.#askedAt}`;
    this.#metrics.resyncs.inc({ trigger });
    this.#reconciler.begin(token);
    try {
      this.#use(await fetchSnapshot(this.#client, token));
      this.#metrics.resyncDuration.set((performance.now() - began) / 1000);
      return true;
    } catch (error) {
      this.#reconciler.fail();
      this.#metrics.resyncFailures.inc({ trigger });
      this.#noteFailure(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #use(snapshot: Snapshot): void {
    if (!this.#isSeeded) this.#onFirst(snapshot);
    this.#metrics.resyncCorrections.inc(this.#reconciler.reply(snapshot));
    if (this.#reconciler.isSureOfToken) this.#onTokenDue();
    this.#onChange();
    this.#server = snapshot.server;
    showServer(this.#metrics, snapshot.server);
    this.#metrics.lastResync.set(Date.now() / 1000);
    this.#metrics.rpcUp.set(1);
    if (this.#failure !== undefined) this.#log.info('XML-RPC works again');
    this.#failure = undefined;
    if (!this.#isSeeded) {
      this.#log.info('first snapshot is in', { processes: snapshot.processes.length });
    }
    this.#isSeeded = true;
  }

  /** Says a failure once, not at each try. */
  #noteFailure(message: string): void {
    this.#metrics.rpcUp.set(0);
    if (this.#failure !== message) {
      this.#log.warn('XML-RPC fails; events still count', { reason: message });
    }
    this.#failure = message;
  }
}
