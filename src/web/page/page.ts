/** The page at `/`: its document, its assets and its event stream. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChangeFeed } from '../../processes/changes.ts';
import type { Process } from '../../processes/process.ts';
import type { ProcessTable } from '../../processes/table.ts';
import { signalName } from '../../supervisor/signals.ts';
import { Mutex } from '../../util/mutex.ts';
import { EVENTS_PATH } from '../paths.ts';
import { sendCompressible, sendText } from '../respond.ts';
import { ASSETS, type Asset, BUILD } from './assets.ts';
import { CpuRates, type ResourceUsageReader } from './cpu-rate.ts';
import { renderDocument } from './document.ts';
import { LiveUpdates } from './live-updates.ts';
import { RecentTransitions } from './recent-transitions.ts';
import { parseQuery } from './table-query.ts';
import { type PageContext, type Row, rowOf, transitionOf, type View } from './view.ts';

export interface PageOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly context: () => Omit<PageContext, 'hasUsage'>;
  /** undefined where resource usage is not collected. */
  readonly resources: ResourceUsageReader | undefined;
  readonly telemetryPath: string;
  readonly signal: AbortSignal;
}

/** Allows nothing from other origins and nothing inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export class Page {
  readonly #options: PageOptions;
  readonly #cpuRates = new CpuRates();
  readonly #recent = new RecentTransitions();
  /** One document at a time: many clients at once would delay events. */
  readonly #documents = new Mutex();
  readonly #liveUpdates: LiveUpdates;

  constructor(options: PageOptions) {
    this.#options = options;
    this.#liveUpdates = new LiveUpdates({
      buildView: () => this.#buildView(),
      refresh: () => this.#readUsage(),
      signal: options.signal,
    });
    options.changes.subscribe((change) => {
      this.#recent.handle(change);
      this.#liveUpdates.schedule();
    });
  }

  /** Answers the paths of the page; returns undefined for any other path. */
  answer(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> | undefined {
    if (path === '/') return this.#documents.run(() => this.#sendDocument(request, response));
    if (path === EVENTS_PATH) return this.#sendStream(request, response);
    const asset = ASSETS.get(path);
    return asset && sendAsset(asset, request, response);
  }

  async #sendDocument(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (response.destroyed) return;
    await this.#readUsage();
    const [, search = ''] = (request.url ?? '').split('?', 2);
    const pieces = renderDocument(this.#buildView(), {
      query: parseQuery(search),
      telemetryPath: this.#options.telemetryPath,
      build: BUILD,
    });
    let html = '';
    for (const piece of pieces) {
      html += piece;
      await nextTurn();
    }
    response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cache-Control', 'no-store');
    sendCompressible(request, response, 200, 'text/html; charset=utf-8', html);
  }

  async #sendStream(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#liveUpdates.isFull) {
      response.setHeader('Retry-After', '15');
      return sendText(request, response, 503, 'too many streams are open\n');
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      // nginx would otherwise buffer the stream.
      'X-Accel-Buffering': 'no',
    });
    if (request.method === 'HEAD') return void response.end();
    this.#liveUpdates.subscribe(response);
  }

  /** Reads resource usage; a reading that is in progress is shared. */
  async #readUsage(): Promise<void> {
    const { table, resources } = this.#options;
    await resources?.read();
    const at = performance.now() / 1000;
    for (const process of table.values()) {
      const usage = resources?.usageOf(process);
      if (usage !== undefined) this.#cpuRates.observe(process, usage, at);
    }
  }

  #buildView(): View {
    const { table, context, resources } = this.#options;
    return {
      now: Date.now() / 1000,
      context: { ...context(), hasUsage: resources !== undefined },
      rows: [...table.values()].map((process) =>
        rowOf(process, this.#usageOf(process), signalName),
      ),
      transitions: this.#recent.values().map((recent) => transitionOf(recent, signalName)),
    };
  }

  #usageOf(process: Readonly<Process>): Pick<Row, 'cpu' | 'memory'> {
    const usage = this.#options.resources?.usageOf(process);
    return {
      cpu: usage && this.#cpuRates.coresOf(process, usage.pid),
      memory: usage?.residentBytes,
    };
  }
}

async function sendAsset(
  { contentType, body, etag }: Asset,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('ETag', etag);
  response.setHeader('Cache-Control', 'no-cache');
  if (isCurrent(request.headers['if-none-match'], etag)) response.writeHead(304).end();
  else sendCompressible(request, response, 200, contentType, body);
}

/** Whether an If-None-Match header names this ETag (RFC 9110, section 13.1.2). */
function isCurrent(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const known = header.split(',').map((tag) => tag.trim());
  return known.includes(etag) || known.includes('*');
}
