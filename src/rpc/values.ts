/** Values from XML-RPC: `unknown` before these functions, typed and in range after them. */

import { RpcError } from '../util/errors.ts';

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

interface Range {
  readonly from: number;
  readonly to: number;
}

/** What an XML-RPC integer can hold (xmlrpc.com/spec.md). */
const INT32: Range = { from: -(2 ** 31), to: 2 ** 31 - 1 };

/** A whole number; XML-RPC has no larger ones than 32 bits. */
export function readInteger(
  struct: Readonly<Record<string, unknown>>,
  member: string,
  where: string,
  { from, to }: Range = INT32,
): number {
  const value = struct[member];
  if (typeof value !== 'number') throw unexpected(`${member} of ${where}`, 'a number', value);
  if (!Number.isInteger(value) || value < from || value > to) {
    throw unexpected(`${member} of ${where}`, `a whole number from ${from} to ${to}`, value);
  }
  return value;
}

/** The end of the year 9999, in epoch seconds: RFC 3339 has no later time. */
const LATEST_TIME = 253_402_300_799;

/** Epoch seconds, 0 for never. */
export function readTime(
  struct: Readonly<Record<string, unknown>>,
  member: string,
  where: string,
): number {
  return readInteger(struct, member, where, { from: 0, to: LATEST_TIME });
}

const MAX_SHOWN = 80;

/** An answer that is XML-RPC, but not one of Supervisor. */
export function unexpected(where: string, wanted: string, got: unknown): RpcError {
  return new RpcError(
    'ERR_RPC_UNEXPECTED_VALUE',
    `${where.slice(0, 2 * MAX_SHOWN)} should be ${wanted} and is ${describeValue(got)}`,
  );
}

/** Does not write all of a large value to show its beginning. */
function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_SHOWN));
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a struct';
  return String(JSON.stringify(value) ?? 'nothing');
}
