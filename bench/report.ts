/** Formats tables, and reports goals. */

import { appendFileSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

/**
 * All rows have the same number of cells. The first `texts` columns are aligned to the left, and
 * the others, which are numbers, to the right.
 */
export function formatTable(rows: readonly (readonly string[])[], texts = 1): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          const aligned = column < texts ? cell.padEnd(width) : cell.padStart(width);
          return column === 0 ? aligned : `   ${aligned}`;
        })
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

/** The same rows as a Markdown table. */
export function formatMarkdown(rows: readonly (readonly string[])[], texts = 1): string {
  const [head = [], ...body] = rows;
  const ruler = head.map((_, column) => (column < texts ? '---' : '---:'));
  return [head, ruler, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** When and where something is measured. The load average says how busy the machine was before. */
export function circumstances(): string {
  const date = new Date().toISOString().slice(0, 10);
  const [, load = Number.NaN] = loadavg();
  return `On ${date}, ${availableParallelism()} cores, Node ${process.versions.node}, load average ${load.toFixed(1)} before.`;
}

export interface Goal {
  readonly what: string;
  /** The result of what it is compared with, where that was measured as well. */
  readonly against?: string;
  readonly value: string;
  readonly goal: string;
  readonly isReached: boolean;
}

/** A goal that is reached by values up to `limit`. */
export function atMost(
  what: string,
  value: number,
  limit: number,
  format: (value: number) => string,
  against?: string,
): Goal {
  return {
    what,
    ...(against === undefined ? {} : { against }),
    value: format(value),
    goal: `at most ${format(limit)}`,
    isReached: value <= limit,
  };
}

/** A goal that is reached by values up to `limit` times that of a peer. */
export function atMostTimes(
  what: string,
  value: number,
  peer: { readonly name: string; readonly value: number },
  limit: number,
  format: (value: number) => string,
): Goal {
  const ratio = value / peer.value;
  return {
    ...atMost(what, ratio, limit, formatTimes, `${peer.name}: ${format(peer.value)}`),
    value: `${format(value)}, ${formatTimes(ratio)}`,
  };
}

export function formatTimes(ratio: number): string {
  return `${ratio.toFixed(2)} times`;
}

/** Names the file to which a bench appends its goals, for the run of all benches. */
export const GOALS_FILE = 'BENCH_GOALS_FILE';

/** Prints the goals. The exit status becomes 1 if one of them is missed. */
export function reportGoals(goals: readonly Goal[]): void {
  if (goals.length === 0) return;
  const lines = goals.map(
    ({ what, value, goal, isReached }) =>
      `${isReached ? 'reached' : 'MISSED '}  ${what}: ${value} (goal: ${goal})`,
  );
  console.log(`\n${lines.join('\n')}`);
  const { [GOALS_FILE]: file } = process.env;
  if (file !== undefined) {
    appendFileSync(file, goals.map((goal) => `${JSON.stringify(goal)}\n`).join(''));
  }
  if (goals.some(({ isReached }) => !isReached)) process.exitCode = 1;
}

/** The goals that were reported into a file. */
export function readGoals(file: string): Goal[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Goal);
}
