/** Servers that are on the machine, beside what is measured. */

import { type ChildProcess, spawn } from 'node:child_process';
import { eventually } from '../test/support/deadline.ts';
import { atEnd, kill } from './clean-up.ts';

const READY_DEADLINE_MS = 30_000;
const LOG_END = 2_000;

/** Resolves once `readyUrl` answers 200. The server ends at the end. */
export async function startServer(command: readonly string[], readyUrl: string): Promise<void> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  atEnd(() => {
    if (child.pid !== undefined && !hasEnded(child)) kill(child.pid);
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-LOG_END);
  });
  child.on('error', (error) => {
    log += error.message;
  });
  try {
    await eventually(READY_DEADLINE_MS, async () => {
      const { status } = await fetch(readyUrl, { signal: AbortSignal.timeout(5_000) });
      if (status !== 200) throw new Error(`status ${status}`);
    });
  } catch (error) {
    throw new Error(`${file} does not become ready: ${error}; its log:\n${log}`);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
