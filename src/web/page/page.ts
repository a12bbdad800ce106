/** The page at `/`: its document, its assets and its event stream. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ChangeFeed, idOf } from '../../processes/changes.ts';
import type { LogTail } from '../../processes/log-tail.ts';
import type { Process } from '../../processes/process.ts';
import type { ProcessTable } from '../../processes/table.ts';
import { signalName } from '../../supervisor/signals.ts';
import { type PausableWork, runInSlices, TimeSlice } from '../../util/time-slice.ts';
import { AnswerQueue } from '../answer-queue.ts';
import { EVENTS_PATH } from '../paths.ts';
import { send, sendCompressible, sendKept, sendText } from '../respond.ts';
import { ASSETS, type Asset, BUILD } from './assets.ts';
import { CpuRates, type ResourceUsageReader } from './cpu-rate.ts';
import { type Detail, detailOf } from './detail.ts';
import { findRow } from './detail-parts.ts';
import { renderDocument } from './document.ts';
import { Histories } from './history.ts';
import { LiveUpdates } from './live-updates.ts';
import { type RecentTransition, RecentTransitions } from './recent-transitions.ts';
import { RowStore } from './row-store.ts';
import { parseQuery } from './table-query.ts';
import {
  type PageContext,
  type Row,
  rowOf,
  type Transition,
  transitionOf,
  type View,
} from './view.ts';

export interface PageOptions {
  readonly table: ProcessTable;
  readonly changes: ChangeFeed;
  readonly context: () => Omit<PageContext, 'hasUsage'>;
  /** undefined where resource usage is not collected. */
  readonly resources: ResourceUsageReader | undefined;
  /** Whether a process is gone although no event has reported it. */
  readonly isUnreported?: ((process: Readonly<Process>) => boolean) | undefined;
  /** The end of the log at the last unexpected exit or failed start, if one was kept and the client may see it. */
  readonly logTailOf?:
    | ((process: Readonly<Process>, request: IncomingMessage) => LogTail | undefined)
    | undefined;
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
  // The filter, without scripts.
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** Rates differ in each reading; smaller differences are not shown. */
const CPU_RESOLUTION = 0.001;

export class Page {
  readonly #options: PageOptions;
  readonly #cpuRates = new CpuRates();
  readonly #recent = new RecentTransitions();
  readonly #transitionsOf = new WeakMap<RecentTransition, Transition>();
  readonly #histories = new Histories();
  readonly #store: RowStore;
  /** Of documents and of the beginnings of streams. */
  readonly #answers = new AnswerQueue();
  readonly #liveUpdates: LiveUpdates;

