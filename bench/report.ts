/** Formats tables and goals. */

/** All rows have the same number of cells. The first column is text, the others are numbers. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column === 0 ? cell.padEnd(width) : cell.padStart(width + 3);
        })
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

/** The same rows as a Markdown table. */
export function formatMarkdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const ruler = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, ruler, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export interface Goal {
  readonly what: string;
  readonly value: string;
  readonly goal: string;
  readonly isReached: boolean;
}

export function formatGoals(goals: readonly Goal[]): string {
  return goals
    .map(
      ({ what, value, goal, isReached }) =>
        `${isReached ? 'reached' : 'MISSED '}  ${what}: ${value} (goal: ${goal})`,
    )
    .join('\n');
}
