/** What supervisord uses while something else happens. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs } from './proc.ts';

/** What supervisord still does for a scrape when the answer is there goes to its account, too. */
const SETTLE_MS = 100;
const MINUTE_MS = 60_000;
/** How long behind each whole minute the exporter's own snapshot keeps supervisord busy, at the most. */
const SNAPSHOT_MS = 5_000;

export interface Account<Result> {
  readonly result: Result;
  /** CPU time of supervisord, in steps of 10 ms. */
  readonly cpuMs: number;
}

/** Does something, and again if the exporter has taken its snapshot meanwhile, which is not part of it. */
export async function accountFor<Result>(
  pid: number,
  action: () => Promise<Result>,
): Promise<Account<Result>> {
  for (;;) {
    const began = Date.now();
    const cpuBefore = cpuMs(pid);
    const result = await action();
    await sleep(SETTLE_MS);
    const isDisturbed = minuteOf(began - SNAPSHOT_MS) !== minuteOf(Date.now());
    if (!isDisturbed) return { result, cpuMs: cpuMs(pid) - cpuBefore };
    await sleep(SNAPSHOT_MS);
  }
}

function minuteOf(time: number): number {
  return Math.floor(time / MINUTE_MS);
}
