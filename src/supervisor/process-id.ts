/** Which process is meant. A name alone is no identity: two groups may both have a `web`. */
export interface ProcessId {
  readonly group: string;
  readonly name: string;
}

/** A process' identity as a map key, written as supervisorctl writes it. */
export type ProcessKey = `${string}:${string}`;

/** Supervisor allows no colon in a group or a name, so two processes never share a key. */
export function keyOf(id: ProcessId): ProcessKey {
  return `${id.group}:${id.name}`;
}
