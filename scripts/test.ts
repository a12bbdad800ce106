/**
 * `npm test [-- PATTERN…]` runs every test file whose path contains one of the patterns, each in
 * a process of its own, after what those files need: system packages, and the build. Those of
 * test/unit need neither: `npm run test:unit` runs them alone.
 *
 * uvu has no deadline and reports a promise that never settles as passed, so a file has to print
 * its totals in time to pass.
 */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, posix } from 'node:path';
import { build, needSystemPackages, ROOT, type SystemPackage } from './setup.ts';

const FILE_DEADLINE_MS = 240_000;
const KILL_AFTER_MS = 15_000;

/** The slow folders first, so that no long file is left to run alone at the end. */
const FOLDERS = ['test/e2e', 'test/protocol', 'test/system', 'test/unit'];

const UNIT_FLAG = '--unit';

/** What a file, or every file that imports it, starts or runs. */
const NEEDS: Readonly<Record<string, readonly SystemPackage[]>> = {
  'test/support/alertmanager.ts': ['prometheus-alertmanager'],
  'test/support/browser.ts': ['chromium'],
  'test/support/certificates.ts': ['openssl'],
  'test/support/prometheus.ts': ['prometheus'],
  'test/support/secure.ts': ['curl', 'openssl'],
  'test/support/supervisord.ts': ['supervisor'],
  'test/e2e/compat.test.ts': ['prometheus-node-exporter'],
  'test/e2e/demo.test.ts': ['supervisor'],
  'test/e2e/documentation.test.ts': ['prometheus', 'prometheus-alertmanager', 'supervisor'],
  'test/e2e/golden.test.ts': ['prometheus'],
  'test/e2e/install.test.ts': ['supervisor'],
  'test/e2e/prometheus.test.ts': ['python3-prometheus-client'],
  'test/e2e/resources.test.ts': ['procps'],
  'test/e2e/up-time.test.ts': ['faketime', 'supervisor'],
  'test/protocol/client.test.ts': ['openssl'],
  'test/protocol/http.test.ts': ['curl', 'prometheus'],
  'test/protocol/toolkit.test.ts': ['prometheus'],
  'test/system/ini.test.ts': ['supervisor'],
  'test/system/cached-text.test.ts': ['python3'],
  'test/system/print-config.test.ts': ['supervisor'],
  'test/system/rules.test.ts': ['prometheus', 'prometheus-alertmanager'],
};

interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly ms: number;
  readonly output: string;
}

await main();

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const folders = words.includes(UNIT_FLAG) ? ['test/unit'] : FOLDERS;
  const files = findTests(
    folders,
    words.filter((word) => word !== UNIT_FLAG),
  );
  needSystemPackages([...new Set(files.flatMap((file) => [...needsOf(file)]))]);
  if (files.some((file) => !file.startsWith('test/unit/'))) build();

  const results: Result[] = [];
  const queue = [...files];
  const runQueue = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file);
      results.push(result);
      print(result);
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, runQueue));

  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  const failures = results.filter((result) => result.failed > 0).map(({ file }) => file);
  if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function print({ file, passed, failed, ms, output }: Result): void {
  const verdict = failed === 0 ? 'ok    ' : 'FAILED';
  console.log(`${verdict} ${file} (${passed} passed, ${(ms / 1000).toFixed(1)} s)`);
  if (failed > 0) console.log(output);
}

/** Runs one file; a file that crashes, hangs or reports no tests counts as one failure. */
function runFile(file: string): Promise<Result> {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: ROOT,
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

function findTests(folders: readonly string[], patterns: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => `${folder}/${name}`)
      .filter((file) => patterns.length === 0 || patterns.some((part) => file.includes(part))),
  );
}

/** The packages that a file and the files of test/support that it imports need. */
function needsOf(file: string, needs = new Set<SystemPackage>()): ReadonlySet<SystemPackage> {
  for (const name of NEEDS[file] ?? []) needs.add(name);
  const source = readFileSync(join(ROOT, file), 'utf8');
  for (const [, path = ''] of source.matchAll(/^import (?!type\b)[^;]*?from '([^']+)';/gms)) {
    const imported = posix.join(posix.dirname(file), path);
    if (path.startsWith('.') && imported.startsWith('test/')) needsOf(imported, needs);
  }
  return needs;
}
