/** The exporter, scraped over and over while something else goes on. */

import { type Scrape, Scraper, samplesOf } from './scraper.ts';

export class Scraping {
  readonly #everyMs: number;
  #scraper: Scraper | undefined;
  #timer: NodeJS.Timeout | undefined;
  #last: Scrape | undefined;

  constructor(timesASecond: number) {
    this.#everyMs = 1_000 / timesASecond;
  }

  /** Starts as soon as the exporter's log tells the port. */
  startAt(log: string): void {
    const [, port] = /msg=listening address=\S*:(\d+)/.exec(log) ?? [];
    if (port === undefined || this.#scraper !== undefined) return;
    const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
    this.#scraper = scraper;
    this.#timer = setInterval(() => {
      // One that the exporter's end cuts off is no matter.
      scraper.scrape().then(
        (scrape) => {
          this.#last = scrape;
        },
        () => {},
      );
    }, this.#everyMs);
  }

  /** Throws unless the last scrape shows that many programs, by a metric that each has one series of. */
  expect(wanted: number, metric = 'supervisord_up'): void {
    const samples = this.#last === undefined ? [] : samplesOf(this.#last);
    const programs = samples.filter((line) => line.startsWith(`${metric}{`)).length;
    if (programs !== wanted) throw new Error(`scraped ${programs} programs, not ${wanted}`);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#scraper?.close();
  }
}
