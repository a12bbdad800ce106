/** Scrapes as Prometheus does: over a persistent connection, compressed, to the last byte. */

import { Agent, get } from 'node:http';
import { gunzipSync } from 'node:zlib';

export interface Scrape {
  readonly ms: number;
  /** As transferred, compressed. */
  readonly body: Buffer;
  readonly encoding: string | undefined;
}

const HEADERS = {
  Accept: 'text/plain;version=0.0.4;q=1,*/*;q=0.1',
  'Accept-Encoding': 'gzip',
};
const TIMEOUT_MS = 60_000;

export class Scraper {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string) {
    this.#url = url;
  }

  scrape(): Promise<Scrape> {
    return new Promise((resolve, reject) => {
      const began = performance.now();
      const options = { agent: this.#agent, headers: HEADERS, timeout: TIMEOUT_MS };
      const request = get(this.#url, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const ms = performance.now() - began;
          if (response.statusCode !== 200) {
            return reject(new Error(`${this.#url}: HTTP status ${response.statusCode}`));
          }
          const encoding = response.headers['content-encoding'];
          resolve({ ms, body: Buffer.concat(chunks), encoding });
        });
      });
      request.on('timeout', () => request.destroy(new Error(`${this.#url}: no answer`)));
      request.on('error', reject);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The sample lines of a scrape. */
export function samplesOf(scrape: Scrape): string[] {
  return textOf(scrape)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

export function textOf({ body, encoding }: Scrape): string {
  return (encoding === 'gzip' ? gunzipSync(body) : body).toString();
}

/** Reads single series of a scrape without parsing all of it. */
export interface MetricsText {
  /** NaN if there is no such series. */
  value(series: string): number;
  /** The number of matching lines. The pattern needs the flags g and m. */
  count(lines: RegExp): number;
}

export interface MetricsReader {
  read(): Promise<MetricsText>;
  close(): void;
}

export function metricsReaderAt(port: number): MetricsReader {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  return {
    read: async () => metricsTextOf(textOf(await scraper.scrape())),
    close: () => scraper.close(),
  };
}

function metricsTextOf(text: string): MetricsText {
  return {
    value(series) {
      const found = text.indexOf(`\n${series} `);
      if (found === -1) return Number.NaN;
      const begin = found + series.length + 2;
      return Number(text.slice(begin, text.indexOf('\n', begin)));
    },
    count: (lines) => text.match(lines)?.length ?? 0,
  };
}

/** Scrapes an exporter at a fixed rate while something else is measured. */
export class PeriodicScraper {
  readonly #everyMs: number;
  #scraper: Scraper | undefined;
  #timer: NodeJS.Timeout | undefined;
  #last: Scrape | undefined;

  constructor(timesASecond: number) {
    this.#everyMs = 1_000 / timesASecond;
  }

  /** Starts as soon as the exporter's log contains the listen address. */
  startAt(log: string): void {
    const [, port] = /msg=listening address=\S*:(\d+)/.exec(log) ?? [];
    if (port === undefined || this.#scraper !== undefined) return;
    const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
    this.#scraper = scraper;
    this.#timer = setInterval(() => {
      // A scrape that fails because the exporter has ended is ignored.
      scraper.scrape().then(
        (scrape) => {
          this.#last = scrape;
        },
        () => {},
      );
    }, this.#everyMs);
  }

  /** Throws unless the last scrape has so many series of `metric`. */
  expect(wanted: number, metric = 'supervisord_up'): void {
    const samples = this.#last === undefined ? [] : samplesOf(this.#last);
    const series = samples.filter((line) => line.startsWith(`${metric}{`)).length;
    if (series !== wanted) throw new Error(`scraped ${series} series of ${metric}, not ${wanted}`);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#scraper?.close();
  }
}
