/** Scrapes as Prometheus does: over a connection that it keeps, compressed, to the last byte. */

import { Agent, get } from 'node:http';
import { gunzipSync } from 'node:zlib';

export interface Scrape {
  readonly ms: number;
  /** As it was transferred. */
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

/** The lines of a scrape that are samples. */
export function samplesOf(scrape: Scrape): string[] {
  return textOf(scrape)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

export function textOf({ body, encoding }: Scrape): string {
  return (encoding === 'gzip' ? gunzipSync(body) : body).toString();
}
