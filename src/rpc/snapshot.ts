/** A snapshot: what supervisord says of itself and of every process at one moment. */

import type { ProcessId } from '../processes/identity.ts';
import { type ProcessState, stateOfCode } from '../processes/states.ts';

export interface Snapshot {
  readonly server: ServerFacts;
  /** supervisord's clock when it answered, in whole epoch seconds; 0 where it runs no process. */
  readonly now: number;
  readonly processes: readonly ProcessInfo[];
}

export interface ServerFacts {
  readonly version: string;
  readonly identifier: string;
  /** supervisord.org/api.html#supervisor.rpcinterface.SupervisorNamespaceRPCInterface.getState */
  readonly stateCode: number;
}

/** What getAllProcessInfo says of one process. Times are whole epoch seconds, 0 for never. */
export interface ProcessInfo extends ProcessId {
  readonly state: ProcessState;
  readonly start: number;
  readonly stop: number;
  /** Of the last exit; cleared to 0 by the next start, -1 for any signal. */
  readonly exitStatus: number;
  /** 0 while there is none. */
  readonly pid: number;
}

/** An answer that is XML-RPC and not what Supervisor answers. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
}

/** The calls whose results, in this order, are a snapshot. */
export const SNAPSHOT_CALLS = [
  'supervisor.getAllProcessInfo',
  'supervisor.getState',
  'supervisor.getSupervisorVersion',
  'supervisor.getIdentification',
] as const;

/** Reads the results of SNAPSHOT_CALLS. Throws SnapshotError, which says what is wrong and where. */
export function parseSnapshot(results: readonly unknown[]): Snapshot {
  const [processes, state, version, identifier] = results;
  if (!Array.isArray(processes)) throw unexpected('getAllProcessInfo', 'a list', processes);
  return {
    server: {
      version: readString(version, 'getSupervisorVersion'),
      identifier: readString(identifier, 'getIdentification'),
      stateCode: readNumber(readStruct(state, 'getState'), 'statecode', 'getState'),
    },
    now:
      processes.length === 0
        ? 0
        : readNumber(readStruct(processes[0], 'an entry'), 'now', 'an entry'),
    processes: processes.map(parseProcessInfo),
  };
}

function parseProcessInfo(entry: unknown): ProcessInfo {
  const info = readStruct(entry, 'an entry');
  const group = readString(info['group'], 'group');
  const name = readString(info['name'], 'name');
  const where = `${group}:${name}`;
  const code = readNumber(info, 'state', where);
  const state = stateOfCode(code);
  if (state === undefined) throw unexpected(`state of ${where}`, 'a state of Supervisor', code);
  return {
    group,
    name,
    state,
    start: readNumber(info, 'start', where),
    stop: readNumber(info, 'stop', where),
    exitStatus: readNumber(info, 'exitstatus', where),
    pid: readNumber(info, 'pid', where),
  };
}

function readStruct(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unexpected(where, 'a struct', value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function readString(value: unknown, where: string): string {
  if (typeof value !== 'string') throw unexpected(where, 'a string', value);
  return value;
}

function readNumber(
  struct: Readonly<Record<string, unknown>>,
  member: string,
  where: string,
): number {
  const value = struct[member];
  if (typeof value !== 'number') throw unexpected(`${member} of ${where}`, 'a number', value);
  return value;
}

function unexpected(where: string, wanted: string, got: unknown): SnapshotError {
  const shown = JSON.stringify(got)?.slice(0, 80) ?? 'nothing';
  return new SnapshotError(`${where} should be ${wanted} and is ${shown}`);
}
