/** Reads a snapshot: what supervisord reports of itself and of every process at one moment, or of one process. */

import { displayName, type ProcessId } from '../supervisor/process-id.ts';
import type { ProcessInfo, Snapshot } from '../supervisor/snapshot.ts';
import { type ProcessState, stateOfCode } from '../supervisor/states.ts';
import { RpcError } from '../util/errors.ts';
import type { RpcCall } from './client.ts';
import { readInteger, readString, readStruct, readTime, unexpected } from './values.ts';

/** The calls whose results, in this order, are a snapshot. */
export const SNAPSHOT_CALLS = [
  'supervisor.getAllProcessInfo',
  'supervisor.getState',
  'supervisor.getSupervisorVersion',
  'supervisor.getIdentification',
].map((methodName) => ({ methodName, params: [] as const }));

/** Reads the results of SNAPSHOT_CALLS. Throws RpcError, which names the value and what is wrong with it. */
export function parseSnapshot(results: readonly unknown[]): Snapshot {
  const [processes, state, version, identifier] = results;
  if (!Array.isArray(processes)) throw unexpected('getAllProcessInfo', 'a list', processes);
  return {
    server: {
      version: readString(version, 'getSupervisorVersion'),
      identifier: readString(identifier, 'getIdentification'),
      stateCode: readInteger(readStruct(state, 'getState'), 'statecode', 'getState'),
    },
    now:
      processes.length === 0
        ? 0
        : readTime(readStruct(processes[0], 'an entry'), 'now', 'an entry'),
    processes: processes.map(parseProcessInfo),
  };
}

/** Longer ones are cut, since the text is a label. */
const MAX_SPAWN_ERROR_LENGTH = 200;

/** `exitstatus` is -1 for any signal, else what wait(2) reports. */
const EXIT_STATUS = { from: -1, to: 0xffff };

/** Reads an entry of getAllProcessInfo. Throws RpcError. */
function parseProcessInfo(entry: unknown): ProcessInfo {
  const info = readStruct(entry, 'an entry');
  const group = readString(info['group'], 'group');
  const name = readString(info['name'], 'name');
  const where = `${group}:${name}`;
  const code = readInteger(info, 'state', where);
  const state = stateOfCode(code);
  if (state === undefined) throw unexpected(`state of ${where}`, 'a state of Supervisor', code);
  const error = readString(info['spawnerr'], `spawnerr of ${where}`);
  return {
    group,
    name,
    state,
    start: readTime(info, 'start', where),
    stop: readTime(info, 'stop', where),
    exitStatus: readInteger(info, 'exitstatus', where, EXIT_STATUS),
    pid: readInteger(info, 'pid', where, { from: 0, to: 2 ** 31 - 1 }),
    spawnError: readSpawnError(state, error),
    // Each start clears the error, and a stop leaves it.
    ...(state === 'STOPPED' && error !== '' ? { wasStoppedInBackoff: true } : {}),
    ...readLogs(info),
  };
}

/** Asks about one process. */
export function processInfoCall(id: ProcessId): RpcCall {
  return { methodName: 'supervisor.getProcessInfo', params: [displayName(id)] };
}

/** Reads the reply to it; undefined for a process that is gone, and for a reply that cannot be used. */
export function readProcessInfo(reply: unknown): ProcessInfo | undefined {
  if (reply instanceof RpcError) return undefined;
  try {
    return parseProcessInfo(reply);
  } catch {
    return undefined;
  }
}

/** Only log tails need the paths, so a reply without them is valid. */
function readLogs({
  stdout_logfile: stdout,
  stderr_logfile: stderr,
}: Readonly<Record<string, unknown>>): Pick<ProcessInfo, 'stdoutLog' | 'stderrLog'> {
  return {
    ...(typeof stdout === 'string' && stdout !== '' ? { stdoutLog: stdout } : {}),
    ...(typeof stderr === 'string' && stderr !== '' ? { stderrLog: stderr } : {}),
  };
}

/** supervisord also reports here which exit code was not expected, which is no failure to start. */
function readSpawnError(state: ProcessState, text: string): string | undefined {
  const isFailure = state === 'BACKOFF' || state === 'FATAL';
  return isFailure && text !== '' ? text.slice(0, MAX_SPAWN_ERROR_LENGTH) : undefined;
}
