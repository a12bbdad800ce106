/**
 * The whole, put together:
 *
 *     stdin -> split2(splitFrames) -> parseEvent -> serials ------\
 *                     (then RESULT, READY)                         process table -> metrics -> HTTP
 *     XML-RPC -> parseSnapshot -> reconciler (finds its place) ---/
 */

import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Config } from './config.ts';
import { formatAddress, type HttpService, serveHttp } from './http.ts';
import type {
  MalformedEvent,
  RemoteCommunicationEvent,
  SupervisorEvent,
  TickEvent,
} from './listener/events.ts';
import { listen } from './listener/listener.ts';
import { Losses } from './listener/losses.ts';
import { Watchdog } from './listener/watchdog.ts';
import type { LogFields, Logger } from './log.ts';
import { type Build, type ExporterMetrics, showServer } from './metrics/exporter.ts';
import { CONTENT_TYPE, createMetrics, type Metrics } from './metrics/registry.ts';
import { keyOf } from './processes/identity.ts';
import { Reconciler } from './processes/reconciler.ts';
import { ProcessTable } from './processes/table.ts';
import { RpcClient } from './rpc/client.ts';
import { describeEndpoint } from './rpc/endpoint.ts';
import { fetchSnapshot, TOKEN_TYPE } from './rpc/fetch.ts';
import { Resync, type ResyncTrigger } from './rpc/resync.ts';
import type { Snapshot } from './rpc/snapshot.ts';

/** The outside, as the exporter is given it. */
export interface ExporterIo {
  readonly input: Readable;
  /** Writes to supervisord. */
  readonly send: (text: string) => void;
  readonly log: Logger;
  readonly build: Build;
  /** The exporter can do no more in this life; the reason is for people, and left out where there is nothing to say. */
  readonly onEnd: (how: End, reason?: string) => void;
}

/**
 * How a life ends: `over` when supervisord ends it, `failed` when a new life may do better,
 * `refused` when the configuration has to change first.
 */
export type End = 'over' | 'failed' | 'refused';

/** How long a token may take before a gap asks for the next snapshot all the same. */
const TOKEN_PATIENCE_SECONDS = 5;

/** supervisord's codes for its own state, as its events tell it (supervisord.org/api.html, getState). */
const SERVER_STATE_CODES = { running: 1, stopping: -1 } as const;

export class Exporter {
  readonly #config: Config;
  readonly #io: ExporterIo;
  readonly #log: Logger;

