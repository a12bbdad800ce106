/** Runs supervisord_side.py, which takes supervisord's part of the dialogue. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { atEnd, kill } from './clean-up.ts';
import { PYTHON } from './supervisord.ts';

/** The plan for supervisord_side.py, which documents each member. */
export interface Plan {
  readonly listeners: readonly (readonly string[])[];
  readonly processes: number;
  readonly children?: number;
  readonly childCommand?: readonly string[];
  readonly blocks: number;
  readonly events: number;
  readonly warmUp: number;
  readonly pauseMs: number;
}

const SCRIPT = fileURLToPath(new URL('supervisord_side.py', import.meta.url));

/**
 * Resolves to the microseconds that each event took, per listener. `onStderr` receives all
 * that the script and the listeners have written to stderr, each time there is more.
 */
export async function runDriver(
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

const NEAR_CORE = '0';
const FAR_CORE = '1';

export interface Pinning {
  readonly about: string;
  /** Command prefixes that pin a command to the core of this process, and to another one. */
  readonly near: readonly string[];
  readonly apart: readonly string[];
}

/** Pins this process and prepares the prefixes, so that no process moves between cores. */
export function pin(): Pinning {
  const isPossible = [NEAR_CORE, FAR_CORE].every((core) => succeeds('-c', core, 'true'));
  if (!isPossible || !succeeds('-a', '-c', '-p', NEAR_CORE, String(process.pid))) {
    return { about: 'NOT pinned: pinning needs two cores and taskset', near: [], apart: [] };
  }
  return {
    about: `listeners pinned to core ${FAR_CORE}, everything else to core ${NEAR_CORE}`,
    near: ['taskset', '-c', NEAR_CORE],
    apart: ['taskset', '-c', FAR_CORE],
  };
}

function succeeds(...args: readonly string[]): boolean {
  return spawnSync('taskset', args, { stdio: 'ignore' }).status === 0;
}
