/** Deadlines: uvu has none, so every wait in a test brings its own. */

import { setTimeout as sleep } from 'node:timers/promises';

/** The promise, or a rejection that names `what` once `ms` have passed. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `check` until it does not throw; past `ms` its last error is the failure. */
export async function eventually<T>(
  ms: number,
  check: () => T | Promise<T>,
  everyMs = 20,
): Promise<Awaited<T>> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await sleep(everyMs);
  }
}

/** A test body that fails, and does not hang, after `ms`. */
export function timed(ms: number, body: () => Promise<void>): () => Promise<void> {
  return () => within(ms, 'the test', body());
}
