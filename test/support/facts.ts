/** Events and snapshots for the process table, written short. */

import type { ProcessStateEvent } from '../../src/supervisor/events.ts';
import type { ProcessId } from '../../src/supervisor/process-id.ts';
import type { ProcessInfo, Snapshot } from '../../src/supervisor/snapshot.ts';
import { type ProcessState, stateOfName } from '../../src/supervisor/states.ts';

/** `GROUP:NAME`, or `NAME` for a process in the group of its own name. */
export function id(text: string): ProcessId {
  const colon = text.indexOf(':');
  if (colon === -1) return { group: text, name: text };
  return { group: text.slice(0, colon), name: text.slice(colon + 1) };
}

export type Extra = Partial<Pick<ProcessStateEvent, 'tries' | 'expected' | 'pid'>>;

/** A transition `FROM>TO` of a process. */
export function event(
  serial: number,
  process: string,
  transition: string,
  extra: Extra = {},
): ProcessStateEvent {
  const [from, to] = transition.split('>').map(state);
  if (from === undefined || to === undefined) throw new Error(`no transition: ${transition}`);
  return {
    kind: 'process-state',
    name: `PROCESS_STATE_${to}`,
    serial,
    process: id(process),
    from,
    to,
    tries: undefined,
    expected: undefined,
    pid: undefined,
    ...extra,
  };
}

export function info(
  process: string,
  state: ProcessState,
  more: Partial<ProcessInfo> = {},
): ProcessInfo {
  return {
    ...id(process),
    state,
    start: 0,
    stop: 0,
    exitStatus: 0,
    pid: 0,
    spawnError: undefined,
    ...more,
  };
}

export function snapshot(processes: readonly ProcessInfo[], now = 0): Snapshot {
  return { server: { version: '4.2.5', identifier: 'supervisor', stateCode: 1 }, now, processes };
}

function state(text: string): ProcessState {
  const named = stateOfName(text);
  if (named === undefined) throw new Error(`no state: ${text}`);
  return named;
}
