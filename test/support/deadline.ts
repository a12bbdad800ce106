/**
 * Deadlines: uvu has none, so every wait in a test brings its own. They are for a machine with a
 * free core. On a busy one each of them lasts longer, as the work does that is waited for.
 */

import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const LONGEST = 4;

/** How many times as long a deadline is now: runnable processes for each core, over a minute. */
function patience(): number {
  const [load = 0] = loadavg();
  return Math.min(Math.max(load / availableParallelism(), 1), LONGEST);
}

/** The promise, or a rejection that names `what` once `ms` have passed. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const allowedMs = ms * patience();
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${allowedMs} ms`)), allowedMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends a request after `ms`. */
export function timeoutSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.ceil(ms * patience()));
}

/** Calls `check` until it does not throw; past `ms` its last error is the failure. */
export async function eventually<T>(
  ms: number,
  check: () => T | Promise<T>,
  everyMs = 20,
): Promise<Awaited<T>> {
  const began = performance.now();
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > began + ms * patience()) throw error;
    }
    await sleep(everyMs);
  }
}

/** A test body that fails, and does not hang, after `ms`. */
export function timed(ms: number, body: () => Promise<void>): () => Promise<void> {
  return () => within(ms, 'the test', body());
}
