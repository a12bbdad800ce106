/** Things that are done over and over, side by side, for a time. */

import { setTimeout as sleep } from 'node:timers/promises';

export interface Routine {
  /** From the end of one round to the begin of the next. */
  readonly pauseMs: () => number;
  readonly round: () => Promise<void> | void;
}

/** Ends when the time is over and every routine has ended its round; the first failure ends them early. */
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

/** Begins a round every so often, however long each takes; one that is late begins at once. */
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
    // An aborted sleep ends early, and rejects.
    await sleep(pauseMs(), undefined, { signal }).catch(() => {});
    if (!signal.aborted) await round();
  }
}
