/** The exporter with as many programs as one likes: it is spoken to over its pipes, and no program is there. */

import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/deadline.ts';
import { RunningExporter } from '../test/support/exporter.ts';
import { atEnd } from './clean-up.ts';
import { Dialogue } from './dialogue.ts';
import { pagesAt } from './page.ts';
import { residentBytes } from './proc.ts';
import { Scraper } from './scraper.ts';
import { type Question, SimulatedRpc } from './simulated-rpc.ts';
import { median, type Summary, summarize } from './statistics.ts';

/** An event that comes within a pause of the loop is seen to wait for what is left of it. */
const PROBE_EVERY_MS = 2;
const IDLE_MS = 1_000;
/** How long the rest of an answer may take to be read. */
const LEAST_SETTLE_MS = 300;
const SETTLE_MS_A_PROGRAM = 1;
/** The kernel holds no more than what is said of some thousand. */
const MOST_HELD_PROGRAMS = 4_000;
const READ_DEADLINE_MS = 60_000;
const CHANGED_PROGRAMS = 20;
/** The sum of its four events is a restart. */
const RESTARTS = 1_250;
const STORM_SCRAPE_MS = 100;
const WARM_UP_SCRAPES = 5;
const MEMORY_SETTLE_MS = 1_000;
const MB = 2 ** 20;

/** Pauses of the event loop, as events feel them: the longest one of each time that something was done. */
export interface Pauses {
  readonly nothing: number[];
  readonly firstSnapshot: number[];
  readonly settings: number[];
  readonly snapshot: number[];
  /** Behind a snapshot, which may have changed anything. */
  readonly fullScrape: number[];
  /** Behind some restarts. */
  readonly scrape: number[];
}

export interface Simulated {
  readonly pauses: Pauses;
  /** Of a scrape behind some restarts. */
  readonly scrapeMs: number;
  /** Of a scrape behind a snapshot. */
  readonly fullScrapeMs: number;
  /** To read a snapshot that comes at once. */
  readonly readMs: number;
  readonly residentMb: number;
  /** Of acknowledgements in a storm of restarts, while it is scraped. */
  readonly storm: Summary;
}

export interface SimulationPlan {
  readonly programs: number;
  /** Starts of the exporter. */
  readonly lives: number;
  /** Snapshots and scrapes in each life. */
  readonly rounds: number;
}

export async function simulate(plan: SimulationPlan): Promise<Simulated> {
  const pauses: Pauses = {
    nothing: [],
    firstSnapshot: [],
    settings: [],
    snapshot: [],
    fullScrape: [],
    scrape: [],
  };
  const lives: Life[] = [];
  for (let life = 0; life < plan.lives; life++) lives.push(await live(plan, pauses));
  const storms = lives.flatMap(({ stormMs }) => stormMs);
  return {
    pauses,
    scrapeMs: median(lives.flatMap(({ scrapeMs }) => scrapeMs)),
    fullScrapeMs: median(lives.flatMap(({ fullScrapeMs }) => fullScrapeMs)),
    readMs: median(lives.flatMap(({ readMs }) => readMs)),
    residentMb: median(lives.map(({ residentMb }) => residentMb)),
    storm: summarize(storms),
  };
}

interface Life {
  readonly scrapeMs: number[];
  readonly fullScrapeMs: number[];
  readonly readMs: number[];
  readonly stormMs: number[];
  readonly residentMb: number;
}