  constructor(options: PageOptions) {
    this.#options = options;
    this.#store = new RowStore(options.table, (process) => this.#rowOf(process));
    this.#liveUpdates = new LiveUpdates({
      store: this.#store,
      context: () => this.#context(),
      transitions: () => this.#transitions(),
      refresh: () => this.#refresh(),
      signal: options.signal,
    });
    options.changes.subscribe((change) => {
      this.#recent.handle(change);
      this.#histories.handle(change, Date.now() / 1000);
      this.#store.mark(idOf(change));
      this.#liveUpdates.schedule();
    });
  }

  /** Answers the paths of the page; returns undefined for any other path. */
  answer(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> | undefined {
    if (path === '/') {
      return this.#answers.run(request, response, () => this.#sendDocument(request, response));
    }
    if (path === EVENTS_PATH) {
      return this.#answers.run(request, response, () => this.#sendStream(request, response));
    }
    const asset = ASSETS.get(path);
    return asset && sendAsset(asset, request, response);
  }

  async #sendDocument(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#refresh();
    await runInSlices(this.#store.update());
    const [, search = ''] = (request.url ?? '').split('?', 2);
    const query = parseQuery(search);
    const view = this.#view();
    const row = findRow(view.rows, query.process);
    const detail = row && this.#detailOf(row, request);
    response.setHeader('Cache-Control', 'no-store');
    if (wantsJson(request)) {
      const status = detail === undefined ? 404 : 200;
      const body = JSON.stringify(detail ?? { error: 'no such process' });
      return send(request, response, status, 'application/json', body);
    }
    const pieces = renderDocument(view, detail, {
      query,
      telemetryPath: this.#options.telemetryPath,
      build: BUILD,
    });
    const html = await encodeInSlices(pieces);
    response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    response.setHeader('Referrer-Policy', 'no-referrer');
    const status = query.process !== undefined && row === undefined ? 404 : 200;
    await sendCompressible(request, response, status, 'text/html; charset=utf-8', html);
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
    await this.#liveUpdates.subscribe(response);
  }

  /** Reads what is not published as a change; a reading of resource usage in progress is shared. */
  async #refresh(): Promise<void> {
    await this.#options.resources?.read();
    await runInSlices(this.#markRefreshed(performance.now() / 1000));
  }

  /** `at`: of a monotonic clock. */
  *#markRefreshed(at: number): PausableWork<void> {
    const { table, resources } = this.#options;
    for (const process of [...table.values()]) {
      yield;
      const usage = resources?.usageOf(process);
      if (usage !== undefined) this.#cpuRates.observe(process, usage, at);
      const row = this.#store.get(process.id);
      const now = this.#factsOf(process);
      const isGone = row?.trouble === 'unreported exit';
      if (row?.cpu !== now.cpu || row?.memory !== now.memory || isGone !== now.isUnreported) {
        this.#store.mark(process.id);
      }
    }
  }

  #view(): View {
    return {
      now: Date.now() / 1000,
      context: this.#context(),
      rows: this.#store.rows(),
      transitions: this.#transitions(),
    };
  }

  #context(): PageContext {
    const { context, resources } = this.#options;
    return { ...context(), hasUsage: resources !== undefined };
  }

  /** A recent transition whose reason becomes known is replaced by another object. */
  #transitions(): readonly Transition[] {
    return this.#recent.values().map((recent) => {
      const known = this.#transitionsOf.get(recent) ?? transitionOf(recent, signalName);
      this.#transitionsOf.set(recent, known);
      return known;
    });
  }

  #rowOf(process: Readonly<Process>): Row {
    const { timeline } = this.#histories.of(process.id);
    return rowOf(process, { ...this.#factsOf(process), timeline }, signalName);
  }

  #factsOf(process: Readonly<Process>): {
    readonly cpu: number | undefined;
    readonly memory: number | undefined;
    readonly isUnreported: boolean;
  } {
    const { resources, isUnreported } = this.#options;
    const usage = resources?.usageOf(process);
    const cores = usage && this.#cpuRates.coresOf(process, usage.pid);
    return {
      cpu: cores && Math.round(cores / CPU_RESOLUTION) * CPU_RESOLUTION,
      memory: usage?.residentBytes,
      isUnreported: isUnreported?.(process) ?? false,
    };
  }

  #detailOf(row: Row, request: IncomingMessage): Detail | undefined {
    const { table, resources, logTailOf } = this.#options;
    const process = table.get(row);
    if (process === undefined) return undefined;
    const usage = resources?.usageOf(process);
    return detailOf({
      process,
      history: this.#histories.of(row),
      cpuSeconds: usage && usage.cpuUserSeconds + usage.cpuSystemSeconds,
      logTail: logTailOf?.(process, request),
      nameOf: signalName,
    });
  }
}

/** The text of a large document would be flattened and encoded in one turn of the event loop. */
const CHUNK_CHARACTERS = 16_384;

async function encodeInSlices(pieces: Iterable<string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const slice = new TimeSlice();
  let text = '';
  for (const piece of pieces) {
    text += piece;
    if (text.length >= CHUNK_CHARACTERS) {
      chunks.push(Buffer.from(text));
      text = '';
    }
    await slice.pause();
  }
  return Buffer.concat([...chunks, Buffer.from(text)]);
}

function wantsJson({ headers }: IncomingMessage): boolean {
  return /\bapplication\/json\b/i.test(headers.accept ?? '');
}

async function sendAsset(
  { contentType, text, etag }: Asset,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('ETag', etag);
  response.setHeader('Cache-Control', 'no-cache');
  if (isCurrent(request.headers['if-none-match'], etag)) response.writeHead(304).end();
  else await sendKept(request, response, contentType, [text]);
}

/** Whether an If-None-Match header names this ETag (RFC 9110, section 13.1.2). */
function isCurrent(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const known = header.split(',').map((tag) => tag.trim());
  return known.includes(etag) || known.includes('*');
}
