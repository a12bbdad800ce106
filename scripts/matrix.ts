/**
 * `npm run matrix [-- --edges] [--story]` runs the protocol tests with every supported Node, and
 * a story with every supported Node and every Supervisor at hand. With --edges only the oldest and
 * the newest of each. With --story without the protocol tests.
 *
 * Node comes from npm. Supervisor is the one in PATH, and those in the folder that
 * SUPERVISOR_VERSIONS names: each folder in it has bin/supervisord and bin/supervisorctl, as
 * a virtual environment of Python has them.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { NODE_VERSIONS, needNode } from './node-binary.ts';
import { build, fail, needSystemPackages, ROOT } from './setup.ts';
import { type Result, runFile } from './test-file.ts';

interface Supervisor {
  readonly version: string;
  readonly path: string;
}

/** The results of a cell of the table. */
interface Cell {
  readonly node: string;
  readonly column: string;
  readonly results: Result[];
}

interface Job {
  readonly cell: Cell;
  readonly file: string;
  readonly path: string;
}

const PROTOCOL = 'protocol';
const STORY = 'test/matrix/story.test.ts';

await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      edges: { type: 'boolean', default: false },
      story: { type: 'boolean', default: false },
    },
  });
  needSystemPackages(['supervisor', 'curl', 'openssl', 'prometheus']);
  const nodes = values.edges ? edgesOf(NODE_VERSIONS) : NODE_VERSIONS;
  const supervisors = values.edges ? edgesOf(findSupervisors()) : findSupervisors();
  build();

  const jobs = nodes.flatMap((node) => [
    ...(values.story ? [] : protocolJobs(node)),
    ...supervisors.map((supervisor) => storyJob(node, supervisor)),
  ]);
  await runAll(jobs);
  report(jobs, nodes);
}

function edgesOf<T>(all: readonly T[]): readonly T[] {
  return [...new Set([...all.slice(0, 1), ...all.slice(-1)])];
}

/** From the oldest to the newest. */
function findSupervisors(): Supervisor[] {
  const folder = process.env['SUPERVISOR_VERSIONS'];
  const names = folder === undefined ? [] : readdirSync(folder);
  const path = process.env['PATH'] ?? '';
  const paths = [path, ...names.map((name) => join(folder ?? '', name, 'bin') + delimiter + path)];
  const found = paths.map((each) => ({ version: versionIn(each), path: each }));
  const different = new Map(found.map((each) => [each.version, each]));
  return [...different.values()].sort((a, b) =>
    a.version.localeCompare(b.version, 'en', { numeric: true }),
  );
}

function versionIn(path: string): string {
  const env = { ...process.env, PATH: path };
  const { status, stdout, stderr } = spawnSync('supervisord', ['--version'], {
    env,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : fail(`supervisord --version with PATH=${path}: ${stderr}`);
}

function protocolJobs(node: string): Job[] {
  const cell = { node, column: PROTOCOL, results: [] };
  const folder = 'test/protocol';
  const files = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.test.ts'));
  const path = process.env['PATH'] ?? '';
  return files.map((name) => ({ cell, file: `${folder}/${name}`, path }));
}

function storyJob(node: string, { version, path }: Supervisor): Job {
  return { cell: { node, column: version, results: [] }, file: STORY, path };
}

async function runAll(jobs: readonly Job[]): Promise<void> {
  const queue = [...jobs];
  const runQueue = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await runJob(job);
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, runQueue));
}

async function runJob({ cell, file, path }: Job): Promise<void> {
  const node = needNode(cell.node, process.arch === 'arm64' ? 'arm64' : 'x64').binary;
  const result = await runFile(file, { node, env: { ...process.env, PATH: path } });
  cell.results.push(result);
  if (result.failed > 0) {
    console.log(`FAILED ${file}, Node ${cell.node}, ${cell.column}\n${result.output}`);
  }
}

function report(jobs: readonly Job[], nodes: readonly string[]): void {
  const cells = [...new Set(jobs.map(({ cell }) => cell))];
  const columns = [...new Set(cells.map(({ column }) => column))];
  const title = (column: string) => (column === PROTOCOL ? column : `Supervisor ${column}`);
  const rows = nodes.map((node) => {
    const row = columns.map((column) =>
      textOf(cells.find((cell) => cell.node === node && cell.column === column)),
    );
    return `| ${node} | ${row.join(' | ')} |`;
  });
  console.log(`| Node | ${columns.map(title).join(' | ')} |`);
  console.log(`|---|${columns.map(() => '---|').join('')}`);
  console.log(rows.join('\n'));

  const results = cells.flatMap((cell) => cell.results);
  const passed = sum(results.map((result) => result.passed));
  const failed = sum(results.map((result) => result.failed));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function textOf(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  const passed = sum(cell.results.map((result) => result.passed));
  const failed = sum(cell.results.map((result) => result.failed));
  return failed === 0 ? `ok (${passed})` : `${failed} failed`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
