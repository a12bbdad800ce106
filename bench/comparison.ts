/** What the exporter has counted, held against what supervisord has logged, and shown against what it has. */

import type { ProgramAccount } from '../test/support/account.ts';
import type { Exposition } from '../test/support/exposition.ts';
import type { ProcessInfo } from './rpc.ts';

/** For each line of supervisord's log the metric that counts the same. */
const COUNTS: Readonly<
  Record<keyof ProgramAccount, (metrics: Exposition, name: string) => number>
> = {
  spawned: (metrics, name) =>
    metrics.sum('supervisord_process_transitions_total', { name, to: 'STARTING' }),
  exited: (metrics, name) => metrics.sum('supervisord_process_exits_total', { name }),
  unexpected: (metrics, name) =>
    metrics.sum('supervisord_process_unexpected_exits_total', { name }),
  stopped: (metrics, name) =>
    metrics.sum('supervisord_process_transitions_total', { name, from: 'STOPPING' }),
};
const KINDS = Object.keys(COUNTS) as (keyof ProgramAccount)[];

export interface Comparison {
  readonly kind: string;
  readonly counted: number;
  readonly logged: number;
  /** Programs for which the two are not the same. */
  readonly differing: readonly string[];
}

export function compareCounts(
  metrics: Exposition,
  programs: ReadonlyMap<string, Readonly<ProgramAccount>>,
): Comparison[] {
  return KINDS.map((kind) => {
    const counts = [...programs].map(([name, account]) => ({
      name,
      counted: COUNTS[kind](metrics, name),
      logged: account[kind],
    }));
    return {
      kind,
      counted: counts.reduce((total, { counted }) => total + counted, 0),
      logged: counts.reduce((total, { logged }) => total + logged, 0),
      differing: counts
        .filter(({ counted, logged }) => counted !== logged)
        .map(({ name, counted, logged }) => `${name}: ${counted} counted, ${logged} logged`),
    };
  });
}

/** Processes that one side has and the other has not, or in another state. */
export function compareStates(metrics: Exposition, processes: readonly ProcessInfo[]): string[] {
  const key = (group: string | undefined, name: string | undefined) => `${group}:${name}`;
  const shown = new Map(
    metrics
      .where('supervisord_state')
      .map(({ labels, value }) => [key(labels['group'], labels['name']), value]),
  );
  const real = new Map(processes.map(({ group, name, state }) => [key(group, name), state]));
  return [...new Set([...shown.keys(), ...real.keys()])]
    .filter((process) => shown.get(process) !== real.get(process))
    .map(
      (process) => `${process}: state ${shown.get(process)} shown, ${real.get(process)} in fact`,
    );
}
