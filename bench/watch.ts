/** Keeps an eye on an exporter and its supervisord for a long time. */

import { existsSync } from 'node:fs';
import type { Exposition } from '../test/support/exposition.ts';
import type { LogAccount } from './log-account.ts';
import { evenly, type Routine } from './routines.ts';
import type { Supervisord } from './supervisord.ts';
import { type Vitals, vitalsOf } from './vitals.ts';

const LOOK_EVERY_MS = 10_000;
const TELL_EVERY_MS = 60_000;
const GUARD_EVERY_MS = 1_000;

export interface Watched {
  readonly supervisord: Supervisord;
  readonly log: LogAccount;
  /** The exporter's. */
  readonly pid: number;
  readonly metrics: () => Promise<Exposition>;
}

export class Watch {
  readonly history: Vitals[] = [];
  /** Starts that were logged and not counted yet, at the most. */
  furthestBehind = 0;
  readonly #watched: Watched;
  #behind = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  routines(): Routine[] {
    const began = Date.now();
    return [
      { pauseMs: evenly(GUARD_EVERY_MS), round: () => this.#guard() },
      { pauseMs: evenly(LOOK_EVERY_MS), round: () => this.#look() },
      {
        pauseMs: evenly(TELL_EVERY_MS),
        round: () => console.error(this.#tell(Math.round((Date.now() - began) / 60_000))),
      },
    ];
  }

  #guard(): void {
    const { supervisord, log, pid } = this.#watched;
    const failure = supervisord.failure();
    if (failure !== undefined) throw new Error(failure);
    if (!existsSync(`/proc/${pid}`)) throw new Error('the exporter has ended');
    log.readOn();
  }

  async #look(): Promise<void> {
    const { log, pid, metrics } = this.#watched;
    log.readOn();
    const logged = log.sum('spawned');
    const shown = await metrics();
    this.history.push(vitalsOf(pid, shown));
    this.#behind = logged - startsIn(shown, log);
    this.furthestBehind = Math.max(this.furthestBehind, this.#behind);
  }

  #tell(minutes: number): string {
    const { log } = this.#watched;
    const vitals = this.history.at(-1);
    return [
      `${minutes} min: ${log.sum('spawned')} starts`,
      `${this.#behind} of them to be counted`,
      `${vitals?.residentMb.toFixed(1)} MB resident`,
      `${vitals?.heapMb.toFixed(1)} MB heap`,
      `${vitals?.descriptors} descriptors`,
      `${vitals?.serialGaps} gaps`,
    ].join(', ');
  }
}

function startsIn(metrics: Exposition, log: LogAccount): number {
  return metrics
    .where('supervisord_process_transitions_total', { to: 'STARTING' })
    .filter(({ labels }) => log.programs.has(labels['name'] ?? ''))
    .reduce((total, { value }) => total + value, 0);
}
