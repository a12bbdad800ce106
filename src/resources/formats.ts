/** Parses the files of /proc, see proc(5). */

/** Counters by name. */
export type Counters<Name extends string> = Readonly<Record<Name, number>>;

/** The counters of a stat file: CPU time and time of waiting for block I/O in ticks, and page faults. */
export const STAT_COUNTERS = ['user', 'system', 'majorFaults', 'ioWait'] as const;
export type StatCounter = (typeof STAT_COUNTERS)[number];

/** USER_HZ is 100 on every architecture that Node runs on, whatever the kernel's own clock. */
export const TICKS_PER_SECOND = 100;

/** `/proc/PID/stat`. */
export interface ProcStat {
  readonly pid: number;
  readonly parent: number;
  /** The process has exited and was not reaped yet: only its CPU time is left. */
  readonly isZombie: boolean;
  /**
   * utime, stime, majflt: of all threads, exited ones included. delayacct_blkio_ticks: of the main
   * thread alone, and 0 where the kernel does not account it.
   */
  readonly own: Counters<StatCounter>;
  /**
   * cutime, cstime, cmajflt: of the children that it has reaped, with those that they had reaped.
   * The kernel adds the time of waiting for I/O to no parent.
   */
  readonly reaped: Counters<StatCounter>;
  readonly threads: number;
  /** In ticks since boot. The pid and the start together identify a process, since pids are reused. */
  readonly start: number;
  readonly virtualBytes: number;
}

/** Numbers of the fields in proc(5); the first one after the name is the state. */
const FIRST_FIELD = 3;
const LAST_FIELD = 42;

/** undefined: the text is not a stat file. */
export function parseStat(text: string): ProcStat | undefined {
  // The name is in parentheses and may itself contain blanks and parentheses; no later field does.
  const name = text.lastIndexOf(')');
  const fields = text.slice(name + 2).split(' ');
  if (name === -1 || fields.length <= LAST_FIELD - FIRST_FIELD) return undefined;
  const field = (number: number) => Number(fields[number - FIRST_FIELD]);
  const [state] = fields;
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    isZombie: state === 'Z' || state === 'X',
    own: { user: field(14), system: field(15), majorFaults: field(12), ioWait: field(42) },
    reaped: { user: field(16), system: field(17), majorFaults: field(13), ioWait: 0 },
    threads: field(20),
    start: field(22),
    virtualBytes: field(23),
  };
}

/** `/proc/PID/task/TID/children`: pids, each followed by a space. */
export function parseChildren(text: string): number[] {
  return text
    .split(' ')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** `/proc/PID/statm`. */
export function parseStatm(text: string): Statm | undefined {
  const [, size, resident] = /^(\d+) (\d+) /.exec(text) ?? [];
  return resident === undefined ? undefined : { size: Number(size), resident: Number(resident) };
}

/** In pages. */
export interface Statm {
  readonly size: number;
  readonly resident: number;
}

/** `/proc/PID/io`, in bytes; undefined: the text is not such a file. */
export function parseIo(text: string): IoBytes | undefined {
  const [, read] = /^read_bytes: (\d+)$/m.exec(text) ?? [];
  const [, written] = /^write_bytes: (\d+)$/m.exec(text) ?? [];
  if (read === undefined || written === undefined) return undefined;
  return { read: Number(read), written: Number(written) };
}

/** What reached the block layer, of all threads and of the children that were reaped. */
export interface IoBytes {
  readonly read: number;
  readonly written: number;
}

/** `/proc/PID/status`; a kernel without swap has no VmSwap. */
export function parseStatus(text: string): ProcStatus {
  const number = (pattern: RegExp, unit = 1) => {
    const [, digits] = pattern.exec(text) ?? [];
    return digits === undefined ? undefined : Number(digits) * unit;
  };
  return {
    virtualBytes: number(/^VmSize:\s+(\d+) kB$/m, 1024),
    swapBytes: number(/^VmSwap:\s+(\d+) kB$/m, 1024),
    voluntary: number(/^voluntary_ctxt_switches:\s+(\d+)$/m),
    involuntary: number(/^nonvoluntary_ctxt_switches:\s+(\d+)$/m),
  };
}

/** Each undefined where the kernel does not report it. */
export interface ProcStatus {
  readonly virtualBytes: number | undefined;
  readonly swapBytes: number | undefined;
  /** Context switches of the main thread. */
  readonly voluntary: number | undefined;
  readonly involuntary: number | undefined;
}

/** `/proc/uptime`: seconds since boot are its first field. */
export function parseUptime(text: string): number | undefined {
  const [, seconds] = /^(\d+\.\d+) /.exec(text) ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}

/** `/proc/PID/limits`: the soft limit of open descriptors; undefined where it is unlimited. */
export function parseMaxFds(text: string): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(text) ?? [];
  return soft === undefined ? undefined : Number(soft);
}
