/**
 * `npm run mutation [-- PATTERN…]` changes the pure rooms, one mutation at a time, and prints how
 * many of them the unit tests notice, and which they do not. Each file is judged by the unit tests
 * that run any of it.
 *
 * Stryker is taken from npm when it is first run, as it is needed for nothing else. It writes all
 * mutations of a file into it and selects one by an environment variable, so that the tests are
 * compiled once for each file. It has no runner for uvu: it runs a command for each mutation, one
 * process with all the tests, which ends at the first that fails.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { compileTests } from './compile-tests.ts';
import { fail, ROOT, succeed, temporaryFolder } from './setup.ts';

const STRYKER = '@stryker-mutator/core@9.0.1';
const ROOMS = ['supervisor', 'listener', 'processes', 'resync'];

/** Slow tests with deadlines, of other rooms: on a busy machine they fail without any mutation. */
const NOT_ASKED = [
  'exit-reasons',
  'exposition',
  'log-tailer',
  'log-tails',
  'nudge',
  'oom-kills',
  'pid-reuse',
  'proc-watch',
  'resources',
];

/** A mutation whose tests do not end is noticed by its time. */
const TIMEOUT_MS = 20_000;

/** `mutation.ts --compile TEST…` compiles the tests of a copy of this repository into RUNNER. */
const COMPILE_FLAG = '--compile';
const RUNNER = 'compiled/run.mjs';

interface Test {
  readonly file: string;
  /** The sources that it runs, from ROOT. */
  readonly sources: readonly string[];
  readonly ms: number;
}

interface Mutant {
  readonly status: string;
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: { readonly line: number; readonly column: number } };
}

interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly Mutant[] }>>;
}

const [flag, ...rest] = process.argv.slice(2);
if (flag === COMPILE_FLAG) await compileRunner(rest);
else await main(process.argv.slice(2));

async function main(patterns: readonly string[]): Promise<void> {
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, 'src', room)).map((name) => `src/${room}/${name}`),
  ).filter((file) => patterns.length === 0 || patterns.some((part) => file.includes(part)));
  const allTests = await fastestFirst(files);
  let mutants = 0;
  let noticed = 0;
  for (const file of files) {
    const tests = allTests.filter(({ sources }) => sources.includes(file));
    if (tests.length === 0) {
      console.log(`${file}: no unit test runs it`);
      continue;
    }
    const found = mutate(file, tests);
    const survivors = found.filter(({ status }) => status === 'Survived');
    mutants += found.length;
    noticed += found.length - survivors.length;
    console.log(`${file}: ${found.length - survivors.length} of ${found.length} noticed`);
    for (const { location, mutatorName, replacement } of survivors) {
      const { line, column } = location.start;
      console.log(`  ${file}:${line}:${column} ${mutatorName}: ${replacement}`);
    }
  }
  console.log(`${noticed} of ${mutants} mutations noticed (${percent(noticed, mutants)} %)`);
}

/** The unit tests that run any of these files. Most mutations fail the first ones already. */
async function fastestFirst(files: readonly string[]): Promise<readonly Test[]> {
  const names = readdirSync(join(ROOT, 'test/unit'))
    .filter(
      (name) => name.endsWith('.test.ts') && !NOT_ASKED.includes(name.replace('.test.ts', '')),
    )
    .map((name) => `test/unit/${name}`);
  const tests: Test[] = [];
  for (const [file, compiled] of await compileTests(names)) {
    const sources = sourcesOf(compiled);
    if (!files.some((source) => sources.includes(source))) continue;
    const began = performance.now();
    const { status } = spawnSync(process.execPath, [compiled], { cwd: ROOT });
    if (status !== 0) fail(`${file} fails without any mutation`);
    tests.push({ file, sources, ms: performance.now() - began });
  }
  return tests.sort((a, b) => a.ms - b.ms);
}

/** Types alone leave no code to run, and so no trace in the source map. */
function sourcesOf(compiled: string): readonly string[] {
  const { sources } = JSON.parse(readFileSync(`${compiled}.map`, 'utf8')) as { sources: string[] };
  return sources.map((source) => relative(ROOT, resolve(dirname(compiled), source)));
}

async function compileRunner(tests: readonly string[]): Promise<void> {
  const runner = join(ROOT, RUNNER);
  const compiled = await compileTests(tests, dirname(runner));
  const suites = tests.map((name) => ({ name, file: compiled.get(name) }));
  writeFileSync(
    runner,
    `import { run } from 'uvu/run';
    for (const suite of ${JSON.stringify(suites)}) {
      globalThis.UVU_QUEUE = [];
      await run([suite], { bail: true });
    }`,
  );
}

function mutate(file: string, tests: readonly Test[]): readonly Mutant[] {
  // Where Node finds the packages, also those that compile the tests.
  const folder = temporaryFolder(join(ROOT, 'node_modules'));
  const report = join(folder, 'report.json');
  const config = {
    mutate: [file],
    testRunner: 'command',
    buildCommand: `node --import tsx scripts/mutation.ts ${COMPILE_FLAG} ${tests.map((test) => test.file).join(' ')}`,
    commandRunner: { command: `node ${RUNNER}` },
    // Stryker would rewrite it, and cannot read that of TypeScript 7.
    tsconfigFile: 'none',
    ignorePatterns: ['dist'],
    concurrency: Math.max(2, availableParallelism()),
    timeoutMS: TIMEOUT_MS,
    reporters: ['json'],
    jsonReporter: { fileName: report },
    tempDirName: join(folder, 'sandbox'),
    symlinkNodeModules: false,
  };
  writeFileSync(join(folder, 'stryker.config.json'), JSON.stringify(config));
  succeed('npx', ['--yes', STRYKER, 'run', join(folder, 'stryker.config.json')]);
  const { files } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  // An ignored mutant, or one that does not compile, says nothing about the tests.
  return Object.values(files)
    .flatMap(({ mutants }) => mutants)
    .filter(({ status }) => ['Killed', 'Timeout', 'Survived'].includes(status));
}

function percent(part: number, whole: number): string {
  return ((100 * part) / Math.max(1, whole)).toFixed(1);
}
