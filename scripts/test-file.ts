/**
 * Runs a test file in a process of its own. uvu has no deadline and reports a promise that never
 * settles as passed, so a file has to print its totals in time to pass.
 */

import { spawn } from 'node:child_process';
import { ROOT } from './setup.ts';

/** The longest takes 200 s, and longer on a busy machine. */
const FILE_DEADLINE_MS = 400_000;
const KILL_AFTER_MS = 15_000;

export interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly ms: number;
  readonly output: string;
}

export interface RunOptions {
  /** The Node that runs the file; this one by default. */
  readonly node?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The file as JavaScript; without it tsx compiles the file. */
  readonly compiled?: string | undefined;
}

/** Runs one file; a file that crashes, hangs or reports no tests counts as one failure. */
export function runFile(file: string, options: RunOptions = {}): Promise<Result> {
  const began = performance.now();
  const { compiled } = options;
  const args = compiled ? ['--enable-source-maps', compiled] : ['--import', 'tsx', file];
  return new Promise((resolve) => {
    const child = spawn(options.node ?? process.execPath, args, {
      cwd: ROOT,
      env: options.env ?? process.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const deadline = setTimeout(() => {
      output += `\nnot finished after ${FILE_DEADLINE_MS / 1000} s\n`;
      // SIGTERM first, so that a supervisord of the test ends its processes.
      killGroup(child.pid, 'SIGTERM');
      setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS).unref();
    }, FILE_DEADLINE_MS);
    child.on('close', (code) => {
      clearTimeout(deadline);
      const total = countOf('Total', output);
      const passed = countOf('Passed', output);
      const isComplete = code === 0 && total > 0 && countOf('Skipped', output) === 0;
      const failed = isComplete ? total - passed : Math.max(total - passed, 1);
      resolve({ file, output, passed, failed, ms: performance.now() - began });
    });
  });
}

/** A number of uvu's summary. */
function countOf(label: 'Total' | 'Passed' | 'Skipped', output: string): number {
  return Number(new RegExp(`${label}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
