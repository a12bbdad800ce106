/**
 * What the files of /proc say, as proc(5) has them. They are read from their bytes: there are
 * some for each process and reading, and a string for each would be most of the work.
 */

/** By mode, in ticks. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

/**
 * What a tick is: USER_HZ is 100 on every architecture that Node runs on, whatever the
 * kernel's own clock.
 */
export const TICKS_A_SECOND = 100;

/** `/proc/PID/stat`. */
export interface ProcStat {
  readonly parent: number;
  /** Ended, and not waited for yet: it has nothing left but its CPU time. */
  readonly isZombie: boolean;
  /** Of the process with all its threads, the ended ones included. */
  readonly own: Cpu;
  /** Of its children that have ended and that it has waited for, with those that they have waited for. */
  readonly waited: Cpu;
  readonly threads: number;
  /** In ticks since the boot: together with the pid it is the identity of a process, for pids are used again. */
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

/** Fields behind the name, of which the state is number 3 in proc(5). */
const FIRST_FIELD = 3;
const LAST_FIELD = 23;

/** undefined: these bytes are no such file. */
export function parseStat(bytes: Uint8Array): ProcStat | undefined {
  // The name is in parentheses and may hold spaces and parentheses, but nothing behind it does.
  const name = bytes.lastIndexOf(CLOSING);
  if (name === -1) return undefined;
  const state = bytes[name + 2];
  const fields: number[] = [];
  let at = name + 4;
  for (let field = FIRST_FIELD + 1; field <= LAST_FIELD; field++) {
    const end = bytes.indexOf(SPACE, at);
    if (end === -1) return undefined;
    fields[field] = readNumber(bytes, at, end);
    at = end + 1;
  }
  const field = (number: number) => fields[number] ?? 0;
  return {
    parent: field(4),
    isZombie: state === ZOMBIE || state === DEAD,
    own: { user: field(14), system: field(15) },
    waited: { user: field(16), system: field(17) },
    threads: field(20),
    start: field(22),
    virtualBytes: field(23),
  };
}

/** `/proc/PID/task/TID/children`: pids, a space behind each. */
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

/** The resident pages in `/proc/PID/statm`: its second number. */
export function parseResidentPages(bytes: Uint8Array): number | undefined {
  const begin = bytes.indexOf(SPACE) + 1;
  const end = bytes.indexOf(SPACE, begin);
  return begin === 0 || end === -1 ? undefined : readNumber(bytes, begin, end);
}

/** The soft limit of open descriptors in `/proc/PID/limits`; undefined where there is none. */
export function parseMaxFds(bytes: Uint8Array): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(Buffer.from(bytes).toString('latin1')) ?? [];
  return soft === undefined ? undefined : Number(soft);
}

/** AT_PAGESZ of getauxval(3). */
const AUXILIARY_PAGE_SIZE = 6;

/**
 * The size of a page in `/proc/self/auxv`: pairs of a key and a value, each a word of the
 * machine, in its order of bytes. undefined where it does not say.
 */
export function parsePageSize(bytes: Uint8Array): number | undefined {
  // A copy: a Buffer may begin anywhere in a larger piece of memory.
  const whole = new Uint8Array(bytes.subarray(0, bytes.length - (bytes.length % 16))).buffer;
  return pageSizeIn(new BigUint64Array(whole)) ?? pageSizeIn(new Uint32Array(whole));
}

function pageSizeIn(words: ArrayLike<bigint | number>): number | undefined {
  for (let at = 0; at + 1 < words.length; at += 2) {
    const value = Number(words[at + 1]);
    // Read as words of the wrong size, the key can come up, and no size of a page behind it.
    const isSane = value >= 1024 && Number.isInteger(Math.log2(value)) && value <= 2 ** 24;
    if (Number(words[at]) === AUXILIARY_PAGE_SIZE && isSane) return value;
  }
  return undefined;
}

/** A whole number in decimal; a sign in front is left out, for none that counts has one. */
function readNumber(bytes: Uint8Array, begin: number, end: number): number {
  let value = 0;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? NEWLINE;
    if (byte >= ZERO && byte <= NINE) value = value * 10 + byte - ZERO;
  }
  return value;
}
