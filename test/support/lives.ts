/** Events of programs that come and go: each generation of programs has other names. */

import type { RunningExporter } from './exporter.ts';
import { group, step } from './wire.ts';

/** A program is added with its first event, runs through these, and is removed. */
const LIFE = [
  ['STOPPED>STARTING', 'tries:0'],
  ['STARTING>RUNNING', 'pid:4194304'],
  ['RUNNING>EXITED', 'expected:0 pid:4194304'],
  ['EXITED>STARTING', 'tries:0'],
  ['STARTING>BACKOFF', 'tries:1'],
  ['BACKOFF>STARTING', 'tries:1'],
  ['STARTING>RUNNING', 'pid:4194304'],
  ['RUNNING>STOPPING', 'pid:4194304'],
  ['STOPPING>STOPPED', 'pid:4194304'],
] as const;

export const EVENTS_PER_LIFE = LIFE.length + 1;

export interface Lives {
  /** Programs that exist at a time, and take turns. */
  readonly programs: number;
  readonly groupOf: (program: number, generation: number) => string;
  readonly nameOf: (program: number, generation: number) => string;
}

/** Sends events `from` to `from + count`, and waits until all of them are acknowledged. */
export function sendLives(
  exporter: RunningExporter,
  lives: Lives,
  from: number,
  count: number,
): Promise<void> {
  const { stdin, stdout } = exporter.child;
  return new Promise((resolve, reject) => {
    exporter.stdout = '';
    const onEnd = () => reject(new Error(`the exporter has ended: ${exporter.stderr}`));
    // The exporter's own listener has added the text.
    const onData = () => {
      if ((exporter.stdout.match(/RESULT 2\nOKREADY\n/g) ?? []).length < count) return;
      stdout.off('data', onData);
      exporter.child.off('exit', onEnd);
      resolve();
    };
    stdout.on('data', onData);
    exporter.child.once('exit', onEnd);
    stdin.write(Array.from({ length: count }, (_, nth) => eventOf(lives, from + nth)).join(''));
  });
}

function eventOf({ programs, groupOf, nameOf }: Lives, serial: number): string {
  const turn = Math.floor(serial / programs);
  const generation = Math.floor(turn / EVENTS_PER_LIFE);
  const name = nameOf(serial % programs, generation);
  const its = groupOf(serial % programs, generation);
  const [transition, extra] = LIFE[turn % EVENTS_PER_LIFE] ?? [];
  if (transition === undefined) return group(serial, 'REMOVED', its);
  return step(serial, `${its}:${name}`, transition, extra);
}
