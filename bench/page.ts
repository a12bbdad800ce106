/** What /metrics shows of single series, read without reading all of it. */

import { Scraper, textOf } from './scraper.ts';

export interface Page {
  /** NaN: there is no such series. */
  value(series: string): number;
  /** How many lines match, of a pattern with the flags g and m. */
  count(lines: RegExp): number;
}

export interface Pages {
  read(): Promise<Page>;
  close(): void;
}

export function pagesAt(port: number): Pages {
  const scraper = new Scraper(`http://127.0.0.1:${port}/metrics`);
  return {
    read: async () => pageOf(textOf(await scraper.scrape())),
    close: () => scraper.close(),
  };
}

function pageOf(text: string): Page {
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
