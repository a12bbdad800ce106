/** What other exporters show of each process, for dashboards that were made with them. */

import { exitStatus } from '../processes/process.ts';
import { type ProcessState, STATE_CODES } from '../supervisor/states.ts';
import type { Family, View } from './processes.ts';

/**
 * node_exporter's supervisord collector (1.5.0, collector/supervisord.go): names, types, help
 * and meaning are its own, also where ours differ. It asks supervisord at each scrape, so
 * what it shows is what getAllProcessInfo says.
 */
const NODE_EXPORTER: readonly Family[] = [
  {
    name: 'node_supervisord_up',
    type: 'gauge',
    help: 'Process Up',
    value: ({ state }) => (isAlive(state) ? 1 : 0),
  },
  {
    name: 'node_supervisord_state',
    type: 'gauge',
    help: 'Process State',
    value: ({ state }) => STATE_CODES[state],
  },
  {
    name: 'node_supervisord_exit_status',
    type: 'gauge',
    help: 'Process Exit Status',
    value: exitStatusByRpc,
  },
  {
    name: 'node_supervisord_start_time_seconds',
    type: 'counter',
    help: 'Process start time',
    value: ({ state, startTime }) => (isAlive(state) ? startTime : undefined),
  },
];

/** By the value of --metrics.compat. */
export const COMPAT_FAMILIES = { node_exporter: NODE_EXPORTER } as const;
export type Compat = keyof typeof COMPAT_FAMILIES;
export const COMPATS = Object.keys(COMPAT_FAMILIES) as readonly Compat[];

/** node_exporter's idea of up, which is wider than ours by STOPPING. */
function isAlive(state: ProcessState): boolean {
  return state === 'STARTING' || state === 'RUNNING' || state === 'STOPPING';
}

/**
 * supervisord forgets the last exit status at each start, and does not keep that of a failed
 * one (its process.py: spawn and finish), so it has one to tell in these two states alone.
 * One that was stopped in BACKOFF has none either; we show that of its last attempt.
 */
function exitStatusByRpc(process: View): number | undefined {
  const { state, rpcExitStatus } = process;
  return state === 'EXITED' || state === 'STOPPED' ? (rpcExitStatus ?? exitStatus(process)) : 0;
}
