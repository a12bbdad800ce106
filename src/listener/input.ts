/** Reads stdin. */

import { createReadStream } from 'node:fs';
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { errorCode } from '../util/errno.ts';

/** supervisord sends one event at a time, of some 200 bytes. */
const BUFFER_BYTES = 64 * 1024;

/** Passes everything that is read to `onData`, which may use a chunk during the call only. */
export type Input = (onData: (chunk: Buffer) => void, onEnd: () => void) => void;

/**
 * Reads a pipe or a socket into one buffer that is used again: a stream of Node allocates 64 KiB
 * for each event.
 */
export function openInput(fd: number): Input {
  return (onData, onEnd) => {
    const callback = (length: number, buffer: Uint8Array): boolean => {
      onData(Buffer.from(buffer.buffer, buffer.byteOffset, length));
      return true;
    };
    const onread = { buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES), callback };
    const options: SocketConstructorOpts & ConnectOpts = { fd, onread };
    try {
      // An error means that supervisord is gone, as the end does.
      new Socket(options).on('end', onEnd).on('error', onEnd);
    } catch (error) {
      if (errorCode(error) !== 'ERR_INVALID_FD_TYPE') throw error;
      createReadStream('', { fd })
        .on('data', (chunk) => onData(Buffer.from(chunk)))
        .on('end', onEnd);
    }
  };
}
