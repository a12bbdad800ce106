/**
 * `npm test [-- PATTERN…]` runs every test file whose path contains one of the patterns, each in
 * a process of its own, after what those files need: system packages, and the build. Those of
 * test/unit need neither: `npm run test:unit` runs them alone.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, posix } from 'node:path';
import { compileTests } from './compile-tests.ts';
import { build, needSystemPackages, ROOT, type SystemPackage } from './setup.ts';
import { type Result, runFile } from './test-file.ts';

const FOLDERS = ['test/packaging', 'test/system', 'test/e2e', 'test/protocol', 'test/unit'];

/**
 * Each takes longer than most, and waits most of that time. They run beside the others, so that
 * the cores are not idle meanwhile. The longest begin first, so that none is left to run alone.
 */
const WAITING = [
  'test/e2e/notifications-both.test.ts',
  'test/e2e/alerting-both.test.ts',
  'test/e2e/exit-situations.test.ts',
  'test/e2e/log-tail.test.ts',
  'test/e2e/notifications.test.ts',
  'test/e2e/alerting.test.ts',
  'test/e2e/exit-detection.test.ts',
  'test/e2e/oom.test.ts',
  'test/e2e/subscription.test.ts',
  'test/e2e/up-time.test.ts',
  'test/e2e/exit-rotations.test.ts',
];

/** Of the others these take the longest. */
const LONG = [
  'test/packaging/deb-standalone.test.ts',
  'test/system/rules.test.ts',
  'test/e2e/doctor.test.ts',
  'test/e2e/storm.test.ts',
  'test/packaging/images.test.ts',
  'test/unit/web-server.test.ts',
];

/** For each core, of those that wait and of the others. */
const FILES_AT_ONCE = 1;
/** For each core, of those that wait in addition, as long as there are any. */
const MORE_WAITING_AT_ONCE = 0.5;

const UNIT_FLAG = '--unit';

/** What a file, or every file that imports it, starts or runs. */
const NEEDS: Readonly<Record<string, readonly SystemPackage[]>> = {
  'test/support/alertmanager.ts': ['prometheus-alertmanager'],
  'test/support/browser.ts': ['chromium'],
  'test/support/certificates.ts': ['openssl'],
  'test/support/deb.ts': ['lintian'],
  'test/support/prometheus.ts': ['prometheus'],
  'test/support/secure.ts': ['curl', 'openssl'],
  'test/support/supervisord.ts': ['supervisor'],
  'test/e2e/compat.test.ts': ['prometheus-node-exporter'],
  'test/e2e/demo.test.ts': ['supervisor'],
  'test/e2e/documentation.test.ts': ['prometheus', 'prometheus-alertmanager', 'supervisor'],
  'test/e2e/golden.test.ts': ['prometheus'],
  'test/e2e/install.test.ts': ['supervisor'],
  'test/e2e/print-config.test.ts': ['supervisor'],
  'test/e2e/programs.test.ts': ['curl', 'wget'],
  'test/e2e/prometheus.test.ts': ['python3-prometheus-client'],
  'test/e2e/resources.test.ts': ['procps'],
  'test/packaging/deb-standalone.test.ts': ['binutils-x86-64-linux-gnu'],
  'test/packaging/deb.test.ts': ['man-db', 'prometheus'],
  'test/packaging/executable.test.ts': ['binutils-x86-64-linux-gnu'],
  'test/packaging/images.test.ts': ['binutils-x86-64-linux-gnu', 'iproute2', 'supervisor'],
  'test/e2e/up-time.test.ts': ['faketime', 'supervisor'],
  'test/protocol/client.test.ts': ['openssl'],
  'test/protocol/http.test.ts': ['curl', 'prometheus'],
  'test/protocol/toolkit.test.ts': ['prometheus'],
  'test/system/cached-text.test.ts': ['python3'],
  'test/system/doctor-alertmanagers.test.ts': ['prometheus-alertmanager'],
  'test/system/configurations.test.ts': ['supervisor'],
  'test/system/dashboard.test.ts': ['prometheus'],
  'test/system/print-config.test.ts': ['supervisor'],
  'test/system/reader.test.ts': ['supervisor'],
  'test/system/rules-command.test.ts': ['prometheus', 'prometheus-alertmanager'],
  'test/system/rules.test.ts': ['prometheus', 'prometheus-alertmanager'],
};

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
  const compiled = await compileTests(files);

  const results: Result[] = [];
  const waiting = WAITING.filter((file) => files.includes(file));
  const long = LONG.filter((file) => files.includes(file));
  const others = [...new Set([...long, ...files])].filter((file) => !waiting.includes(file));
  const runQueue = async (queue: string[], next: string[]) => {
    for (;;) {
      const file = queue.shift() ?? next.shift();
      if (file === undefined) return;
      const result = await runFile(file, { compiled: compiled.get(file) });
      results.push(result);
      print(result);
    }
  };
  await Promise.all([
    ...lanes(FILES_AT_ONCE).map(() => runQueue(waiting, others)),
    ...lanes(FILES_AT_ONCE).map(() => runQueue(others, waiting)),
    ...lanes(MORE_WAITING_AT_ONCE).map(() => runQueue(waiting, [])),
  ]);
  await repeatFailures(results);

  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  const failures = results.filter((result) => result.failed > 0).map(({ file }) => file);
  if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function lanes(atOnceForEachCore: number): readonly undefined[] {
  const length = Math.ceil(atOnceForEachCore * availableParallelism());
  return Array.from({ length });
}

/**
 * Runs each file that failed once more, alone, and replaces its result. A fault fails again. A
 * file that failed only because the machine was busy passes, and its name is printed.
 */
async function repeatFailures(results: Result[]): Promise<void> {
  const repeated: string[] = [];
  for (const [index, { file, failed }] of results.entries()) {
    if (failed === 0 || file.startsWith('test/unit/')) continue;
    const second = await runFile(file);
    results[index] = second;
    print(second);
    if (second.failed === 0) repeated.push(file);
  }
  if (repeated.length > 0) console.log(`passed only when repeated alone: ${repeated.join(', ')}`);
}

function print({ file, passed, failed, ms, output }: Result): void {
  const verdict = failed === 0 ? 'ok    ' : 'FAILED';
  console.log(`${verdict} ${file} (${passed} passed, ${(ms / 1000).toFixed(1)} s)`);
  if (failed > 0) console.log(output);
  else for (const [line] of output.matchAll(/^not run: .*$/gm)) console.log(`       ${line}`);
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
