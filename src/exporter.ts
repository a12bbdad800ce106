/**
 * The exporter, put together:
 *
 *     stdin -> split2(FrameMatcher) -> parseEvent -> event handler -> process table -> changes -> page, notifier, exit reasons
 *                                   (then RESULT, READY)                /        \
 *     XML-RPC -> parseSnapshot -> resync (finds its place in the order) -          -> metrics -> HTTP
 *     /proc   -> tree -> CPU accumulator -> resource usage ----------------------/
 */

import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { ReadHttpClientConfig } from './alertmanager/http-client-config.ts';
import type { Notifier } from './alertmanager/notifier.ts';
import { pushedLabels } from './alertmanager/payload.ts';
import type { Config } from './cli/flags.ts';
import type { OwnCircumstances } from './configuration/read-running.ts';
import { EventHandler } from './event-handler.ts';
import { Exits } from './exits/exits.ts';
import type { CachedText } from './exposition/cached-text.ts';
import type { Input } from './listener/input.ts';
import { listen } from './listener/listener.ts';
import { Watchdog } from './listener/watchdog.ts';
import type { Build } from './metrics/exporter.ts';
import { CONTENT_TYPE, createMetrics, type RenderMetrics } from './metrics/metrics.ts';
import { ChangeFeed } from './processes/changes.ts';
import type { LogTail } from './processes/log-tail.ts';
import type { Process } from './processes/process.ts';
import { createSelection, type Selection } from './processes/selection.ts';
import { ProcessTable } from './processes/table.ts';
import { UpTimes } from './processes/up-time.ts';
import { openCgroupMemory } from './resources/cgroup-memory.ts';
import { openResources, type Resources } from './resources/resources.ts';
import { Resync } from './resync/resync.ts';
import { SettingsFetcher } from './resync/settings.ts';
import { RpcClient } from './rpc/client.ts';
import { describeEndpoint } from './rpc/endpoint.ts';
import { nameOfServerState, SERVER_STATE_CODES, type Snapshot } from './supervisor/snapshot.ts';
import { formatAddress, isLoopback } from './util/address.ts';
import type { CollectorStats } from './util/collector-stats.ts';
import { ListenError } from './util/errors.ts';
import { fitHeapTo } from './util/heap.ts';
import type { Logger } from './util/log.ts';
import type { BoundAddress } from './web/listen.ts';
import { Page } from './web/page/page.ts';
import type { PageContext } from './web/page/view.ts';
import { createProgramsAnswer } from './web/programs.ts';
import { hasForeignHost } from './web/request.ts';
import { createAnswer } from './web/routes.ts';
import { serve } from './web/server.ts';
import type { WebConfigServer } from './web-config/server.ts';

/** What the exporter gets from outside. */
export interface ExporterIo {
  readonly input: Input;
  /** Writes to supervisord. */
  readonly send: (text: string) => void;
  readonly log: Logger;
  /** Of the exporter. */
  readonly pid: number;
  /** Of supervisord, which is the parent of the exporter. */
  readonly supervisorPid: number;
  readonly own: OwnCircumstances;
  readonly build: Build;
  readonly hostname: string;
  /** Undefined: plain HTTP, open to every client that can reach the port. */
  readonly webConfig: WebConfigServer | undefined;
  /** Undefined: no authentication, and TLS with the certificate authorities of the system. */
  readonly readAlertmanagerConfig: ReadHttpClientConfig | undefined;
  /** The exporter cannot go on. The reason is for the log; undefined where there is nothing to report. */
  readonly onEnd: (outcome: Outcome, reason?: string) => void;
  /** Aborted when the exporter ends: everything stops and is closed. */
  readonly signal: AbortSignal;
}

/**
 * Why the exporter ends: `over` when supervisord ends it, `failed` when a restart may help,
 * `refused` when the configuration has to change first.
 */
export type Outcome = 'over' | 'failed' | 'refused';

/** What most parts need. */
interface Shared {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly log: Logger;
  /** Aborted when the exporter ends. */
  readonly signal: AbortSignal;
}

export class Exporter {
  readonly #config: Config;
  readonly #io: ExporterIo;
  /** Epoch seconds. */
  readonly #startedAt = Date.now() / 1000;
  readonly #shared: Shared;
  readonly #selection: Selection;
  readonly #resync: Resync;
  readonly #watchdog: Watchdog;
  readonly #eventHandler: EventHandler;
  readonly #exits: Exits;
  readonly #resources: Resources | undefined;
  readonly #renderMetrics: RenderMetrics;
  readonly #page: Page;
  #notifier: Notifier | undefined;
  /** Whether only this host can reach the HTTP server. */
  #isLocal = false;

