/**
 * Parses the files of /proc, see proc(5). Numbers are read from the bytes: a string for each of
 * the files of each process would take most of the time of a reading.
 */

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

const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
const CLOSING = 0x29;
const NEWLINE = 0x0a;
const ZOMBIE = 0x5a;
const DEAD = 0x58;

/** Numbers of the fields in proc(5); the first one after the name is the state. */
const FIRST_FIELD = 3;
const LAST_FIELD = 42;

/** By number; used again for each file. */
const FIELDS = new Float64Array(LAST_FIELD + 1);

/** Reads the fields after the state into FIELDS, in one pass. Returns whether all of them are there. */
function readFields(bytes: Uint8Array, begin: number): boolean {
  let field = FIRST_FIELD + 1;
  let value = 0;
  for (let at = begin; at < bytes.length; at++) {
    const byte = bytes[at] ?? NEWLINE;
    if (byte >= ZERO && byte <= NINE) {
      value = value * 10 + byte - ZERO;
    } else if (byte === SPACE) {
      FIELDS[field] = value;
      if (field === LAST_FIELD) return true;
      field += 1;
      value = 0;
    }
  }
  return false;
}

/** undefined: the bytes are not a stat file. */
export function parseStat(bytes: Uint8Array): ProcStat | undefined {
  // The name is in parentheses and may itself contain blanks and parentheses; no later field does.
  const name = bytes.lastIndexOf(CLOSING);
  if (name === -1) return undefined;
  const state = bytes[name + 2];
  if (!readFields(bytes, name + 4)) return undefined;
  const field = (number: number) => FIELDS[number] ?? 0;
  return {
    pid: readNumber(bytes, 0, bytes.indexOf(SPACE)),
    parent: field(4),
    isZombie: state === ZOMBIE || state === DEAD,
    own: { user: field(14), system: field(15), majorFaults: field(12), ioWait: field(42) },
    reaped: { user: field(16), system: field(17), majorFaults: field(13), ioWait: 0 },
    threads: field(20),
    start: field(22),
    virtualBytes: field(23),
  };
}

/** `/proc/PID/task/TID/children`: pids, each followed by a space. */
export function parseChildren(bytes: Uint8Array): number[] {
  const pids: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const end = space === -1 ? bytes.length : space;
    if (end > at) pids.push(readNumber(bytes, at, end));
    at = end + 1;
  }
  return pids;
}

/** `/proc/PID/statm`: the number of resident pages is its second field. */
export function parseResidentPages(bytes: Uint8Array): number | undefined {
  const begin = bytes.indexOf(SPACE) + 1;
  const end = bytes.indexOf(SPACE, begin);
  return begin === 0 || end === -1 ? undefined : readNumber(bytes, begin, end);
}

/** `/proc/PID/io`, in bytes; undefined: the bytes are not such a file. */
export function parseIo(bytes: Uint8Array): IoBytes | undefined {
  const text = Buffer.from(bytes).toString('latin1');
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
export function parseStatus(bytes: Uint8Array): ProcStatus {
  const text = Buffer.from(bytes).toString('latin1');
  const number = (pattern: RegExp) => {
    const [, digits] = pattern.exec(text) ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  const kibibytes = number(/^VmSwap:\s+(\d+) kB$/m);
  return {
    swapBytes: kibibytes === undefined ? undefined : kibibytes * 1024,
    voluntary: number(/^voluntary_ctxt_switches:\s+(\d+)$/m),
    involuntary: number(/^nonvoluntary_ctxt_switches:\s+(\d+)$/m),
  };
}

/** Each undefined where the kernel does not report it. */
export interface ProcStatus {
  readonly swapBytes: number | undefined;
  /** Context switches of the main thread. */
  readonly voluntary: number | undefined;
  readonly involuntary: number | undefined;
}

/** `/proc/uptime`: seconds since boot are its first field. */
export function parseUptime(bytes: Uint8Array): number | undefined {
  const [, seconds] = /^(\d+\.\d+) /.exec(Buffer.from(bytes).toString('latin1')) ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}

/** `/proc/PID/limits`: the soft limit of open descriptors; undefined where it is unlimited. */
export function parseMaxFds(bytes: Uint8Array): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(Buffer.from(bytes).toString('latin1')) ?? [];
  return soft === undefined ? undefined : Number(soft);
}

/** AT_PAGESZ of getauxval(3). */
const AUXILIARY_PAGE_SIZE = 6;

/**
 * `/proc/self/auxv`: pairs of a key and a value, each a machine word in native byte order.
 * undefined where the page size is not among them.
 */
export function parsePageSize(bytes: Uint8Array): number | undefined {
  // Copied, because a Buffer may begin at an address that is not aligned.
  const copy = new Uint8Array(bytes.subarray(0, bytes.length - (bytes.length % 16))).buffer;
  return pageSizeIn(new BigUint64Array(copy)) ?? pageSizeIn(new Uint32Array(copy));
}

function pageSizeIn(words: ArrayLike<bigint | number>): number | undefined {
  for (let at = 0; at + 1 < words.length; at += 2) {
    const value = Number(words[at + 1]);
    // With the wrong word size, the key may be found by accident, without a page size after it.
    const isSane = value >= 1024 && Number.isInteger(Math.log2(value)) && value <= 2 ** 24;
    if (Number(words[at]) === AUXILIARY_PAGE_SIZE && isSane) return value;
  }
  return undefined;
}

/** A decimal integer. A sign is ignored: no field that is used has one. */
function readNumber(bytes: Uint8Array, begin: number, end: number): number {
  let value = 0;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? NEWLINE;
    if (byte >= ZERO && byte <= NINE) value = value * 10 + byte - ZERO;
  }
  return value;
}
