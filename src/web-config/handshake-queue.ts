/**
 * Limits the TLS handshakes that are in progress at once. Each takes the event loop up to 5 ms
 * (a signature with an RSA key of 4096 bits), and a thousand clients can cause theirs in one turn.
 */

import type { Socket } from 'node:net';
import { ByAddress } from '../util/by-address.ts';

/** Together they delay an event by 100 ms at most. */
export const MAX_HANDSHAKES = 20;
/** How long a handshake may take while others wait: it is the client that is slow. */
const MAX_MS_WHILE_OTHERS_WAIT = 1_000;

export interface HandshakeQueueOptions {
  /** How long a connection may wait for its turn. */
  readonly waitMs: number;
}

export class HandshakeQueue {
  readonly #waitMs: number;
  /** What begins each. */
  readonly #waiting = new ByAddress<() => void>();
  /** When each began, in milliseconds of a monotonic clock; the oldest first. */
  readonly #begun = new Map<Socket, number>();
  #eviction: NodeJS.Timeout | undefined;

  constructor({ waitMs }: HandshakeQueueOptions) {
    this.#waitMs = waitMs;
  }

  /** Calls `begin` once it is the connection's turn, which is at once where none waits. The addresses of clients take turns. */
  add(socket: Socket, begin: () => void): void {
    const late = setTimeout(() => socket.destroy(), this.#waitMs);
    const beginHandshake = () => {
      clearTimeout(late);
      this.#begun.set(socket, performance.now());
      begin();
    };
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(late);
      this.#waiting.delete(beginHandshake);
      this.end(socket);
    });
    this.#waiting.add(beginHandshake, socket.remoteAddress);
    this.#beginNext();
  }

  /** The handshake is complete, or has failed. */
  end(socket: Socket): void {
    this.#begun.delete(socket);
    this.#beginNext();
  }

  #beginNext(): void {
    while (this.#begun.size < MAX_HANDSHAKES && this.#waiting.size > 0)
      this.#waiting.takeNext()?.();
    this.#scheduleEviction();
  }

  #scheduleEviction(): void {
    clearTimeout(this.#eviction);
    const [oldest] = this.#begun;
    if (oldest === undefined || this.#waiting.size === 0) return;
    const [socket, begunAt] = oldest;
    const ms = begunAt + MAX_MS_WHILE_OTHERS_WAIT - performance.now();
    this.#eviction = setTimeout(() => socket.destroy(), Math.max(0, ms));
  }
}
