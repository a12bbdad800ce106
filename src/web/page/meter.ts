/** How much CPU each process uses, from what it has used at two moments. */

import type { Process } from '../../processes/process.ts';

/** What there is to read of a process and all that have come of it. */
export interface Consumption {
  readonly pid: number;
  /** CPU time since its start. */
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  readonly residentBytes: number | undefined;
}

/** The system's own reading, which others share. */
export interface Consumptions {
  read(): Promise<void>;
  /** As of the last reading; undefined where the process does not run, or can't be read. */
  usageOf(process: Readonly<Process>): Consumption | undefined;
}

interface Sample {
  readonly pid: number;
  readonly cpuSeconds: number;
  readonly at: number;
  readonly cores: number | undefined;
}

/** CPU time is counted in steps of 10 ms: over less than a second that is too coarse. */
const MIN_SPAN_SECONDS = 1;

export class CpuMeter {
  readonly #samples = new WeakMap<Readonly<Process>, Sample>();

  /** Takes what a process has used as of `at`, in seconds of a clock that only runs on. */
  take(process: Readonly<Process>, used: Consumption, at: number): void {
    const cpuSeconds = used.cpuUserSeconds + used.cpuSystemSeconds;
    const before = this.#samples.get(process);
    if (before?.pid !== used.pid) {
      this.#samples.set(process, { pid: used.pid, cpuSeconds, at, cores: undefined });
    } else if (at - before.at >= MIN_SPAN_SECONDS) {
      const cores = Math.max(0, cpuSeconds - before.cpuSeconds) / (at - before.at);
      this.#samples.set(process, { pid: used.pid, cpuSeconds, at, cores });
    }
  }

  /** Cores in use between the last two samples, 1 for all of one; undefined before there are two. */
  coresOf(process: Readonly<Process>, pid: number): number | undefined {
    const sample = this.#samples.get(process);
    return sample?.pid === pid ? sample.cores : undefined;
  }
}
