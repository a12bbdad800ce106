/** Builds data of the page with defaults. */

import type { PageContext, Row, Transition, View } from '../../src/web/page/view.ts';
import { id } from './facts.ts';

export const CONTEXT: PageContext = {
  identifier: 'supervisor',
  supervisordVersion: '4.2.5',
  supervisordState: 'RUNNING',
  host: 'box',
  rpc: 'works',
  isSynced: true,
  waitingSince: undefined,
  eventsLost: 0,
  exporterVersion: '0.1.0',
  hasUsage: true,
};

export function row(process: string, more: Partial<Row> = {}): Row {
  return {
    ...id(process),
    state: 'RUNNING',
    since: undefined,
    start: undefined,
    pid: undefined,
    tries: 0,
    exits: 0,
    unexpected: 0,
    lastUnexpectedExit: undefined,
    exitedAt: undefined,
    reason: undefined,
    spawnError: undefined,
    cpu: undefined,
    memory: undefined,
    trouble: undefined,
    timeline: '',
    ...more,
  };
}

export function transition(
  number: number,
  process: string,
  more: Partial<Transition> = {},
): Transition {
  return {
    number,
    at: number,
    ...id(process),
    from: 'RUNNING',
    to: 'EXITED',
    expected: undefined,
    tries: undefined,
    reason: undefined,
    ...more,
  };
}

export function view(rows: readonly Row[], more: Partial<View> = {}): View {
  return { now: 10_000, context: CONTEXT, rows, transitions: [], ...more };
}
