/** What the page shows, written short. */

import type { Facts, Row, Step, View } from '../../src/web/page/view.ts';
import { id } from './facts.ts';

export const FACTS: Facts = {
  identifier: 'supervisor',
  supervisordVersion: '4.2.5',
  supervisordState: 'RUNNING',
  rpc: 'works',
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
    lastUnexpected: undefined,
    ended: undefined,
    reason: undefined,
    spawnError: undefined,
    cpu: undefined,
    memory: undefined,
    ...more,
  };
}

export function step(number: number, process: string, more: Partial<Step> = {}): Step {
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
  return { now: 10_000, facts: FACTS, rows, steps: [], ...more };
}
