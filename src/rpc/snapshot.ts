/** A snapshot: what supervisord says of itself and of every process at one moment. */

import type { ProcessId } from '../processes/identity.ts';
import { type ProcessState, stateOfCode } from '../processes/states.ts';
import { readNumber, readString, readStruct, unexpected } from './values.ts';

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

const SERVER_STATES: Readonly<Record<number, string>> = {
  2: 'FATAL',
  1: 'RUNNING',
  0: 'RESTARTING',
  [-1]: 'SHUTDOWN',
};

/** supervisord's name for its own state; the code itself where it has none. */
export function nameOfServerState(stateCode: number): string {
  return SERVER_STATES[stateCode] ?? String(stateCode);
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
  /** Why it could not be started; undefined outside BACKOFF and FATAL, or where there is nothing to say. */
  readonly spawnError: string | undefined;
}

/** The calls whose results, in this order, are a snapshot. */
export const SNAPSHOT_CALLS = [
  'supervisor.getAllProcessInfo',
  'supervisor.getState',
  'supervisor.getSupervisorVersion',
  'supervisor.getIdentification',
].map((methodName) => ({ methodName, params: [] as const }));

/** Reads the results of SNAPSHOT_CALLS. Throws UnexpectedValue, which says what is wrong and where. */
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

/** Longer ones are cut: it is a label. */
const MAX_SPAWN_ERROR_LENGTH = 200;

/** Reads what getProcessInfo says, or an entry of getAllProcessInfo. Throws UnexpectedValue. */
export function parseProcessInfo(entry: unknown): ProcessInfo {
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
    spawnError: readSpawnError(state, readString(info['spawnerr'], `spawnerr of ${where}`)),
  };
}

/** supervisord also says here which exit code was not expected, which is no failure to start. */
function readSpawnError(state: ProcessState, text: string): string | undefined {
  const isFailure = state === 'BACKOFF' || state === 'FATAL';
  return isFailure && text !== '' ? text.slice(0, MAX_SPAWN_ERROR_LENGTH) : undefined;
}
