/** Scrapes at its pace, and remembers how that went. */

import { Exposition } from '../test/support/exposition.ts';
import { atEnd } from './clean-up.ts';
import { evenly, type Routine } from './routines.ts';
import { Scraper, samplesOf } from './scraper.ts';

export class Prometheus {
  readonly #scraper: Scraper;
  readonly #everyMs: number;
  scrapes = 0;
  failures = 0;
  slowestMs = 0;

  constructor(url: string, everyMs: number) {
    this.#scraper = new Scraper(url);
    this.#everyMs = everyMs;
    atEnd(() => this.#scraper.close());
  }

  scraping(): Routine {
    return { pauseMs: evenly(this.#everyMs), round: () => this.#scrape() };
  }

  async #scrape(): Promise<void> {
    this.scrapes += 1;
    try {
      const { ms } = await this.#scraper.scrape();
      this.slowestMs = Math.max(this.slowestMs, ms);
    } catch {
      this.failures += 1;
    }
  }
}

/** What is shown right now. */
export async function expose(url: string): Promise<Exposition> {
  const scraper = new Scraper(url);
  try {
    return new Exposition(samplesOf(await scraper.scrape()).join('\n'));
  } finally {
    scraper.close();
  }
}
