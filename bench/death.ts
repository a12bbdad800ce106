/** A program is killed, and supervisord starts it again: when the exporter knows. */

import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../test/support/deadline.ts';
import { kill } from './clean-up.ts';
import type { Page, Pages } from './page.ts';
import { pidOf } from './spawns.ts';

/** Between two looks at /metrics: from the end of one to the begin of the next. */
const LOOK_PAUSE_MS = 5;
/** The same while nothing is measured. */
const EASY_LOOK_PAUSE_MS = 100;
/** Longer than supervisord takes with nobody to wake it. */
const LEFT_ALONE_MS = 1_500;
const DEADLINE_MS = 30_000;

export interface Victim {
  readonly name: string;
  readonly group: string;
}

export interface Death {
  /** From the kill to the end of the first scrape that shows the exit. */
  readonly shownMs: number;
  /** From the kill to the exit's time by the exporter. */
  readonly stampedMs: number;
}

export interface Scene {
  /** supervisord's. */
  readonly log: string;
  readonly pages: Pages;
  /** Whether /metrics is looked at all the time; else it is left alone until the exit has been told. */
  readonly isLookedAt: boolean;
}

/** Kills a program that is known to run; resolves once it is known to run again. */
export async function dieAndReturn(victim: Victim, scene: Scene): Promise<Death> {
  const { log, pages, isLookedAt } = scene;
  const before = await pages.read();
  if (starts(before, victim) !== exits(before, victim) + 1) {
    throw new Error(`${victim.name} is not known to run`);
  }
  const pid = pidOf(victim.name, log);
  const killedAt = Date.now();
  const began = performance.now();
  kill(pid);
  if (!isLookedAt) await sleep(LEFT_ALONE_MS);
  const died = (page: Page) => exits(page, victim) > exits(before, victim);
  const shown = await look(pages, LOOK_PAUSE_MS, died);
  const shownMs = performance.now() - began;
  const stampedMs = shown.value(series('last_unexpected_exit_timestamp_seconds', victim)) * 1_000;

  const runs = (page: Page) => starts(page, victim) > starts(before, victim);
  await look(pages, EASY_LOOK_PAUSE_MS, runs);
  return { shownMs, stampedMs: stampedMs - killedAt };
}

function look(pages: Pages, pauseMs: number, wanted: (page: Page) => boolean): Promise<Page> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const looking = async () => {
    for (;;) {
      const page = await pages.read();
      if (wanted(page)) return page;
      await sleep(pauseMs, undefined, { signal });
    }
  };
  return within(DEADLINE_MS, 'a death or its repair', looking());
}

function starts(page: Page, victim: Victim): number {
  return page.value(series('transitions_total', victim, ',from="STARTING",to="RUNNING"'));
}

function exits(page: Page, victim: Victim): number {
  return page.value(series('transitions_total', victim, ',from="RUNNING",to="EXITED"'));
}

function series(metric: string, { name, group }: Victim, more = ''): string {
  return `supervisord_process_${metric}{name="${name}",group="${group}"${more}}`;
}
