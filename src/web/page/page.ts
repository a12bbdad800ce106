/** `/`, a page for people: what it needs of the exporter, and its answers. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Process } from '../../processes/process.ts';
import type { ProcessTable } from '../../processes/table.ts';
import { signalName } from '../../supervisor/signals.ts';
import { Mutex } from '../../util/mutex.ts';
import { EVENTS_PATH } from '../paths.ts';
import { sendCompressible, sendText } from '../respond.ts';
import { parseQuery } from './arrange.ts';
import { ASSETS, type Asset, BUILD } from './assets.ts';
import { documentOf } from './document.ts';
import { Live } from './live.ts';
import { type Consumptions, CpuMeter } from './meter.ts';
import { type Facts, type Row, rowOf, stepOf, type View } from './view.ts';

export interface PageOptions {
  readonly table: ProcessTable;
  readonly facts: () => Omit<Facts, 'hasUsage'>;
  /** undefined where what processes use is not read. */
  readonly consumptions: Consumptions | undefined;
  readonly telemetryPath: string;
}

/** Nothing from elsewhere, nothing inline, nothing that could be sent anywhere. */
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
  readonly #meter = new CpuMeter();
  /** One document at a time, and events in between: many clients at once would delay them. */
  readonly #documents = new Mutex();
  readonly #live = new Live({ gather: () => this.#gather(), refresh: () => this.#measure() });

  constructor(options: PageOptions) {
    this.#options = options;
  }

  /** Something may have changed. */
  poke(): void {
    this.#live.poke();
  }

  stop(): void {
    this.#live.stop();
  }

  /** Answers a path that is the page's; undefined where it is not. */
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
    await this.#measure();
    const [, query = ''] = (request.url ?? '').split('?', 2);
    const pieces = documentOf(this.#gather(), {
      arrangement: parseQuery(query),
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
    if (this.#live.isFull) {
      response.setHeader('Retry-After', '15');
      return sendText(request, response, 503, 'too many streams are open\n');
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      // nginx would otherwise hold back what it gets until it has enough of it.
      'X-Accel-Buffering': 'no',
    });
    if (request.method === 'HEAD') return void response.end();
    this.#live.add(response);
  }

  /** Has read what processes use; others may have it read at the same time, and then it is read once. */
  async #measure(): Promise<void> {
    const { table, consumptions } = this.#options;
    await consumptions?.read();
    const at = performance.now() / 1000;
    for (const process of table.values()) {
      const used = consumptions?.usageOf(process);
      if (used !== undefined) this.#meter.take(process, used, at);
    }
  }

  #gather(): View {
    const { table, facts, consumptions } = this.#options;
    return {
      now: Date.now() / 1000,
      facts: { ...facts(), hasUsage: consumptions !== undefined },
      rows: [...table.values()].map((process) =>
        rowOf(process, this.#usageOf(process), signalName),
      ),
      steps: table.recent.values().map((transition) => stepOf(transition, signalName)),
    };
  }

  #usageOf(process: Readonly<Process>): Pick<Row, 'cpu' | 'memory'> {
    const used = this.#options.consumptions?.usageOf(process);
    return {
      cpu: used && this.#meter.coresOf(process, used.pid),
      memory: used?.residentBytes,
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
  if (isKnown(request.headers['if-none-match'], etag)) response.writeHead(304).end();
  else sendCompressible(request, response, 200, contentType, body);
}

/** Whether an If-None-Match names this ETag (RFC 9110, section 13.1.2). */
function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const known = header.split(',').map((tag) => tag.trim());
  return known.includes(etag) || known.includes('*');
}
