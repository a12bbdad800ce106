/** Deletes the entry that was added first, if there are more than `max`. */
export function dropOldest(entries: Map<unknown, unknown> | Set<unknown>, max: number): void {
  const [oldest] = entries.keys();
  if (entries.size > max) entries.delete(oldest);
}
