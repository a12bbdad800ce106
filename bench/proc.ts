/** CPU time, memory and children of processes, from /proc (proc(5)). */

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The unit of utime and stime: USER_HZ is 100 on every architecture of Linux. */
const TICK_MS = 10;

interface Stat {
  readonly parent: number;
  readonly cpuMs: number;
}

/** CPU time used by a process, with a resolution of 10 ms. */
export function cpuMs(pid: number): number {
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`there is no process ${pid}`);
  return stat.cpuMs;
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
    .filter((pid) => readStat(pid)?.parent === parent);
}

/** undefined if the process does not exist. */
function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the name in parentheses, which may contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [, ppid] = fields;
  const [utime, stime] = fields.slice(11);
  return { parent: Number(ppid), cpuMs: (Number(utime) + Number(stime)) * TICK_MS };
}

/** Work that supervisord does after its answer is included in the measurement. */
const SETTLE_MS = 100;
const MINUTE_MS = 60_000;
/** The exporter's own snapshot is over so long after each full minute. */
const SNAPSHOT_MS = 5_000;

export interface CpuMeasurement<Result> {
  readonly result: Result;
  /** CPU time of the process, with a resolution of 10 ms. */
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
