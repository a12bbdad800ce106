/** Values out of XML-RPC: `unknown` at the door, typed behind it. */

/** An answer that is XML-RPC and not what Supervisor answers; the message says what is wrong and where. */
export class UnexpectedValue extends Error {
  override readonly name = 'UnexpectedValue';
}

export function readStruct(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unexpected(where, 'a struct', value);
  }
  return value as Readonly<Record<string, unknown>>;
}

export function readString(value: unknown, where: string): string {
  if (typeof value !== 'string') throw unexpected(where, 'a string', value);
  return value;
}

export function readNumber(
  struct: Readonly<Record<string, unknown>>,
  member: string,
  where: string,
): number {
  const value = struct[member];
  if (typeof value !== 'number') throw unexpected(`${member} of ${where}`, 'a number', value);
  return value;
}

export function unexpected(where: string, wanted: string, got: unknown): UnexpectedValue {
  const shown = JSON.stringify(got)?.slice(0, 80) ?? 'nothing';
  return new UnexpectedValue(`${where} should be ${wanted} and is ${shown}`);
}
