/**
 * The whole, put together:
 *
 *     stdin -> split2(splitFrames) -> parseEvent -> intake -------\
 *                     (then RESULT, READY)                         process table -> metrics -> HTTP
 *     XML-RPC -> parseSnapshot -> reconciler (finds its place) ---/        /
 *     /proc   -> ProcFs -> tree -> account -> usage of each program ------/
 */

import type { Notifier } from './alertmanager/notifier.ts';
import type { Config } from './cli/flags.ts';
import { Intake } from './event-handler.ts';
import type { Remains } from './exits/detector.ts';
import { Inquiries } from './exits/inquiries.ts';
import type { KeptText } from './exposition/cached-text.ts';
import type { Input } from './listener/input.ts';
import { listen } from './listener/listener.ts';
import { Watchdog } from './listener/watchdog.ts';
import type { Build } from './metrics/exporter.ts';
import { CONTENT_TYPE, createMetrics, type Metrics } from './metrics/registry.ts';
import { ProcessTable } from './processes/table.ts';
import { openResources, type Resources } from './resources/resources.ts';
import { Reconciler } from './resync/ordering.ts';
import { Snapshots } from './resync/resync.ts';
import { RpcClient } from './rpc/client.ts';
import { describeEndpoint } from './rpc/endpoint.ts';
import { nameOfServerState, type Snapshot } from './supervisor/snapshot.ts';
import type { Logger } from './util/log.ts';
import { formatAddress } from './web/address.ts';
import { Page } from './web/page/page.ts';
import type { Facts } from './web/page/view.ts';
import { answer, type Routes } from './web/routes.ts';
import { type Answer, ListenError, serve, type WebService } from './web/server.ts';
import type { Security } from './web-config/security.ts';

/** The outside, as the exporter is given it. */
export interface ExporterIo {
  readonly input: Input;
  /** Writes to supervisord. */
  readonly send: (text: string) => void;
  readonly log: Logger;
  /** What there is of a process; looked at not so closely, a zombie is alive. */
  readonly lookAt: (pid: number, closely: boolean) => Remains;
  readonly build: Build;
  readonly hostname: string;
  /** undefined: anybody who can reach it may ask, and is answered in plain HTTP. */
  readonly security: Security | undefined;
  /** This life is at its end; the reason is for people, and left out where there is nothing to say. */
  readonly onEnd: (how: End, reason?: string) => void;
}

/**
 * How a life ends: `over` when supervisord ends it, `failed` when a new life may do better,
 * `refused` when the configuration has to change first.
 */
export type End = 'over' | 'failed' | 'refused';

export class Exporter {
  readonly #config: Config;
  readonly #io: ExporterIo;
  readonly #metrics: Metrics;
  readonly #snapshots: Snapshots;
  readonly #watchdog: Watchdog;
  readonly #intake: Intake;
  readonly #inquiries: Inquiries | undefined;
  readonly #table: ProcessTable;
  readonly #page: Page;
  readonly #resources: Resources | undefined;
  #web: WebService | undefined;
  readonly #stopping = new AbortController();
  #notifier: Notifier | undefined;

