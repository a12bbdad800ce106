/** Serves the page with data that a test makes up, so that any state of it can be looked at. */

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Detail } from '../../src/web/page/detail.ts';
import { findRow } from '../../src/web/page/detail-parts.ts';
import { renderDocument } from '../../src/web/page/document.ts';
import { parseQuery } from '../../src/web/page/table-query.ts';
import type { Change, View } from '../../src/web/page/view.ts';
import { applyChanges } from '../../src/web/page/view.ts';

const PAGE = fileURLToPath(new URL('../../src/web/page', import.meta.url));
const BUILD = 'test';

type Assets = ReadonlyMap<string, readonly [type: string, text: string]>;

export class PageServer {
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #assets: Assets;
  #view: View;
  readonly #details = new Map<string, Detail>();

  static async start(view: View): Promise<PageServer> {
    const [script, style] = await Promise.all([bundle('client/main.ts'), bundle('style.css')]);
    const assets = new Map([
      ['/-/page.js', ['text/javascript', script] as const],
      ['/-/page.css', ['text/css', style] as const],
      ['/-/page.svg', ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>'] as const],
    ]);
    const server = new PageServer(view, assets);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  private constructor(view: View, assets: Assets) {
    this.#view = view;
    this.#assets = assets;
    this.#server = createServer((request, response) => {
      const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
      const asset = this.#assets.get(pathname);
      if (asset !== undefined) {
        response.writeHead(200, { 'content-type': asset[0] }).end(asset[1]);
      } else if (pathname === '/-/events') {
        this.#follow(response);
      } else if (pathname === '/') {
        this.#answer(search, /json/.test(request.headers.accept ?? ''), response);
      } else {
        response.writeHead(404).end();
      }
    });
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  addDetail(detail: Detail): void {
    this.#details.set(`${detail.group}:${detail.name}`, detail);
  }

  /** Replaces the data for all who follow. */
  show(view: View): void {
    this.#view = view;
    this.#send({ kind: 'snapshot', build: BUILD, view });
  }

  send(change: Change): void {
    this.#view = applyChanges(this.#view, [change]);
    this.#send({ kind: 'change', ...change });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #send(message: unknown): void {
    for (const stream of this.#streams) stream.write(`data: ${JSON.stringify(message)}\n\n`);
  }

  #follow(response: ServerResponse): void {
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const message = { kind: 'snapshot', build: BUILD, view: this.#view };
    response.write(`data: ${JSON.stringify(message)}\n\n`);
  }

  #answer(search: string, asJson: boolean, response: ServerResponse): void {
    const query = parseQuery(search);
    const row = findRow(this.#view.rows, query.process);
    const detail = row && this.#details.get(`${row.group}:${row.name}`);
    if (asJson) {
      response.writeHead(detail ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(detail ?? {}));
      return;
    }
    const pieces = renderDocument(this.#view, detail, {
      query,
      telemetryPath: '/metrics',
      build: BUILD,
    });
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end([...pieces].join(''));
  }
}

async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: PAGE,
    entryPoints: [file],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0]?.text ?? '';
}
