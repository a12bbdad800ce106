/** Identifies a process. A name alone does not: two groups may both have a `web`. */
export interface ProcessId {
  readonly group: string;
  readonly name: string;
}

declare const processKey: unique symbol;

/** The identity of a process as a map key. Not for people: see `displayName`. */
export type ProcessKey = string & { readonly [processKey]: true };

/**
 * A newline separates group and name: a group comes from the header of a section, which is one
 * line, while a name may hold a colon or a blank once its expansions are replaced.
 */
export function keyOf({ group, name }: ProcessId): ProcessKey {
  return `${group}\n${name}` as ProcessKey;
}

/** The process as supervisorctl and XML-RPC write it. */
export function displayName({ group, name }: ProcessId): string {
  return `${group}:${name}`;
}