  constructor(config: Config, io: ExporterIo) {
    this.#config = config;
    this.#io = io;
    const { log } = io;
    const table = new ProcessTable();
    this.#table = table;
    const reconciler = new Reconciler(table);
    this.#resources = config.resources ? openResources({ table, log }) : undefined;
    this.#metrics = createMetrics(table, {
      footprint: config.exporterMetrics,
      exitReasons: this.#findsReasons,
      compat: config.compat,
      build: io.build,
      resources: this.#resources,
      alertmanagers: () => this.#notifier?.stats ?? [],
    });
    const metrics = this.#metrics.exporter;
    const { telemetryPath } = config;
    this.#page = new Page({
      table,
      facts: () => this.#facts(),
      consumptions: this.#resources,
      telemetryPath,
    });
    const onChange = () => {
      this.#inquiries?.poke();
      this.#notifier?.notify();
      this.#page.poke();
    };
    const { supervisor, supervisorTimeoutMs: timeoutMs } = config;
    const client = supervisor && new RpcClient(supervisor, { timeoutMs, keepOpen: false });
    const snapshots = new Snapshots({
      client,
      reconciler,
      metrics,
      log,
      onFirst: (snapshot) => this.#meetOneself(snapshot),
      onTokenDue: () => watchdog.expectToken(),
      onChange: () => {
        onChange();
        this.#inquiries?.check();
      },
    });
    const watchdog = new Watchdog({
      isAnswering: () => snapshots.isAnswering(),
      onDeaf: (seconds) => this.#giveUpDeaf(seconds),
    });
    this.#snapshots = snapshots;
    this.#watchdog = watchdog;
    if (supervisor !== undefined && client !== undefined) {
      const { lookAt } = io;
      const parts = { endpoint: supervisor, client, config, table, metrics, log, lookAt, onChange };
      this.#inquiries = new Inquiries(parts);
    }
    this.#intake = new Intake({ table, reconciler, snapshots, watchdog, metrics, log, onChange });
  }

  /** Serves, then listens. Ends this life if an address can't be had. */
  async start(): Promise<void> {
    try {
      this.#web = await this.#serve();
    } catch (error) {
      if (error instanceof ListenError) return this.#io.onEnd('failed', error.message);
      throw error;
    }
    this.#logStart(this.#web);
    await this.#startNotifier(this.#web);
    listen(this.#io.input, this.#io.send, {
      onEvent: (event, at) => this.#intake.take(event, at),
      onMalformed: (event, at) => this.#intake.takeMalformed(event, at),
      onAcknowledged: (event, at) => this.#intake.followUp(event, at),
      onUnframeable: (reason) =>
        this.#io.onEnd('failed', `can't follow what supervisord sends: ${reason}`),
      onEnd: () => this.#io.onEnd('over'),
    });
    this.#watchdog.start();
    this.#inquiries?.start();
    this.#snapshots.request('startup');
  }

  async #serve(): Promise<WebService> {
    const routes: Routes = {
      telemetryPath: this.#config.telemetryPath,
      contentType: CONTENT_TYPE,
      render: () => this.#render(),
      notReady: () => this.#snapshots.whyMissing(),
      page: this.#config.telemetryPath === '/' ? undefined : this.#page,
    };
    const route: Answer = (request, response, outlive) =>
      answer(routes, request, response, outlive);
    const { security } = this.#io;
    return serve({
      addresses: this.#config.listenAddresses,
      createServer: security?.createServer,
      answer: security?.guard(route) ?? route,
      onError: (error) => this.#io.log.error('a request failed', { reason: String(error) }),
    });
  }

  stop(): void {
    this.#snapshots.stop();
    this.#watchdog.stop();
    this.#inquiries?.stop();
    this.#stopping.abort();
    this.#page.stop();
    this.#intake.stop();
    this.#io.security?.stop();
    this.#web?.close();
  }

  /** Alerts carry the address that Prometheus knows us by, as far as we can tell. */
  async #startNotifier(web: WebService): Promise<void> {
    const { alertmanagers: urls, alertLabels } = this.#config;
    const [address] = web.addresses;
    if (urls.length === 0 || address === undefined) return;
    const { Notifier } = await import('./alertmanager/notifier.ts');
    const host = address.host === '' ? this.#io.hostname : address.host;
    const instance = formatAddress({ host, port: address.port });
    const labels = { job: 'supervisor', instance, ...alertLabels };
    const { log } = this.#io;
    this.#notifier = new Notifier({
      urls,
      labels,
      table: this.#table,
      log,
      exitReasons: this.#findsReasons,
      signal: this.#stopping.signal,
    });
    this.#notifier.start();
  }

  /** Whether it is found out why programs end. */
  get #findsReasons(): boolean {
    return this.#config.exitReasons && this.#config.supervisor !== undefined;
  }

  async #render(): Promise<readonly KeptText[]> {
    await this.#resources?.read();
    this.#metrics.exporter.serialGaps.set(this.#intake.gapCount);
    return this.#metrics.render();
  }

  /** What the page says of supervisord and of ourselves. */
  #facts(): Omit<Facts, 'hasUsage'> {
    const { server, health } = this.#snapshots;
    return {
      identifier: server?.identifier,
      supervisordVersion: server?.version,
      supervisordState: server && nameOfServerState(server.stateCode),
      rpc: health,
      eventsLost: this.#intake.eventsLost,
      exporterVersion: this.#io.build.version,
    };
  }

  /** What the first snapshot tells of ourselves: whether we are alone, and whether for the first time. */
  #meetOneself(snapshot: Snapshot): void {
    const { ownGroup } = this.#config;
    const [self, sibling] = snapshot.processes.filter(({ group }) => group === ownGroup);
    if (sibling !== undefined) {
      this.#io.onEnd(
        'refused',
        `[eventlistener:${ownGroup}] has numprocs above 1, and supervisord deals the events out among its processes, so that none can give an account: set numprocs=1`,
      );
    }
    // It has never ended, so no earlier life of ours had any of this pool's events.
    if (self?.stop === 0) this.#intake.expectFromZero();
  }

  #giveUpDeaf(seconds: number): void {
    this.#io.onEnd(
      'failed',
      `supervisord answers, and has sent no event for ${seconds} s: something else has written to stdout, or this is no eventlistener with PROCESS_STATE events; starting anew`,
    );
  }

  #logStart(web: WebService): void {
    const { log } = this.#io;
    for (const address of web.addresses) {
      log.info('listening', { address: formatAddress(address), path: this.#config.telemetryPath });
    }
    if (this.#config.supervisor === undefined) {
      log.warn(
        'supervisord has no HTTP server, so there is no XML-RPC: state is what events tell; configure [unix_http_server] or set --supervisor.url',
      );
    } else {
      log.info('supervisord', { url: describeEndpoint(this.#config.supervisor) });
    }
  }
}
