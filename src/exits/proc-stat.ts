/**
 * The first fields of /proc/PID/stat after the name, which may hold blanks and parentheses; all of
 * them without `count`. See proc(5): the state is the first of them.
 */
export function fieldsAfterName(stat: string, count?: number): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ', count);
}
