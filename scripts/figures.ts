/** The table of figures, which `npm run bench` prints and writes into docs/performance.md. */

import type { Goal } from '../bench/report.ts';
import { BENCHES } from './benches.ts';

export const FIGURES_HEAD = [
  'what is measured',
  'compared with',
  'result',
  'goal',
  'reached',
  'command',
] as const;

/** The benches that the run of all consists of, with their options. */
export const RUN_OF_ALL = Object.entries(BENCHES).flatMap(([name, { inAll }]) =>
  inAll === undefined ? [] : [{ name, ...inAll }],
);

/**
 * A row for each figure, from the goals that each bench has reported. Other goals of a bench have
 * a row only if they were missed.
 */
export function figureRows(reported: ReadonlyMap<string, readonly Goal[]>): string[][] {
  return RUN_OF_ALL.flatMap(({ name, figures }) => {
    const goals = reported.get(name) ?? [];
    const others = goals.filter(({ what, isReached }) => !isReached && !figures.includes(what));
    return [
      ...figures.map((what) =>
        figureRow(
          name,
          what,
          goals.find((goal) => goal.what === what),
        ),
      ),
      ...others.map((goal) => figureRow(name, goal.what, goal)),
    ];
  });
}

function figureRow(bench: string, what: string, goal: Goal | undefined): string[] {
  const command = `npm run bench ${bench}`;
  const against = goal?.against ?? BENCHES[bench]?.against ?? '';
  if (goal === undefined) return [what, against, 'failed', '', 'failed', command];
  return [what, against, goal.value, goal.goal, goal.isReached ? 'yes' : 'MISSED', command];
}
