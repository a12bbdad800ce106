/** Shows on stderr that a bench goes on. */

const EVERY_MS = 5_000;
let printedAt = Number.NEGATIVE_INFINITY;

/** Prints how far the bench is, at most every five seconds. */
export function progress(text: string): void {
  if (performance.now() - printedAt < EVERY_MS) return;
  printedAt = performance.now();
  console.error(text);
}