  constructor(config: Config, io: ExporterIo) {
    this.#config = config;
    this.#io = io;
    const { log, signal } = io;
    setMaxListeners(0, signal);
    const { supervisor: endpoint, supervisorTimeoutMs: timeoutMs } = config;
    const client = endpoint && new RpcClient(endpoint, { timeoutMs, keepOpen: false });
    const table = new ProcessTable({ looksUpReasons: config.exitReasons });
    const changes = new ChangeFeed();
    this.#shared = { table, changes, log, signal };
    this.#selection = createSelection(config.selection);
    const upTimes = new UpTimes(table);
    changes.subscribe((change) =>
      upTimes.record(change, { monotonic: performance.now() / 1000, epoch: Date.now() / 1000 }),
    );
    this.#resync = new Resync({
      ...this.#shared,
      client,
      onFirst: (snapshot) => this.#checkOwnProcess(snapshot),
      onMarkerDue: () => this.#watchdog.markerDue(),
    });
    this.#watchdog = new Watchdog({
      // Assumed where there is no way to ask.
      isAnswering: async () => client?.isAnswering() ?? true,
      onStalled: (seconds) => this.#restartStalled(seconds),
      signal,
    });
    this.#eventHandler = new EventHandler({
      ...this.#shared,
      resync: this.#resync,
      watchdog: this.#watchdog,
      exits: () => this.#exits,
    });
    if (client !== undefined) new SettingsFetcher({ ...this.#shared, client });
    this.#resources = this.#openResources();
    this.#exits = this.#createExits();
    this.#renderMetrics = this.#createMetrics(upTimes);
    this.#page = this.#createPage();
  }

  #openResources(): Resources | undefined {
    const { resources, resourcesIo: readsIo } = this.#config;
    const { table, log } = this.#shared;
    if (!resources) return undefined;
    return openResources({ table, selection: this.#selection, readsIo, log, ownPid: this.#io.pid });
  }

  #createExits(): Exits {
    const config = this.#config;
    const { pid, supervisorPid, own } = this.#io;
    return new Exits({
      ...this.#shared,
      supervisorPid,
      own,
      endpoint: config.supervisor,
      timeoutMs: config.supervisorTimeoutMs,
      nudge: config.nudge,
      reasons: config.exitReasons,
      logTailBytes: config.logTailBytes,
      logFile: config.supervisorLogFile,
      ownName: config.ownGroup,
      ownPid: pid,
      logsInfo: config.logLevel === 'info' || config.logLevel === 'debug',
      missingEvents: () => this.#eventHandler.missing,
      requestResync: () => this.#resync.request('unreported_exit'),
    });
  }

  #createMetrics(upTimes: UpTimes): RenderMetrics {
    const { exporterMetrics, exitReasons, compat, resources, resourcesIo } = this.#config;
    const readCgroupMemory = resources ? openCgroupMemory() : undefined;
    return createMetrics({
      footprint: exporterMetrics,
      exitReasons,
      compat,
      upTimes,
      selection: this.#selection,
      resources: this.#resources,
      resourcesIo,
      sources: {
        build: this.#io.build,
        table: this.#shared.table,
        events: () => this.#eventHandler.stats,
        resync: this.#resync,
        exits: this.#exits,
        alertmanagers: () => this.#notifier?.stats ?? [],
        cgroupMemory: () => readCgroupMemory?.(),
        collectors: () => this.#collectors(),
      },
    });
  }

  #createPage(): Page {
    return new Page({
      ...this.#shared,
      context: () => this.#pageContext(),
      isUnreported: (process) => this.#exits.isUnreported(process) === true,
      resources: this.#resources,
      logTailOf: (process, request) => this.#shownLogTail(process, request),
      telemetryPath: this.#config.telemetryPath,
    });
  }

  /** Serves HTTP, then listens to events. Ends the exporter where it cannot. */
  async start(): Promise<void> {
    let addresses: readonly BoundAddress[];
    try {
      addresses = await this.#serve();
      this.#isLocal = addresses.every(({ host }) => isLoopback(host));
      await this.#startNotifier(addresses);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      return this.#io.onEnd('failed', error.message);
    }
    this.#logStart(addresses);
    listen(this.#io.input, this.#io.send, {
      onEvent: (event, at) => this.#eventHandler.handle(event, at),
      onUnframeable: (reason) =>
        this.#io.onEnd('failed', `cannot follow what supervisord sends: ${reason}`),
      onEnd: () => this.#io.onEnd('over'),
    });
    this.#watchdog.start();
    void this.#exits.start();
    this.#resync.request('startup');
  }

  /** Logs that events will be missed, unless supervisord is stopping as well. */
  logTermination(signal: NodeJS.Signals): void {
    if (this.#resync.server?.stateCode !== SERVER_STATE_CODES.RUNNING) return;
    this.#io.log.warn(
      `${signal} received, and supervisord has not reported that it is stopping: events are missed until the exporter is started again; "supervisorctl stop all" and "restart all" include event listeners`,
    );
  }

  async #serve(): Promise<readonly BoundAddress[]> {
    const route = createAnswer({
      telemetryPath: this.#config.telemetryPath,
      contentType: CONTENT_TYPE,
      render: () => this.#render(),
      notReady: () => this.#resync.whyNotReady,
      programs: createProgramsAnswer({
        table: this.#shared.table,
        selection: this.#selection,
        whyNotSynced: () => this.#resync.whyNotSynced,
        isUnreported: (process) => this.#exits.isUnreported(process) === true,
        logTailOf: (process, request) => this.#shownLogTail(process, request),
      }),
      page: this.#config.telemetryPath === '/' ? undefined : this.#page,
    });
    const { webConfig } = this.#io;
    return serve({
      addresses: this.#config.listenAddresses,
      createServer: webConfig?.createServer,
      answer: webConfig?.middleware(route) ?? route,
      onError: (error) => this.#io.log.error('a request failed', { reason: String(error) }),
      signal: this.#io.signal,
    });
  }

  async #startNotifier([address]: readonly BoundAddress[]): Promise<void> {
    const { alertmanagers: urls, alertLabels, runbookUrl } = this.#config;
    if (urls.length === 0 || address === undefined) return;
    const { Notifier } = await import('./alertmanager/notifier.ts');
    const { requestedHost: host, port } = address;
    const labels = pushedLabels({ host, port }, this.#io.hostname, alertLabels);
    this.#notifier = new Notifier({
      ...this.#shared,
      urls,
      readHttpConfig: this.#io.readAlertmanagerConfig,
      payload: { labels, runbookUrl },
      selection: this.#selection,
      exitReasons: this.#config.exitReasons,
      logTailOf: (id) => this.#exits.logTailOf(id),
    });
  }

  /**
   * Logs may hold secrets: over HTTP only clients that have authenticated and clients on this host
   * receive them, but not a browser on this host that a foreign site has led here.
   */
  #shownLogTail({ id }: Readonly<Process>, request: IncomingMessage): LogTail | undefined {
    const isShown =
      this.#io.webConfig?.isIdentified(request) === true ||
      (this.#isLocal && !hasForeignHost(request));
    return isShown ? this.#exits.logTailOf(id) : undefined;
  }

  #collectors(): readonly (readonly [name: string, stats: CollectorStats])[] {
    const { exitReasons } = this.#config;
    return [
      ...(this.#resources === undefined ? [] : [['resources', this.#resources.stats] as const]),
      ...(exitReasons ? [['exit_reason', this.#exits.stats.collector] as const] : []),
    ];
  }

  async #render(): Promise<readonly CachedText[]> {
    fitHeapTo(this.#shared.table.size);
    await this.#resources?.read();
    return this.#renderMetrics();
  }

  #pageContext(): Omit<PageContext, 'hasUsage'> {
    const { server, health, isSynced, whyNotReady } = this.#resync;
    return {
      identifier: server?.identifier,
      supervisordVersion: server?.version,
      supervisordState: server && nameOfServerState(server.stateCode),
      host: this.#io.hostname,
      rpc: health,
      isSynced,
      isStalled: this.#exits.stalled,
      waitingSince: whyNotReady === undefined ? undefined : this.#startedAt,
      eventsLost: this.#eventHandler.stats.lost,
      exporterVersion: this.#io.build.version,
    };
  }

  /** What the first snapshot reports of this exporter: whether it is the only one, and in its first life. */
  #checkOwnProcess(snapshot: Snapshot): void {
    const { ownGroup } = this.#config;
    const [self, sibling] = snapshot.processes.filter(({ group }) => group === ownGroup);
    if (sibling !== undefined) {
      this.#io.onEnd(
        'refused',
        `[eventlistener:${ownGroup}] has numprocs above 1, and supervisord distributes the events among its processes, so that no process receives all of them: set numprocs=1`,
      );
    }
    // It has never ended, so no earlier life received events of this pool.
    if (self?.stop === 0) this.#eventHandler.expectFromZero();
  }

  #restartStalled(seconds: number): void {
    this.#io.onEnd(
      'failed',
      `no events from supervisord for ${seconds} s although XML-RPC responds; stdout was written to by another program, or events= lacks PROCESS_STATE; exiting to be restarted`,
    );
  }

  #logStart(addresses: readonly BoundAddress[]): void {
    const { log } = this.#io;
    const { supervisor, telemetryPath: path } = this.#config;
    for (const address of addresses) {
      log.info('listening', { address: formatAddress(address), path });
    }
    const showsLogTails = this.#isLocal || this.#io.webConfig?.demandsCredentials === true;
    if (this.#config.logTailBytes > 0 && !showsLogTails) {
      log.warn(
        'log tails are not shown over HTTP, because every client that reaches the port could read them: require a password or a client certificate in --web.config.file, or listen on a loopback address',
      );
    }
    if (supervisor === undefined) {
      log.warn(
        'supervisord has no HTTP server, so there is no XML-RPC: states are known from events alone; configure [unix_http_server] or set --supervisor.url',
      );
    } else {
      log.info('supervisord', { url: describeEndpoint(supervisor) });
    }
  }
}
