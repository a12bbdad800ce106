/** supervisord's part of the dialogue, played by supervisord_side.py. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { atEnd, kill } from './clean-up.ts';
import { PYTHON } from './python.ts';

/** What supervisord_side.py says of each. */
export interface Plan {
  readonly listeners: readonly (readonly string[])[];
  readonly programs: number;
  readonly children?: number;
  readonly childCommand?: readonly string[];
  readonly blocks: number;
  readonly events: number;
  readonly warmUp: number;
  readonly pauseMs: number;
}

const SCRIPT = fileURLToPath(new URL('supervisord_side.py', import.meta.url));

/**
 * Resolves to the microseconds that each event took, by listener. `onStderr` is given
 * what has been written to stderr, by the listeners too, each time there is more of it.
 */
export async function drive(
  plan: Plan,
  prefix: readonly string[],
  onStderr: (stderr: string) => void,
): Promise<number[][]> {
  const [command = PYTHON, ...args] = [...prefix, PYTHON, SCRIPT, JSON.stringify(plan)];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  atEnd(() => {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (child.pid !== undefined && !hasEnded) kill(-child.pid);
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    onStderr(stderr);
  });
  const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (status !== 0) throw new Error(`supervisord_side.py failed:\n${stderr}`);
  const nanoseconds = JSON.parse(output) as number[][];
  return nanoseconds.map((taken) => taken.map((ns) => ns / 1_000));
}
