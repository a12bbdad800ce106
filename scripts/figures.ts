/** The table of figures, which `npm run bench` prints and writes into docs/performance.md. */

import { formatMarkdown, type Goal } from '../bench/report.ts';
import { BENCHES } from './benches.ts';

/** What `npm run bench` runs. */
export const RUN_OF_ALL = Object.entries(BENCHES).flatMap(([name, { against, inAll }]) =>
  inAll === undefined ? [] : [{ name, against, ...inAll, command: commandOf(name, inAll.options) }],
);

type Part = (typeof RUN_OF_ALL)[number];

export const FIGURES_HEAD: readonly string[] = [
  'what is measured',
  'compared with',
  'result',
  'goal',
  'reached',
  'command',
];

const REACHED = 'yes';
const NOT_MEASURED = { value: 'failed', goal: '', isReached: false };

/**
 * A row for each figure, from the goals that each bench has reported. Other goals of a bench have
 * a row only if they were missed.
 */
export function figureRows(reported: ReadonlyMap<string, readonly Goal[]>): string[][] {
  return RUN_OF_ALL.flatMap((part) => {
    const goals = reported.get(part.name) ?? [];
    const figures = part.figures.map(
      (what) => goals.find((goal) => goal.what === what) ?? { what, ...NOT_MEASURED },
    );
    const others = goals.filter(({ what }) => !part.figures.includes(what));
    return [...figures, ...others.filter(({ isReached }) => !isReached)].map((goal) =>
      figureRow(part, goal),
    );
  });
}

function figureRow({ against, command }: Part, goal: Goal): string[] {
  const reached = goal.isReached ? REACHED : 'no';
  return [goal.what, goal.against ?? against, goal.value, goal.goal, reached, command];
}

export function areReached(rows: readonly (readonly string[])[]): boolean {
  const column = FIGURES_HEAD.indexOf('reached');
  return rows.every((row) => row[column] === REACHED);
}

/** The same rows for a document. */
export function figuresMarkdown(rows: readonly (readonly string[])[]): string {
  const body = rows.map((row) => [...row.slice(0, -1), `\`${row.at(-1)}\``]);
  return formatMarkdown([FIGURES_HEAD, ...body], FIGURES_HEAD.length);
}

function commandOf(name: string, options: readonly string[]): string {
  return ['npm run bench', name, ...(options.length > 0 ? ['--', ...options] : [])].join(' ');
}
