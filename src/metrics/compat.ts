/** Metric families of other exporters, for dashboards that were made for them. */

import { exitStatus, type Process } from '../processes/process.ts';
import { isAlive, STATE_CODES } from '../supervisor/states.ts';
import type { ProcessFamily } from './family.ts';

/**
 * node_exporter's supervisord collector (1.5.0, collector/supervisord.go), with its names,
 * types, help texts and meanings. It shows the reply of getAllProcessInfo, and counts STOPPING as up.
 */
const NODE_EXPORTER: readonly ProcessFamily[] = [
  {
    name: 'node_supervisord_up',
    help: 'Process Up',
    value: ({ state }) => (isAlive(state) ? 1 : 0),
  },
  {
    name: 'node_supervisord_state',
    help: 'Process State',
    value: ({ state }) => STATE_CODES[state],
  },
  {
    name: 'node_supervisord_exit_status',
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

/**
 * supervisord resets the exit status at each start and does not store that of a failed start
 * (its process.py: spawn and finish), so it reports one only in these two states. It reports
 * none of a process that was stopped in BACKOFF either; that of its last start is shown here.
 */
function exitStatusByRpc(process: Readonly<Process>): number | undefined {
  const { state, rpcExitStatus } = process;
  return state === 'EXITED' || state === 'STOPPED' ? (rpcExitStatus ?? exitStatus(process)) : 0;
}
