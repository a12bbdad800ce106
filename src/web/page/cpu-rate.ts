/** CPU usage of each process as a rate between two readings of its CPU time. */

import type { Process } from '../../processes/process.ts';

/** Resource usage of a process and its descendants. */
export interface ResourceUsage {
  readonly pid: number;
  /** CPU time since the process started. */
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  readonly residentBytes: number | undefined;
}

/** The exporter's resource collector, whose readings are shared with /metrics. */
export interface ResourceUsageReader {
  read(): Promise<void>;
  /** As of the last reading; undefined where the process does not run or could not be read. */
  usageOf(process: Readonly<Process>): ResourceUsage | undefined;
}

interface Sample {
  readonly pid: number;
  readonly cpuSeconds: number;
  readonly at: number;
  readonly cores: number | undefined;
}

/** CPU time has a resolution of 10 ms, which is too coarse for a shorter interval. */
const MIN_INTERVAL_SECONDS = 1;

export class CpuRates {
  readonly #samples = new WeakMap<Readonly<Process>, Sample>();

  /** Records the usage of a process at `at`, in seconds of a monotonic clock. */
  observe(process: Readonly<Process>, usage: ResourceUsage, at: number): void {
    const cpuSeconds = usage.cpuUserSeconds + usage.cpuSystemSeconds;
    const previous = this.#samples.get(process);
    if (previous?.pid !== usage.pid) {
      this.#samples.set(process, { pid: usage.pid, cpuSeconds, at, cores: undefined });
    } else if (at - previous.at >= MIN_INTERVAL_SECONDS) {
      const cores = Math.max(0, cpuSeconds - previous.cpuSeconds) / (at - previous.at);
      this.#samples.set(process, { pid: usage.pid, cpuSeconds, at, cores });
    }
  }

  /** Cores in use between the last two samples of this pid; undefined before the second one. */
  coresOf(process: Readonly<Process>, pid: number): number | undefined {
    const sample = this.#samples.get(process);
    return sample?.pid === pid ? sample.cores : undefined;
  }
}
