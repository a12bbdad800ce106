/**
 * Follows supervisord's log by XML-RPC, which reads from an offset in bytes and does not say
 * how long the log is: what was written since the last look is read, and each line once.
 */

import { type RpcCall, type RpcClient, RpcError } from '../rpc/client.ts';

/** Bytes read at a time; parsing as many takes some 5 ms. */
const CHUNK = 64 * 1024;

/** Of what was written before the first look, or while nobody looked for too long. */
const LOOK_BACK = 64 * 1024;

/** More than this is not caught up with. */
const MAX_BEHIND = 8 * CHUNK;

/** supervisord can't send what is not UTF-8: a part may begin, or end, inside a character of so many bytes. */
const UTF8_BYTES = 4;

/** 2 to the power of this is longer than any log, and less than where a file system has its limits. */
const LONGEST_LOG_BITS = 36;
const POWERS = Array.from({ length: LONGEST_LOG_BITS }, (_, bit) => 2 ** bit);
/** Places that are looked at in one call for whether the log is that long. */
const PROBES = 32;

export class LogFollower {
  readonly #client: RpcClient;
  /** Where what has not been read begins; undefined before the first look, and after trouble. */
  #offset: number | undefined;

  constructor(client: RpcClient) {
    this.#client = client;
  }

  /**
   * What has been written since the last look, and the results of further calls, all made in
   * the same turn of supervisord. Rejects with RpcError; a log that can't be read, or of which
   * something can't be, is an RpcError for its text.
   */
  async read(calls: readonly RpcCall[]): Promise<{ text: string | RpcError; results: unknown[] }> {
    if (this.#offset === undefined) {
      // Whatever else is asked can't wait until the end is found.
      const results = await this.#client.multicallSettled(calls);
      return { text: await this.#beginAnew(), results };
    }
    const offset = this.#offset;
    const [last, chunk, far, ...results] = await this.#client.multicallSettled([
      readLog(Math.max(0, offset - 1), 1),
      readLog(offset, CHUNK),
      readLog(offset + MAX_BEHIND, 1),
      ...calls,
    ]);
    const isShorter = offset > 0 && last === '';
    if (isShorter || isThere(far)) return { text: await this.#beginAnew(), results };
    return { text: await this.#take(chunk), results };
  }

  /** Goes to the end of the log, as it is now, and reads a little back from there. */
  async #beginAnew(): Promise<string | RpcError> {
    this.#offset = undefined;
    const end = await this.#findEnd();
    if (end instanceof RpcError) return end;
    let chunk: unknown;
    for (let shift = 0; shift < UTF8_BYTES; shift++) {
      this.#offset = Math.max(0, end - LOOK_BACK) + shift;
      [chunk] = await this.#client.multicallSettled([readLog(this.#offset, CHUNK)]);
      if (!(chunk instanceof RpcError)) break;
    }
    return this.#take(chunk);
  }

  /** Takes a chunk as read, and reads on for as long as there is more. */
  async #take(first: unknown): Promise<string | RpcError> {
    let text = '';
    for (let chunk = first; ; chunk = await this.#readChunk()) {
      if (chunk instanceof RpcError) chunk = await this.#readShorter();
      if (chunk instanceof RpcError) {
        this.#offset = undefined;
        return chunk;
      }
      const bytes = Buffer.byteLength(String(chunk));
      text += chunk;
      this.#offset = (this.#offset ?? 0) + bytes;
      if (bytes <= CHUNK - UTF8_BYTES) return text;
    }
  }

  async #readChunk(length = CHUNK): Promise<unknown> {
    const [chunk] = await this.#client.multicallSettled([readLog(this.#offset ?? 0, length)]);
    return chunk;
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

  /** The length of the log in bytes. */
  async #findEnd(): Promise<number | RpcError> {
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
