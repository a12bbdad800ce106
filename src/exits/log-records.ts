/** Divides what is read of supervisord's log into lines, and decides which are certain. Pure. */

import type { LogEntry } from './evidence.ts';
import { parseLogLine } from './log-lines.ts';

const NEWLINE = 0x0a;
const NO_BYTES = Buffer.alloc(0);
/** The rest of a longer line is dropped: no line that reports an exit is as long. */
const MAX_LINE_BYTES = 64 * 1024;
/** A write that is still under way is visible up to a page boundary. */
const PAGE_BYTES = 4096;
const TIME_ZONE_STEP_SECONDS = 900;
/** Between the stamp of a line and the modification time of the file. */
const STAMP_TOLERANCE_SECONDS = 2;

export interface Chunk {
  /** Valid until the next read. */
  readonly bytes: Buffer;
  /** Where in the file the chunk begins. */
  readonly offset: number;
  /** Whether the chunk begins where the file ended at an earlier read. */
  readonly followsEnd: boolean;
  /** When the file was last written, in epoch seconds. */
  readonly modifiedAt: number;
}

export interface Records {
  readonly entries: readonly LogEntry[];
  /** The time of the first line that has one; undefined where there is none. */
  readonly firstAt: number | undefined;
}

/**
 * supervisord writes each record with a single write(2). What begins where the file ended is
 * therefore the beginning of a record, and certain, as is all that follows it up to an output
 * block: the output of a process, copied at loglevel=debug, may contain lines that look like
 * supervisord's own. Output of the exporter itself never does.
 */
export class LogRecords {
  /** The process name of the exporter, as Python's repr writes it. */
  readonly #ownName: string;
  /** Whether no other process is known to have this name. */
  readonly #isOnlyOwn: () => boolean;
  /** The beginning of a line whose end was not read yet. */
  #carry = NO_BYTES;
  #isSkipping = false;
  #isCertain = false;
  /** Seconds that supervisord's local time is ahead of ours, to be subtracted from its stamps. */
  #zoneShift = 0;

  constructor(ownName: string | undefined, isOnlyOwn: () => boolean = () => true) {
    this.#ownName = `'${ownName ?? ''}'`;
    this.#isOnlyOwn = isOnlyOwn;
  }

  /** What follows is of another file, or of another place. */
  begin(isStartOfFile: boolean): void {
    this.#carry = NO_BYTES;
    // The first line is incomplete.
    this.#isSkipping = !isStartOfFile;
    this.#isCertain = isStartOfFile;
  }

  push({ bytes, offset, followsEnd, modifiedAt }: Chunk): Records {
    const isRecordStart = followsEnd && this.#carry.length === 0 && !this.#isSkipping;
    if (isRecordStart && offset % PAGE_BYTES !== 0) this.#isCertain = true;
    const entries: LogEntry[] = [];
    let firstAt: number | undefined;
    let lastCertain: number | undefined;
    for (const text of this.#lines(withoutHole(bytes))) {
      const line = parseLogLine(text);
      if (line === undefined) continue;
      const { at, message } = line;
      firstAt ??= at;
      const isCertain = this.#isCertain;
      if (isCertain) lastCertain = at;
      if (message?.kind === 'output') this.#isCertain &&= this.#isOwnOutput(message.name);
      else if (message !== undefined) entries.push({ at, message, isCertain });
    }
    if (lastCertain !== undefined) this.#updateZone(lastCertain, modifiedAt);
    return {
      entries: entries.map((entry) => ({ ...entry, at: entry.at - this.#zoneShift })),
      firstAt: firstAt === undefined ? undefined : firstAt - this.#zoneShift,
    };
  }

  /** The log names a process without its group. */
  #isOwnOutput(name: string): boolean {
    return name === this.#ownName && this.#isOnlyOwn();
  }

  *#lines(bytes: Buffer): Generator<string> {
    const text = Buffer.concat([this.#carry, bytes]);
    let from = 0;
    for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, from)) {
      if (!this.#isSkipping) yield text.toString('utf8', from, end);
      this.#isSkipping = false;
      from = end + 1;
    }
    const rest = text.subarray(from);
    this.#isSkipping ||= rest.length > MAX_LINE_BYTES;
    this.#carry = this.#isSkipping ? NO_BYTES : rest;
  }

  /** supervisord may have another TZ than the exporter; the last line was written just before the file was modified. */
  #updateZone(at: number, modifiedAt: number): void {
    const difference = at - modifiedAt;
    const shift = Math.round(difference / TIME_ZONE_STEP_SECONDS) * TIME_ZONE_STEP_SECONDS;
    if (Math.abs(difference - shift) <= STAMP_TOLERANCE_SECONDS) this.#zoneShift = shift;
  }
}

/** A file that was truncated, but not opened for appending, begins with a hole, which reads as NULs. */
function withoutHole(bytes: Buffer): Buffer {
  if (bytes[0] !== 0) return bytes;
  const from = bytes.findIndex((byte) => byte !== 0);
  return from < 0 ? bytes.subarray(bytes.length) : bytes.subarray(from);
}
