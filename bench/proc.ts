/** CPU time, memory and children of processes, from /proc (proc(5)). */

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fieldsAfterName } from '../src/exits/proc-stat.ts';

const NS_PER_MS = 1e6;

/** CPU time used by the threads of a process, without those that have ended. */
export function cpuMs(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // The first field of schedstat is in nanoseconds.
    sum += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'), 10);
  }
  return sum / NS_PER_MS;
}

export function residentBytes(pid: number): number {
  const [, kibibytes] =
    /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`process ${pid} has no memory`);
  return Number(kibibytes) * 1024;
}

export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

/** undefined if the process does not exist. */
function parentOf(pid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const [, parent] = fieldsAfterName(text);
  return Number(parent);
}

/** Longer than any pause within one task of supervisord, and shorter than its poll of a second. */
const REST_MS = 300;
const REST_DEADLINE_MS = 10_000;

/** Waits until the process no longer runs, so that earlier work of it is not measured. */
export async function atRest(pid: number): Promise<void> {
  const deadline = performance.now() + REST_DEADLINE_MS;
  for (let last = Number.NaN; performance.now() < deadline; ) {
    const used = cpuMs(pid);
    if (used === last) return;
    last = used;
    await sleep(REST_MS);
  }
}

/** Work that supervisord does after its answer is included in the measurement. */
const SETTLE_MS = 100;
const MINUTE_MS = 60_000;
/** The exporter's own snapshot is over so long after each full minute. */
const SNAPSHOT_MS = 5_000;

export interface CpuMeasurement<Result> {
  readonly result: Result;
  /** CPU time of the process. */
  readonly cpuMs: number;
}

/** Measures the CPU time of a process during `action`. Repeats it if the exporter took its snapshot meanwhile. */
export async function measureCpu<Result>(
  pid: number,
  action: () => Promise<Result>,
): Promise<CpuMeasurement<Result>> {
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

/**
 * CPU usage of each process in percent of a core, over some seconds in which nothing happens.
 * A measurement shorter than a minute avoids the exporter's snapshot at each full minute.
 */
export async function idleCpu(pids: readonly number[], seconds: number): Promise<number[]> {
  const ms = seconds * 1_000;
  const inMinute = Date.now() % MINUTE_MS;
  const avoidsSnapshot = inMinute > SNAPSHOT_MS && inMinute + ms < MINUTE_MS;
  if (!avoidsSnapshot) await sleep((MINUTE_MS + SNAPSHOT_MS - inMinute) % MINUTE_MS);
  const before = pids.map(cpuMs);
  const began = performance.now();
  await sleep(ms);
  const elapsedMs = performance.now() - began;
  return pids.map((pid, nth) => (100 * (cpuMs(pid) - (before[nth] ?? 0))) / elapsedMs);
}
