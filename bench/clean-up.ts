/** Leaves nothing behind, however a bench ends. */

import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

const actions: (() => void)[] = [];

/** Runs `body`; whatever comes of it, what it has left to be done `atEnd` is done, the last first. */
export async function cleaningUp(body: () => Promise<void>): Promise<void> {
  process.on('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
  try {
    await body();
  } finally {
    cleanUp();
  }
}

export function atEnd(action: () => void): void {
  actions.push(action);
}

/** A fresh folder that goes at the end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-exporter-bench-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Kills a process, or with a negative number its group; one that is gone already is fine. */
export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function cleanUp(): void {
  for (let action = actions.pop(); action !== undefined; action = actions.pop()) action();
}
