/**
 * Runs the exporter with any number of simulated processes. The bench takes the part of
 * supervisord on the exporter's pipes and on XML-RPC.
 */

import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Mutex } from '../src/util/mutex.ts';
import { eventually } from '../test/support/deadline.ts';
import { ACKNOWLEDGED, RunningExporter } from '../test/support/exporter.ts';
import { remote, step, tick } from '../test/support/wire.ts';
import { atEnd } from './clean-up.ts';
import { residentBytes } from './proc.ts';
import { progress } from './progress.ts';
import { metricsReaderAt, Scraper } from './scraper.ts';
import { type Question, SimulatedRpc } from './simulated-rpc.ts';
import { median, type Summary, summarize } from './statistics.ts';

/** The transitions of a restart, from RUNNING to RUNNING. */
const RESTART = [
  'RUNNING>STOPPING',
  'STOPPING>STOPPED',
  'STOPPED>STARTING',
  'STARTING>RUNNING',
] as const;
const PERIOD = 60;
const ACKNOWLEDGE_DEADLINE_MS = 30_000;

/** supervisord's part of the dialogue: one event at a time, each timed until it is acknowledged. */
export class Dialogue {
  readonly #exporter: RunningExporter;
  #serial = 0;
  readonly #mutex = new Mutex();

  constructor(exporter: RunningExporter) {
    this.#exporter = exporter;
  }

  /** Sends an event that has no effect. */
  probe(): Promise<number> {
    return this.remote('probe', '');
  }

  remote(type: string, data: string): Promise<number> {
    return this.#send(remote(this.#serial++, type, data));
  }

  /** Sends a tick, which triggers a resync. */
  tick(): Promise<number> {
    return this.#send(tick(this.#serial++, PERIOD, Math.floor(Date.now() / 1000)));
  }

  /** Sends the four events of a restart. Resolves to the milliseconds to each acknowledgement. */
  async restart(process: number, pid: number): Promise<number[]> {
    const taken: number[] = [];
    for (const transition of RESTART) {
      const more = transition === 'STOPPED>STARTING' ? 'tries:0' : `pid:${pid}`;
      const event = step(this.#serial++, `group-0:program-${process}`, transition, more);
      taken.push(await this.#send(event));
    }
    return taken;
  }

  /** Resolves to the milliseconds from the event to its acknowledgement. */
  #send(event: string): Promise<number> {
    return this.#mutex.run(() => this.#exchange(event));
  }

  #exchange(event: string): Promise<number> {
    const { stdin, stdout } = this.#exporter.child;
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no acknowledgement: ${this.#exporter.stderr}`)),
        ACKNOWLEDGE_DEADLINE_MS,
      );
      const began = performance.now();
      stdout.once('data', (answer: string) => {
        clearTimeout(late);
        if (answer === ACKNOWLEDGED) resolve(performance.now() - began);
        else reject(new Error(`answered ${JSON.stringify(answer)}`));
      });
      stdin.write(event);
    });
  }
}

/** A probe that arrives during a pause of the event loop waits for the rest of the pause. */
const PROBE_EVERY_MS = 2;
const IDLE_MS = 1_000;
/** How long the exporter may take to read the rest of an answer. */
const MIN_SETTLE_MS = 300;
const SETTLE_MS_PER_PROCESS = 1;
/** The kernel buffers no more than the answer for this many processes. */
const MAX_BUFFERED_PROCESSES = 4_000;
const READ_DEADLINE_MS = 60_000;
const CHANGED_PROCESSES = 20;
/** Each restart has four events. */
const RESTARTS = 1_250;
const STORM_SCRAPE_MS = 100;
const WARM_UP_SCRAPES = 5;
const MEMORY_SETTLE_MS = 1_000;
const MB = 2 ** 20;

/** The longest pause of the event loop during each run of an action, as seen by events. */
export interface Pauses {
  readonly nothing: number[];
  readonly firstSnapshot: number[];
  readonly settings: number[];
  readonly snapshot: number[];
  /** The first scrape after a snapshot. */
  readonly fullScrape: number[];
  /** The first scrape after some restarts. */
  readonly scrape: number[];
}

export interface Simulated {
  readonly pauses: Pauses;
  /** Duration of a scrape after some restarts. */
  readonly scrapeMs: number;
  /** Duration of a scrape after a snapshot. */
  readonly fullScrapeMs: number;
  /** Duration of reading a snapshot that is sent at once. */
  readonly readMs: number;
  readonly residentMb: number;
  /** Latency of acknowledgements during a storm of restarts with scrapes. */
  readonly storm: Summary;
}

export interface SimulationPlan {
  readonly processes: number;
  /** How often the exporter is started. */
  readonly starts: number;
  /** Snapshots and scrapes after each start. */
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
  const runs: Run[] = [];
  for (let start = 0; start < plan.starts; start++) runs.push(await runExporter(plan, pauses));
  const storms = runs.flatMap(({ stormMs }) => stormMs);
  return {
    pauses,
    scrapeMs: median(runs.flatMap(({ scrapeMs }) => scrapeMs)),
    fullScrapeMs: median(runs.flatMap(({ fullScrapeMs }) => fullScrapeMs)),
    readMs: median(runs.flatMap(({ readMs }) => readMs)),
    residentMb: median(runs.map(({ residentMb }) => residentMb)),
    storm: summarize(storms),
  };
}

