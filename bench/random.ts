/** Of a range, each number as likely as the others. */
export function between(least: number, most: number): number {
  return least + Math.random() * (most - least);
}
