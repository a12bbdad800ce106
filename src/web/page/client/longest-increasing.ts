/** Indexes of a longest increasing subsequence; an undefined value is in none. */
export function longestIncreasing(values: readonly (number | undefined)[]): ReadonlySet<number> {
  /** By length - 1: the index of the least value that ends an increasing sequence of that length. */
  const ends: number[] = [];
  const before: (number | undefined)[] = [];
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[ends[middle] ?? 0] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    before[index] = ends[low - 1];
    ends[low] = index;
  }
  const indexes = new Set<number>();
  for (let index = ends.at(-1); index !== undefined; index = before[index]) indexes.add(index);
  return indexes;
}
