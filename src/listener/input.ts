/** Where events come from. */

import { createReadStream } from 'node:fs';
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Writable } from 'node:stream';

/** supervisord sends one event at a time, of some 200 bytes. */
const BUFFER_BYTES = 64 * 1024;

/** Writes to `sink` what comes, and ends it with the end of that. */
export type Input = (sink: Writable) => void;

/**
 * A pipe or a socket is read into one buffer, over and over: a stream of Node's allocates
 * 64 KiB for each event, and cuts that down to what came.
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
    // A copy: the sink may keep it, and the buffer is read into again.
    const hasRoom = sink.write(Buffer.from(buffer.subarray(0, length)));
    if (!hasRoom) sink.once('drain', () => socket.resume());
    return hasRoom;
  };
  const options: SocketConstructorOpts & ConnectOpts = { fd, onread: { buffer, callback } };
  const socket = new Socket(options);
  socket.on('end', () => sink.end());
  // Whoever was at the other end is gone.
  socket.on('error', () => sink.end());
}
