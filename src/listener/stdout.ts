/** Reserves stdout for the dialogue: one foreign byte there and supervisord never sends another event. */

import fs from 'node:fs';

const STDOUT = 1;
const STDERR = 2;

/** The part of `process` that is changed. */
interface StandardStreams {
  readonly stderr: NodeJS.WriteStream;
}

/**
 * Redirects to stderr whatever else writes to stdout, by `console`, the stream or the file
 * descriptor. Returns the only way to write to stdout.
 *
 * supervisord reads each answer before it sends more, so writing one never has to wait.
 * `onClosed`: supervisord has closed the pipe.
 */
export function reserveStdout(
  streams: StandardStreams,
  onClosed: () => void,
): (text: string) => void {
  const { writeSync } = fs;
  Object.defineProperty(streams, 'stdout', { get: () => streams.stderr });
  for (const name of ['write', 'writeSync', 'writev', 'writevSync'] as const) {
    const original = fs[name];
    Object.assign(fs, {
      [name]: (fd: number, ...rest: unknown[]): unknown =>
        Reflect.apply(original, fs, [fd === STDOUT ? STDERR : fd, ...rest]),
    });
  }
  return (text) => {
    try {
      writeSync(STDOUT, text);
    } catch {
      onClosed();
    }
  };
}
