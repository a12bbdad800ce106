/** The load of a soak: processes in crash loops, changing groups, and scrapes. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Exposition } from '../test/support/exposition.ts';
import { atEnd } from './clean-up.ts';
import type { SupervisordRpc } from './rpc.ts';
import { Scraper, samplesOf } from './scraper.ts';
import { PYTHON } from './supervisord.ts';

/** An action that is repeated until the soak ends. */
export interface Routine {
  /** The pause before each round. */
  readonly pauseMs: () => number;
  readonly round: () => Promise<void> | void;
}

/** Runs all routines concurrently for a time. The first failure ends all of them. */
export async function runFor(ms: number, routines: readonly Routine[]): Promise<void> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), ms);
  const ended = await Promise.allSettled(
    routines.map(async (routine) => {
      try {
        await repeat(routine, end.signal);
      } finally {
        end.abort();
      }
    }),
  );
  clearTimeout(timer);
  for (const outcome of ended) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

/** Starts rounds at a fixed rate; a late round starts at once. */
export function evenly(everyMs: number): () => number {
  let due = performance.now();
  return () => {
    const now = performance.now();
    due = Math.max(due + everyMs, now);
    return due - now;
  };
}

async function repeat({ pauseMs, round }: Routine, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // An aborted sleep rejects.
    await sleep(pauseMs(), undefined, { signal }).catch(() => {});
    if (!signal.aborted) await round();
  }
}

/** Two groups with 24 processes in crash loops. */
export const STORM_GROUPS = ['good', 'bad'];
const STORM = new URL('../test/e2e/conf/storm-programs.conf', import.meta.url);
/**
 * Each process runs for 0.5 to 0.61 s, which makes 42 exits a second. supervisord sends one event
 * per turn of its loop, which takes about 5 ms: at 90 exits a second its queue overflows with
 * any listener.
 */
const STORM_PACE = 'numprocs_start=50';

export const STEADY_PROCESSES = ['steady-0', 'steady-1', 'steady-2', 'steady-3', 'steady-4'];

const REJECTING_LISTENER = fileURLToPath(
  new URL('../test/support/rejecting_listener.py', import.meta.url),
);
/** The exporter receives TICK_5 through the rejections, although it has not subscribed to it. */
const REJECTED_EVENTS = 'PROCESS_STATE_EXITED,PROCESS_GROUP,TICK_5';

const CHANGING_CONF = 'changing.conf';
const CHANGING_PREFIX = 'changing-';
const CHANGING_GROUPS = 4;

/** The largest number of processes at a time, including the listeners. */
export const PROCESSES = 24 + STEADY_PROCESSES.length + 2 * CHANGING_GROUPS + 2;

/** With startsecs=0 each start succeeds, so that each end is an exit. */
const QUIET = `startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
`;

export function soakSections(dir: string, isRejecting: boolean): string {
  writeChangingGroups(dir, 0);
  return [
    `[include]\nfiles=${CHANGING_CONF}\n`,
    stormSections(),
    ...STEADY_PROCESSES.map(
      (name) => `[program:${name}]\ncommand=sleep 1h\nautorestart=true\n${QUIET}`,
    ),
    isRejecting ? rejectingSection() : '',
  ].join('\n');
}

/** Replaces the groups of the previous generation in the configuration by groups with new names. */
export function writeChangingGroups(dir: string, generation: number): void {
  const sections = Array.from({ length: CHANGING_GROUPS }, (_, group) => {
    const name = `${CHANGING_PREFIX}${generation * CHANGING_GROUPS + group}`;
    return `[program:${name}]\ncommand=sleep 1m\n${QUIET}`;
  });
  writeFileSync(join(dir, CHANGING_CONF), sections.join('\n'));
}

function stormSections(): string {
  return readFileSync(STORM, 'utf8').replaceAll(/^numprocs_start=.*$/gm, STORM_PACE);
}

/** Whether a process exists during the whole soak. */
export function isPermanent(name: string): boolean {
  return !name.startsWith(CHANGING_PREFIX);
}

/** It has the exporter's priority, so that supervisord also queues rejected events for the exporter. */
function rejectingSection(): string {
  return `[eventlistener:rejecting]
command=${PYTHON} ${REJECTING_LISTENER}
events=${REJECTED_EVENTS}
buffer_size=8192
priority=-9876
stdout_logfile=NONE
stderr_logfile=NONE
`;
}

const LONGEST_PAUSE_MS = 2_000;
const GENERATION_MS = 3_000;

/** Restarts or kills a random steady process. supervisord starts a killed process again. */
export function restarting(rpc: SupervisordRpc): Routine {
  return {
    pauseMs: () => Math.random() * LONGEST_PAUSE_MS,
    round: async () => {
      const name = STEADY_PROCESSES[Math.floor(Math.random() * STEADY_PROCESSES.length)] ?? '';
      if (Math.random() < 0.5) {
        await rpc.callRunning('signalProcess', name, 'KILL');
      } else if (await rpc.callRunning('stopProcess', name)) {
        await rpc.call('startProcess', name);
      }
    },
  };
}

/** Adds and removes groups as `supervisorctl update` does. Each group has a new name. */
export class ChangingGroups {
  readonly #rpc: SupervisordRpc;
  readonly #dir: string;
  #generation = 0;
  removed = 0;

  /** `dir` is the folder of supervisord's configuration. */
  constructor(rpc: SupervisordRpc, dir: string) {
    this.#rpc = rpc;
    this.#dir = dir;
  }

  replacing(): Routine {
    return { pauseMs: () => GENERATION_MS, round: () => this.#replace() };
  }

  async #replace(): Promise<void> {
    this.#generation += 1;
    writeChangingGroups(this.#dir, this.#generation);
    this.removed += await update(this.#rpc);
  }
}

/** Resolves to the number of removed groups. */
async function update(rpc: SupervisordRpc): Promise<number> {
  const [[added, , removed]] =
    await rpc.call<[[added: string[], changed: string[], removed: string[]]]>('reloadConfig');
  for (const group of removed) {
    await rpc.call('stopProcessGroup', group);
    await rpc.call('removeProcessGroup', group);
  }
  for (const group of added) await rpc.call('addProcessGroup', group);
  return removed.length;
}

/** Scrapes the exporter at a fixed rate, as Prometheus does. */
export class SteadyScraper {
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

/** Scrapes once. */
export async function scrapeOnce(url: string): Promise<Exposition> {
  const scraper = new Scraper(url);
  try {
    return new Exposition(samplesOf(await scraper.scrape()).join('\n'));
  } finally {
    scraper.close();
  }
}
