import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A pipe, as the stdout of a container is. It holds 64 KiB that nothing reads. */
export function makePipe(): number {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  try {
    const path = join(dir, 'stdout');
    execFileSync('mkfifo', [path]);
    return openSync(path, 'r+');
  } finally {
    rmSync(dir, { recursive: true });
  }
}
