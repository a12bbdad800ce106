/**
 * `npm run mutation [-- PATTERN…]` changes the pure rooms, one mutation at a time, and prints how
 * many of them the unit tests notice. Each file is judged by the unit tests that import it.
 *
 * Stryker is taken from npm when it is first run, as it is needed for nothing else. It has no
 * runner for uvu, so it runs a command for each mutant: a file takes minutes.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT, succeed, temporaryFolder } from './setup.ts';

const STRYKER = '@stryker-mutator/core@9.0.1';
const ROOMS = ['supervisor', 'listener', 'processes', 'resync'];

/** A mutant that does not end is noticed by its time. */
const TIMEOUT_MS = 20_000;

interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { status: string }[] }>>;
}

main(process.argv.slice(2));

function main(patterns: readonly string[]): void {
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, 'src', room)).map((name) => `src/${room}/${name}`),
  ).filter((file) => patterns.length === 0 || patterns.some((part) => file.includes(part)));
  let mutants = 0;
  let noticed = 0;
  for (const file of files) {
    const tests = testsOf(file);
    if (tests.length === 0) {
      console.log(`${file}: no unit test imports it`);
      continue;
    }
    const found = mutate(file, tests);
    mutants += found.mutants;
    noticed += found.noticed;
    console.log(`${file}: ${found.noticed} of ${found.mutants} noticed`);
  }
  console.log(`${noticed} of ${mutants} mutations noticed (${percent(noticed, mutants)} %)`);
}

function testsOf(file: string): string[] {
  return readdirSync(join(ROOT, 'test/unit'))
    .map((name) => `test/unit/${name}`)
    .filter((test) => readFileSync(join(ROOT, test), 'utf8').includes(`../../${file}'`));
}

function mutate(file: string, tests: readonly string[]): { mutants: number; noticed: number } {
  const folder = temporaryFolder();
  const report = join(folder, 'report.json');
  const config = {
    mutate: [file],
    testRunner: 'command',
    commandRunner: { command: tests.map((test) => `node --import tsx ${test}`).join(' && ') },
    // Stryker would rewrite it, and cannot read that of TypeScript 7.
    tsconfigFile: 'none',
    ignorePatterns: ['dist', 'bench', 'test/e2e', 'test/protocol', 'test/packaging'],
    concurrency: Math.max(2, availableParallelism()),
    timeoutMS: TIMEOUT_MS,
    reporters: ['json'],
    jsonReporter: { fileName: report },
    tempDirName: join(folder, 'sandbox'),
  };
  writeFileSync(join(folder, 'stryker.config.json'), JSON.stringify(config));
  succeed('npx', ['--yes', STRYKER, 'run', join(folder, 'stryker.config.json')]);
  const { files } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  // An ignored mutant, or one that does not compile, says nothing about the tests.
  const all = Object.values(files)
    .flatMap((each) => each.mutants.map(({ status }) => status))
    .filter((status) => ['Killed', 'Timeout', 'Survived', 'NoCoverage'].includes(status));
  const noticed = all.filter((status) => status === 'Killed' || status === 'Timeout');
  return { mutants: all.length, noticed: noticed.length };
}

function percent(part: number, whole: number): string {
  return ((100 * part) / Math.max(1, whole)).toFixed(1);
}