async function live({ programs, rounds }: SimulationPlan, pauses: Pauses): Promise<Life> {
  const settleMs = LEAST_SETTLE_MS + SETTLE_MS_A_PROGRAM * Math.min(programs, MOST_HELD_PROGRAMS);
  const questions = new EventEmitter();
  const asked = (question: Question) => once(questions, `asked ${question}`);
  const answered = (question: Question) =>
    once(questions, `answered ${question}`).then(() => sleep(settleMs));
  // The settings are asked for behind the first snapshot.
  const firstSnapshot = asked('settings');
  const settings = answered('settings');
  // A process that is there, for the exporter looks at the pids of what runs.
  const { pid } = process;
  let dialogue: Dialogue | undefined;
  const rpc = await SimulatedRpc.start({
    programs,
    pid,
    onRemoteCommEvent: (type, data) => void dialogue?.remote(type, data),
    onAsked: (question) => questions.emit(`asked ${question}`),
    onAnswered: (question) => questions.emit(`answered ${question}`),
  });
  const exporter = new RunningExporter(
    ['--web.listen-address=127.0.0.1:0', '--no-collector.resources', `--supervisor.url=${rpc.url}`],
    {},
  );
  atEnd(() => exporter.child.kill('SIGKILL'));
  await exporter.ready();
  dialogue = new Dialogue(exporter);
  const told = dialogue;
  pauses.firstSnapshot.push(await longestPause(told, firstSnapshot));
  pauses.settings.push(await longestPause(told, settings));
  pauses.nothing.push(await longestPause(told, sleep(IDLE_MS)));

  const scraper = new Scraper(exporter.url('/metrics'));
  const pages = pagesAt(exporter.port);
  const scrapeMs: number[] = [];
  const fullScrapeMs: number[] = [];
  const readMs: number[] = [];
  for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await scraper.scrape();
  for (let round = 0; round < rounds; round++) {
    const began = Date.now() / 1_000;
    const read = answered('snapshot');
    await told.tick();
    pauses.snapshot.push(await longestPause(told, read));
    fullScrapeMs.push(await timedScrape(scraper, told, pauses.fullScrape));
    for (let nth = 0; nth < CHANGED_PROGRAMS; nth++) await told.restart(nth % programs, pid);
    scrapeMs.push(await timedScrape(scraper, told, pauses.scrape));

    const page = await eventually(READ_DEADLINE_MS, async () => {
      const shown = await pages.read();
      const running = shown.count(/^supervisord_state\{name="program-.* 20$/gm);
      const resynced = shown.value('supervisord_exporter_last_resync_timestamp_seconds');
      if (running !== programs || !(resynced >= began)) {
        throw new Error(`${running} programs run, by a snapshot of ${resynced}, not ${began}`);
      }
      return shown;
    });
    readMs.push(1_000 * page.value('supervisord_exporter_resync_duration_seconds'));
  }
  const stormMs = await storm(told, scraper, programs, pid);
  await sleep(MEMORY_SETTLE_MS);
  const residentMb = residentBytes(exporter.child.pid ?? 0) / MB;
  scraper.close();
  pages.close();
  await exporter.kill();
  rpc.stop();
  return { scrapeMs, fullScrapeMs, readMs, stormMs, residentMb };
}

async function timedScrape(scraper: Scraper, told: Dialogue, longest: number[]): Promise<number> {
  const scrape = scraper.scrape();
  longest.push(await longestPause(told, scrape));
  return (await scrape).ms;
}

/** The longest that an event waits for its acknowledgement until something is over. */
async function longestPause(told: Dialogue, something: Promise<unknown>): Promise<number> {
  let isOver = false;
  const over = something.then(() => {
    isOver = true;
  });
  let longest = 0;
  while (!isOver) {
    longest = Math.max(longest, await told.probe());
    await sleep(PROBE_EVERY_MS);
  }
  await over;
  return longest;
}

/** Restarts without a break, of all programs in turns; resolves to what each event took. */
async function storm(
  told: Dialogue,
  scraper: Scraper,
  programs: number,
  pid: number,
): Promise<number[]> {
  const taken: number[] = [];
  let failure: unknown;
  const scraping = setInterval(() => {
    scraper.scrape().catch((error) => {
      failure = error;
    });
  }, STORM_SCRAPE_MS);
  for (let restart = 0; restart < RESTARTS; restart++) {
    taken.push(...(await told.restart(restart % programs, pid)));
  }
  clearInterval(scraping);
  if (failure !== undefined) throw failure;
  return taken;
}
