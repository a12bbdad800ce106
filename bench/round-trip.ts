/** `npm run bench round-trip`: from an event to its acknowledgement, against a listener that reads nothing. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAM } from '../test/support/exporter.ts';
import { cleaningUp, temporaryFolder } from './clean-up.ts';
import { type Pinning, pin, runDriver } from './driver.ts';
import { readOptions } from './options.ts';
import { atMost, atMostTimes, formatTable, type Goal, reportGoals } from './report.ts';
import { PeriodicScraper } from './scraper.ts';
import { type Summary, summarize } from './statistics.ts';

/** Back to back. */
const MEDIAN_GOAL = 1.3;
const P99_GOAL_US = 1_000;
const SCRAPED_P99_GOAL_US = 5_000;
const PROCESSES = 200;
const UNREAD_IN_NODE = fileURLToPath(new URL('unread.mjs', import.meta.url));
/** The processes are simulated, so there is nothing to read in /proc. */
const FLAGS = ['--web.listen-address=127.0.0.1:0', '--no-collector.resources'];
const SCRAPES_A_SECOND = 10;
const PAUSE_MS = 2;

interface Variant {
  readonly name: string;
  readonly events: number;
  readonly pauseMs: number;
  readonly isScraped: boolean;
}

/** In microseconds. */
interface Outcome {
  readonly variant: Variant;
  readonly exporter: Summary;
  /** Measured without scrapes only, since a scrape would compete for the core. */
  readonly unread: { readonly inC: Summary; readonly inNode: Summary } | undefined;
}

const counts = readOptions({ events: 5_000, blocks: 10 });
const backToBack = { events: counts.events, pauseMs: 0 };
/** Fewer events, since each is preceded by a pause. */
const atRandom = { events: Math.ceil(counts.events / 10), pauseMs: PAUSE_MS };
const VARIANTS: readonly Variant[] = [
  { ...backToBack, name: 'back to back', isScraped: false },
  { ...backToBack, name: 'back to back, scraped', isScraped: true },
  { ...atRandom, name: 'at random moments', isScraped: false },
  { ...atRandom, name: 'at random moments, scraped', isScraped: true },
];

await cleaningUp(10, async () => {
  const pinning = pin();
  const unread = compileUnread();
  console.log(`From an event to its acknowledgement; ${pinning.about}.`);
  console.log(
    `${counts.blocks} blocks of ${backToBack.events} events back to back, and of ${atRandom.events} at random moments, ${PAUSE_MS} ms apart;`,
  );
  console.log(`scraped: ${SCRAPES_A_SECOND} times a second, with ${PROCESSES} processes.\n`);

  const outcomes: Outcome[] = [];
  for (const variant of VARIANTS) {
    console.error(`measuring: ${variant.name}`);
    outcomes.push(await measure(variant, unread, pinning));
  }
  console.log(formatTable(tableOf(outcomes)));
  reportGoals(outcomes.flatMap(goalsOf));
});

function compileUnread(): string {
  const source = fileURLToPath(new URL('unread.c', import.meta.url));
  const binary = join(temporaryFolder(), 'unread');
  execFileSync('cc', ['-O2', '-o', binary, source], { stdio: 'inherit' });
  return binary;
}

async function measure(variant: Variant, unread: string, pinning: Pinning): Promise<Outcome> {
  const exporter = [process.execPath, PROGRAM, ...FLAGS];
  const peers = [[unread], [process.execPath, UNREAD_IN_NODE]];
  const listeners = variant.isScraped ? [exporter] : [exporter, ...peers];
  const plan = {
    listeners: listeners.map((command) => [...pinning.apart, ...command]),
    processes: PROCESSES,
    blocks: counts.blocks,
    events: variant.events,
    warmUp: counts.events,
    pauseMs: variant.pauseMs,
  };
  const scraper = new PeriodicScraper(SCRAPES_A_SECOND);
  try {
    const [ofExporter = [], inC, inNode] = await runDriver(plan, pinning.near, (stderr) => {
      if (variant.isScraped) scraper.startAt(stderr);
    });
    if (variant.isScraped) scraper.expect(PROCESSES);
    return {
      variant,
      exporter: summarize(ofExporter),
      unread: inC && inNode && { inC: summarize(inC), inNode: summarize(inNode) },
    };
  } finally {
    scraper.stop();
  }
}

function tableOf(outcomes: readonly Outcome[]): string[][] {
  const rows = [['microseconds', 'median', 'p99', 'max', 'ratio']];
  for (const { variant, exporter, unread } of outcomes) {
    const row = (who: string, summary: Summary) => [
      `${variant.name}: ${who}`,
      ...cellsOf(summary),
      unread ? ratioOf(summary, unread.inC) : '',
    ];
    rows.push(row('exporter', exporter));
    if (unread) rows.push(row('unread in C', unread.inC), row('unread in Node', unread.inNode));
  }
  return rows;
}

function cellsOf({ median, p99, max }: Summary): string[] {
  return [median, p99, max].map((value) => value.toFixed(0));
}

function ratioOf(listener: Summary, unreadInC: Summary): string {
  return (listener.median / unreadInC.median).toFixed(2);
}

function goalsOf({ variant, exporter, unread }: Outcome): Goal[] {
  const what = `event to acknowledgement, ${variant.name}`;
  const us = (microseconds: number) => `${microseconds.toFixed(0)} µs`;
  const p99 = (limit: number, inC?: string) => atMost(`${what}: p99`, exporter.p99, limit, us, inC);
  if (variant.isScraped) return [p99(SCRAPED_P99_GOAL_US, '')];
  // At random moments both wait for the core to wake, which is no figure of the exporter's.
  if (unread === undefined || variant.pauseMs > 0) return [];
  const { inC } = unread;
  const median = { name: 'unread in C', value: inC.median };
  return [
    atMostTimes(`${what}: median`, exporter.median, median, MEDIAN_GOAL, us),
    p99(P99_GOAL_US, `unread in C: ${us(inC.p99)}`),
  ];
}
