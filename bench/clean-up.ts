/** Ends processes and removes folders, however a bench ends. */

import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

const MINUTE_MS = 60_000;
const actions: (() => void)[] = [];

/**
 * Runs `body`, then all actions that were registered with `atEnd`, the last first. A bench that
 * has not ended after so many minutes fails.
 */
export async function cleaningUp(minutes: number, body: () => Promise<void>): Promise<void> {
  const late = () => {
    console.error(`the bench has not ended within ${minutes} min`);
    process.exit(1);
  };
  setTimeout(late, minutes * MINUTE_MS).unref();
  // Each server and folder of test/support adds a listener.
  process.setMaxListeners(0);
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

/** Resolves to what `open` passes to its body. The body ends at the end of the bench. */
export function keepOpen<Resource>(
  open: (body: (resource: Resource) => Promise<void>) => Promise<void>,
): Promise<Resource> {
  return new Promise((resolve, reject) => {
    const body = (resource: Resource) =>
      new Promise<void>((close) => {
        atEnd(close);
        resolve(resource);
      });
    open(body).catch(reject);
  });
}

/** Creates a folder that is removed at the end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-exporter-bench-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Kills a process, or a process group if the number is negative. A missing process is no error. */
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
