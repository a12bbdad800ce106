/**
 * Follows supervisord's log by XML-RPC, which reads from an offset in bytes and does not say
 * how long the log is: what was written since the last look is read, and each line once.
 */

import type { RpcCall, RpcClient } from '../rpc/client.ts';
import { RpcError } from '../util/errors.ts';

/** Bytes read at a time: what supervisord sends in one turn, and we parse in some 5 ms. */
const CHUNK = 48 * 1024;

/** Of what was written before the first look, or while nobody looked for too long: some 300 lines. */
const LOOK_BACK = CHUNK / 2;

/** More than this is not caught up with. */
const MAX_BEHIND = 1024 * 1024;

/** supervisord can't send what is not UTF-8: a part may begin, or end, inside a character of so many bytes. */
const UTF8_BYTES = 4;

/** 2 to the power of this is longer than any log, and less than where a file system has its limits. */
const LONGEST_LOG_BITS = 36;
const POWERS = Array.from({ length: LONGEST_LOG_BITS }, (_, bit) => 2 ** bit);
/** Places that are looked at in one call for whether the log is that long. */
const PROBES = 32;

/** What has been written since the last look. */
export interface News {
  readonly text: string;
  /** Whether there is more to read. */
  readonly isBehind: boolean;
  /** Why the log, or something in it, can't be read. */
  readonly trouble: RpcError | undefined;
}

export interface Look extends News {
  /** Of the further calls. */
  readonly results: readonly unknown[];
}

export class LogFollower {
  readonly #client: Pick<RpcClient, 'multicallSettled'>;
  /** Where what has not been read begins; undefined before the first look, and after trouble. */
  #offset: number | undefined;

  constructor(client: Pick<RpcClient, 'multicallSettled'>) {
    this.#client = client;
  }

  /**
   * Reads on in the log, and makes further calls in the same turn of supervisord. Rejects
   * with RpcError.
   */
  async read(calls: readonly RpcCall[]): Promise<Look> {
    if (this.#offset === undefined) {
      // Whatever else is asked can't wait until the end is found.
      const results = await this.#client.multicallSettled(calls);
      return { ...(await this.#beginAnew()), results };
    }
    const offset = this.#offset;
    const [last, chunk, far, ...results] = await this.#client.multicallSettled([
      readLog(Math.max(0, offset - 1), 1),
      readLog(offset, CHUNK),
      readLog(offset + MAX_BEHIND, 1),
      ...calls,
    ]);
    const isShorter = offset > 0 && last === '';
    if (isShorter || isThere(far)) return { ...(await this.#beginAnew()), results };
    return {
      ...this.#take(chunk instanceof RpcError ? await this.#readShorter() : chunk),
      results,
    };
  }

  /** Goes to the end of the log, as it is now, and reads a little back from there. */
  async #beginAnew(): Promise<News> {
    const end = await this.#findEnd();
    if (end instanceof RpcError) return this.#take(end);
    let chunk: unknown;
    for (let shift = 0; shift < UTF8_BYTES; shift++) {
      this.#offset = Math.max(0, end - LOOK_BACK) + shift;
      chunk = await this.#readChunk(CHUNK);
      if (!(chunk instanceof RpcError)) break;
    }
    return this.#take(chunk);
  }

  #take(chunk: unknown): News {
    if (chunk instanceof RpcError) {
      this.#offset = undefined;
      return { text: '', isBehind: false, trouble: chunk };
    }
    const text = String(chunk);
    const bytes = Buffer.byteLength(text);
    this.#offset = (this.#offset ?? 0) + bytes;
    return { text, isBehind: bytes > CHUNK - UTF8_BYTES, trouble: undefined };
  }

  /** In case the chunk ends inside a character. */
  async #readShorter(): Promise<unknown> {
    let chunk: unknown;
    for (let less = 1; less < UTF8_BYTES; less++) {
      chunk = await this.#readChunk(CHUNK - less);
      if (!(chunk instanceof RpcError)) break;
    }
    return chunk;
  }

  async #readChunk(length: number): Promise<unknown> {
    const [chunk] = await this.#client.multicallSettled([readLog(this.#offset ?? 0, length)]);
    return chunk;
  }

  /** The length of the log in bytes. */
  async #findEnd(): Promise<number | RpcError> {
    // A log begins with a date: if its first byte can't be read, nothing can.
    const [first] = await this.#client.multicallSettled([readLog(0, 1)]);
    if (first instanceof RpcError) return first;
    if (first === '') return 0;
    // There is a byte at `low`, and none at `high`.
    let low = 0;
    let high = 2 ** LONGEST_LOG_BITS;
    for (let probes = POWERS; high - low > 1; probes = placesBetween(low, high)) {
      const found = await this.#client.multicallSettled(probes.map((at) => readLog(at, 1)));
      const ends = found.findIndex((result) => !isThere(result));
      high = ends === -1 ? high : (probes[ends] ?? high);
      low = (ends === -1 ? probes.at(-1) : probes[ends - 1]) ?? low;
    }
    return high;
  }
}

function readLog(offset: number, length: number): RpcCall {
  return { methodName: 'supervisor.readLog', params: [offset, length] };
}

/** Whether a byte was read, or one that is no character by itself. */
function isThere(result: unknown): boolean {
  return result !== '';
}

function placesBetween(low: number, high: number): number[] {
  const step = Math.max(1, Math.floor((high - low) / PROBES));
  const places: number[] = [];
  for (let place = low + step; place < high; place += step) places.push(place);
  return places;
}
