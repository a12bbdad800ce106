/** Reads stdin. */

import { createReadStream } from 'node:fs';
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Writable } from 'node:stream';

/** supervisord sends one event at a time, of some 200 bytes. */
const BUFFER_BYTES = 64 * 1024;

/** Writes everything that is read to `sink`, and ends it at the end of the input. */
export type Input = (sink: Writable) => void;

/**
 * Reads a pipe or a socket into one buffer that is used again: a stream of Node allocates 64 KiB
 * for each event.
 */
export function openInput(descriptor: number): Input {
  return (sink) => {
    try {
      readSocket(descriptor, sink);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_INVALID_FD_TYPE') throw error;
      createReadStream('', { fd: descriptor }).pipe(sink);
    }
  };
}

function readSocket(fd: number, sink: Writable): void {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  const callback = (length: number): boolean => {
    // A copy: the sink may keep it, and the buffer is reused.
    const hasRoom = sink.write(Buffer.from(buffer.subarray(0, length)));
    if (!hasRoom) sink.once('drain', () => socket.resume());
    return hasRoom;
  };
  const options: SocketConstructorOpts & ConnectOpts = { fd, onread: { buffer, callback } };
  const socket = new Socket(options);
  socket.on('end', () => sink.end());
  // supervisord is gone.
  socket.on('error', () => sink.end());
}