  readonly #table = new ProcessTable();
  readonly #reconciler = new Reconciler(this.#table);
  readonly #losses = new Losses({
    onGap: (at) => this.#takeGap(at),
    onLost: (count) => this.#takeLoss(count),
    isProvable: () => this.#rpc !== undefined && !this.#reconciler.isDeaf,
  });
  readonly #metrics: Metrics;
  readonly #shown: ExporterMetrics;

  readonly #rpc: RpcClient | undefined;
  readonly #resync = new Resync((trigger) => this.#takeSnapshot(trigger));
  readonly #watchdog = new Watchdog({
    isAnswering: () => this.#isAnswering(),
    onDeaf: (seconds) =>
      this.#io.onEnd(
        'failed',
        `supervisord answers, and has sent no event for ${seconds} s: something else has written to stdout, or this is no eventlistener with PROCESS_STATE events; starting anew`,
      ),
  });
  #http: HttpService | undefined;
  #isSeeded = false;
  /** Why XML-RPC fails; undefined while it works. */
  #rpcFailure: string | undefined;
  /** Ours among the tokens of other exporters and of earlier lives. */
  readonly #life = randomUUID();
  #askedAt = 0;

  constructor(config: Config, io: ExporterIo) {
    this.#config = config;
    this.#io = io;
    this.#log = io.log;
    this.#metrics = createMetrics(this.#table, {
      footprint: config.exporterMetrics,
      build: io.build,
    });
    this.#shown = this.#metrics.exporter;
    this.#rpc = config.supervisor && new RpcClient(config.supervisor, config.supervisorTimeoutMs);
  }

  /** Rejects with ListenError, before supervisord has been told READY, if an address can't be had. */
  async start(): Promise<void> {
    this.#http = await serveHttp({
      addresses: this.#config.listenAddresses,
      telemetryPath: this.#config.telemetryPath,
      contentType: CONTENT_TYPE,
      render: () => this.#render(),
      notReady: () => this.#notReady(),
      onError: (error) => this.#log.error('a request failed', { reason: String(error) }),
    });
    this.#logStart(this.#http);
    listen(this.#io.input, this.#io.send, {
      onEvent: (event, at) => this.#takeEvent(event, at),
      onMalformed: (event, at) => this.#takeMalformed(event, at),
      onUnframeable: (reason) =>
        this.#io.onEnd('failed', `can't follow what supervisord sends: ${reason}`),
      onEnd: () => this.#io.onEnd('over'),
    });
    this.#watchdog.start();
    if (this.#rpc !== undefined) this.#resync.request('startup');
  }

  stop(): void {
    this.#resync.stop();
    this.#watchdog.stop();
    this.#http?.close();
    this.#losses.stop();
  }

  #takeEvent(event: SupervisorEvent, at: number): void {
    this.#shown.events.inc({ event: event.name });
    this.#shown.lastEvent.set(at);
    this.#watchdog.hear();
    this.#log.debug('event', { serial: event.serial, ...describeEvent(event) });
    if (!this.#isFirstDelivery(event.serial, at)) return;

    switch (event.kind) {
      case 'process-state':
        this.#table.transition(event, at);
        break;
      case 'process-group':
        if (event.change === 'removed') this.#table.removeGroup(event.group, event.serial);
        else this.#requestResync('group');
        break;
      case 'tick':
        this.#takeTick(event, at);
        break;
      case 'remote-communication':
        if (event.type === TOKEN_TYPE) this.#takeToken(event);
        break;
      case 'supervisor-state':
        this.#shown.serverState.set(SERVER_STATE_CODES[event.state]);
        break;
      case 'unused':
        break;
      default: {
        const unhandled: never = event;
        throw new Error(`unhandled event ${JSON.stringify(unhandled)}`);
      }
    }
  }

  #takeTick(event: TickEvent, at: number): void {
    this.#shown.lastTick.set(at);
    this.#watchdog.hearTick(event.period);
    const wasDeaf = this.#reconciler.isDeaf;
    this.#reconciler.tick(event.when);
    if (this.#reconciler.isDeaf && !wasDeaf) {
      this.#log.warn(
        'REMOTE_COMMUNICATION is not among the events of this listener: snapshots are placed by from_state alone',
      );
    }
    if (event.period === 60) this.#requestResync('tick');
  }

  #takeMalformed(event: MalformedEvent, at: number): void {
    this.#shown.eventsMalformed.inc({ reason: event.reason });
    this.#shown.lastEvent.set(at);
    this.#watchdog.hear();
    this.#log.warn('skipped an event that can not be understood', {
      reason: event.reason,
      text: event.detail,
    });
    if (event.serial !== undefined) this.#isFirstDelivery(event.serial, at);
  }

  #isFirstDelivery(serial: number, at: number): boolean {
    const isFirst = this.#losses.note(serial, at);
    if (!isFirst) this.#shown.eventsRedelivered.inc();
    return isFirst;
  }

  /** The snapshot of a token that is under way knows whatever was skipped before it. */
  #takeGap(at: number): void {
    const { isAwaitingToken, isDeaf } = this.#reconciler;
    const isCovered = isAwaitingToken && !isDeaf && at - this.#askedAt < TOKEN_PATIENCE_SECONDS;
    if (!isCovered) this.#requestResync('gap');
  }

  #takeLoss(lost: number): void {
    this.#shown.eventsLost.inc(lost);
    this.#log.error('supervisord discarded events before delivering them: raise buffer_size', {
      lost,
    });
  }

  #takeToken(event: RemoteCommunicationEvent): void {
    this.#shown.resyncCorrections.inc(this.#reconciler.token(event.data, event.serial));
    if (!event.data.startsWith(this.#life)) return;
    this.#losses.pass(event.serial);
    if (this.#losses.isAwaitingBehind(event.serial)) this.#requestResync('gap');
  }

  #requestResync(trigger: ResyncTrigger): void {
    if (this.#rpc !== undefined) this.#resync.request(trigger);
  }

  async #takeSnapshot(trigger: ResyncTrigger): Promise<boolean> {
    if (this.#rpc === undefined) return false;
    const began = performance.now();
    this.#askedAt = Date.now() / 1000;
    const token = `${this.#life}#${this.#askedAt}`;
    this.#shown.resyncs.inc({ trigger });
    this.#reconciler.begin(token);
    try {
      const snapshot = await fetchSnapshot(this.#rpc, token);
      if (!this.#isSeeded && !this.#meetsOneself(snapshot)) return false;
      this.#shown.resyncCorrections.inc(this.#reconciler.reply(snapshot));
      showServer(this.#shown, snapshot.server);
      this.#shown.resyncDuration.set((performance.now() - began) / 1000);
      this.#shown.lastResync.set(Date.now() / 1000);
      this.#noteRpcSuccess();
      return true;
    } catch (error) {
      this.#reconciler.fail();
      this.#shown.resyncFailures.inc({ trigger });
      this.#noteRpcFailure(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /**
   * What the first snapshot tells of ourselves. False where the listener has `numprocs`: each
   * process gets a part of the events then, and none can give an account.
   */
  #meetsOneself(snapshot: Snapshot): boolean {
    const { ownGroup } = this.#config;
    const [self, sibling] = snapshot.processes.filter(({ group }) => group === ownGroup);
    if (sibling !== undefined) {
      this.#io.onEnd(
        'refused',
        `[eventlistener:${ownGroup}] has numprocs above 1, and supervisord deals the events out among its processes: set numprocs=1`,
      );
      return false;
    }
    if (self?.stop === 0) this.#losses.expectFromZero();
    return true;
  }

  /** Whether supervisord's loop turns; taken for granted where there is no way to ask. */
  async #isAnswering(): Promise<boolean> {
    try {
      await this.#rpc?.call('supervisor.getState', []);
      return true;
    } catch {
      return false;
    }
  }

  #noteRpcSuccess(): void {
    this.#shown.rpcUp.set(1);
    if (this.#rpcFailure !== undefined) this.#log.info('XML-RPC works again');
    this.#rpcFailure = undefined;
    if (!this.#isSeeded) this.#log.info('first snapshot is in', { processes: this.#table.size });
    this.#isSeeded = true;
  }

  /** Says a failure once, not at each try. */
  #noteRpcFailure(message: string): void {
    this.#shown.rpcUp.set(0);
    if (this.#rpcFailure !== message) {
      this.#log.warn('XML-RPC fails; events still count', { reason: message });
    }
    this.#rpcFailure = message;
  }

  #render(): Promise<string> {
    this.#shown.serialGaps.set(this.#losses.gapCount);
    return this.#metrics.render();
  }

  #notReady(): string | undefined {
    if (this.#rpc === undefined || this.#isSeeded) return undefined;
    return this.#rpcFailure ?? 'the first snapshot of supervisord is under way';
  }

  #logStart(http: HttpService): void {
    for (const address of http.addresses) {
      this.#log.info('listening', {
        address: formatAddress(address),
        path: this.#config.telemetryPath,
      });
    }
    if (this.#config.supervisor === undefined) {
      this.#log.warn(
        'supervisord has no HTTP server, so there is no XML-RPC: state is what events tell; configure [unix_http_server] or set --supervisor.url',
      );
    } else {
      this.#log.info('supervisord', { url: describeEndpoint(this.#config.supervisor) });
    }
  }
}

/** An event as a line of the log shows it. */
function describeEvent(event: SupervisorEvent): LogFields {
  if (event.kind !== 'process-state') return { event: event.name };
  return { event: event.name, process: keyOf(event.process), from: event.from };
}
