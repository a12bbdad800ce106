/** Reads a snapshot: what supervisord reports of itself and of every process at one moment. */

import type { ProcessInfo, Snapshot } from '../supervisor/snapshot.ts';
import { type ProcessState, stateOfCode } from '../supervisor/states.ts';
import { readNumber, readString, readStruct, unexpected } from './values.ts';

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