interface Run {
  readonly scrapeMs: number[];
  readonly fullScrapeMs: number[];
  readonly readMs: number[];
  readonly stormMs: number[];
  readonly residentMb: number;
}

async function runExporter({ processes, rounds }: SimulationPlan, pauses: Pauses): Promise<Run> {
  const settleMs =
    MIN_SETTLE_MS + SETTLE_MS_PER_PROCESS * Math.min(processes, MAX_BUFFERED_PROCESSES);
  const questions = new EventEmitter();
  const asked = (question: Question) => once(questions, `asked ${question}`);
  const answered = (question: Question) =>
    once(questions, `answered ${question}`).then(() => sleep(settleMs));
  // The exporter asks for the settings after the first snapshot.
  const firstSnapshot = asked('settings');
  const settings = answered('settings');
  // The exporter examines the pids, so the pid must exist.
  const { pid } = process;
  let current: Dialogue | undefined;
  const rpc = await SimulatedRpc.start({
    processes,
    pid,
    onRemoteCommEvent: (type, data) => void current?.remote(type, data),
    onAsked: (question) => questions.emit(`asked ${question}`),
    onAnswered: (question) => questions.emit(`answered ${question}`),
  });
  const exporter = new RunningExporter(
    ['--web.listen-address=127.0.0.1:0', '--no-collector.resources', `--supervisor.url=${rpc.url}`],
    {},
  );
  atEnd(() => exporter.child.kill('SIGKILL'));
  await exporter.ready();
  const dialogue = new Dialogue(exporter);
  current = dialogue;
  pauses.firstSnapshot.push(await longestPause(dialogue, firstSnapshot));
  pauses.settings.push(await longestPause(dialogue, settings));
  pauses.nothing.push(await longestPause(dialogue, sleep(IDLE_MS)));

  const scraper = new Scraper(exporter.url('/metrics'));
  const metrics = metricsReaderAt(exporter.port);
  const scrapeMs: number[] = [];
  const fullScrapeMs: number[] = [];
  const readMs: number[] = [];
  for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await scraper.scrape();
  for (let round = 0; round < rounds; round++) {
    progress(`simulated: round ${round + 1} of ${rounds}`);
    const began = Date.now() / 1_000;
    const read = answered('snapshot');
    await dialogue.tick();
    pauses.snapshot.push(await longestPause(dialogue, read));
    fullScrapeMs.push(await timedScrape(scraper, dialogue, pauses.fullScrape));
    for (let nth = 0; nth < CHANGED_PROCESSES; nth++) await dialogue.restart(nth % processes, pid);
    scrapeMs.push(await timedScrape(scraper, dialogue, pauses.scrape));

    const page = await eventually(READ_DEADLINE_MS, async () => {
      const shown = await metrics.read();
      const running = shown.count(/^supervisord_state\{name="program-.* 20$/gm);
      const resynced = shown.value('supervisord_exporter_last_resync_timestamp_seconds');
      if (running !== processes || !(resynced >= began)) {
        throw new Error(
          `${running} processes are running, resynced at ${resynced}, not after ${began}`,
        );
      }
      return shown;
    });
    readMs.push(1_000 * page.value('supervisord_exporter_resync_duration_seconds'));
  }
  const stormMs = await storm(dialogue, scraper, processes, pid);
  await sleep(MEMORY_SETTLE_MS);
  const residentMb = residentBytes(exporter.child.pid ?? 0) / MB;
  scraper.close();
  metrics.close();
  await exporter.kill();
  rpc.stop();
  return { scrapeMs, fullScrapeMs, readMs, stormMs, residentMb };
}

async function timedScrape(
  scraper: Scraper,
  dialogue: Dialogue,
  longest: number[],
): Promise<number> {
  const scrape = scraper.scrape();
  longest.push(await longestPause(dialogue, scrape));
  return (await scrape).ms;
}

/** The longest time that an event waits for its acknowledgement until `action` has ended. */
async function longestPause(dialogue: Dialogue, action: Promise<unknown>): Promise<number> {
  let isOver = false;
  const over = action.then(() => {
    isOver = true;
  });
  let longest = 0;
  while (!isOver) {
    longest = Math.max(longest, await dialogue.probe());
    await sleep(PROBE_EVERY_MS);
  }
  await over;
  return longest;
}

/** Restarts all processes in turn without a pause. Resolves to the latency of each event. */
async function storm(
  dialogue: Dialogue,
  scraper: Scraper,
  processes: number,
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
    taken.push(...(await dialogue.restart(restart % processes, pid)));
  }
  clearInterval(scraping);
  if (failure !== undefined) throw failure;
  return taken;
}
