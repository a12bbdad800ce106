/**
 * `npm run bench NAME [-- OPTIONS]` prepares and runs one bench. `npm run bench` runs those of the
 * table of figures and prints the table; `npm run bench -- --write` also writes it into
 * docs/performance.md. `npm run bench -- --list` lists all benches.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { circumstances, formatTable, GOALS_FILE, type Goal, readGoals } from '../bench/report.ts';
import { BENCHES } from './benches.ts';
import { writeBlock } from './document-block.ts';
import { areReached, FIGURES_HEAD, figureRows, figuresMarkdown, RUN_OF_ALL } from './figures.ts';
import { build, needSystemPackages, ROOT, temporaryFolder } from './setup.ts';

await main(process.argv.slice(2));

async function main([name, ...options]: readonly string[]): Promise<void> {
  if (name === undefined || name === '--write') return runAll(name === '--write');
  if (name === '--list') return console.log(list());
  const bench = BENCHES[name];
  if (bench === undefined) {
    console.error(`there is no bench ${JSON.stringify(name)}; there are:\n${list()}`);
    process.exitCode = 2;
    return;
  }
  needSystemPackages(bench.packages);
  build();
  process.exitCode = await run(name, options);
}

function list(): string {
  const rows = Object.entries(BENCHES).map(([name, { about, against }]) => [name, about, against]);
  return formatTable([['npm run bench …', 'measures', 'compares with'], ...rows], 3);
}

async function runAll(writes: boolean): Promise<void> {
  needSystemPackages([...new Set(RUN_OF_ALL.flatMap(({ name }) => BENCHES[name]?.packages ?? []))]);
  build();
  const file = join(temporaryFolder(), 'goals');
  const reported = new Map<string, readonly Goal[]>();
  const where = circumstances();
  const began = performance.now();
  const minutes = () => ((performance.now() - began) / 60_000).toFixed(1);
  for (const [index, { name, options, command }] of RUN_OF_ALL.entries()) {
    console.error(`\n== ${minutes()} min, ${index + 1} of ${RUN_OF_ALL.length}: ${command}\n`);
    writeFileSync(file, '');
    await run(name, options, { [GOALS_FILE]: file });
    reported.set(name, readGoals(file));
  }
  const rows = figureRows(reported);
  console.log(`\n== ${minutes()} min: the figures. ${where}\n`);
  console.log(formatTable([FIGURES_HEAD, ...rows], FIGURES_HEAD.length));
  if (writes) {
    const content = `${where}\n\n${figuresMarkdown(rows)}`;
    writeBlock('docs/performance.md', 'figures', content);
  }
  if (!areReached(rows)) process.exitCode = 1;
}

/** Resolves to the exit status. Each bench bounds its own time and cleans up after itself. */
async function run(
  name: string,
  options: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<number> {
  const child = spawn(process.execPath, ['--import', 'tsx', `bench/${name}.ts`, ...options], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  const stopForwarding = forwardSignals(child);
  const [code] = await once(child, 'close');
  stopForwarding();
  return code ?? 1;
}

/** A signal ends the bench, which cleans up, and then this process. */
function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals) => {
    child.once('close', () => process.exit(1));
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}
