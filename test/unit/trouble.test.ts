import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProcessTable } from '../../src/processes/table.ts';
import { type Trouble, troubleOf } from '../../src/processes/trouble.ts';
import type { Snapshot } from '../../src/supervisor/snapshot.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const trouble = suite('trouble');

type Step = readonly [transition: string, more?: Parameters<typeof event>[3]];

const RUN: readonly Step[] = [
  ['STOPPED>STARTING', { tries: 0 }],
  ['STARTING>RUNNING', { pid: 7 }],
];
const FAILED: readonly Step[] = [
  ['STOPPED>STARTING', { tries: 0 }],
  ['STARTING>BACKOFF', { tries: 1 }],
];

const HISTORIES: readonly (readonly [
  title: string,
  steps: readonly Step[],
  expected: Trouble | undefined,
])[] = [
  ['a first start', [['STOPPED>STARTING', { tries: 0 }]], undefined],
  ['a process that runs', RUN, undefined],
  ['a failed start', FAILED, 'backoff'],
  ['a start after a failed one', [...FAILED, ['BACKOFF>STARTING', { tries: 1 }]], 'starting again'],
  [
    'a process that runs after a failed start',
    [...FAILED, ['BACKOFF>STARTING', { tries: 1 }], ['STARTING>RUNNING', { pid: 7 }]],
    undefined,
  ],
  ['a process that supervisord has given up', [...FAILED, ['BACKOFF>FATAL']], 'fatal'],
  [
    'a start by hand after FATAL',
    [...FAILED, ['BACKOFF>FATAL'], ['FATAL>STARTING', { tries: 0 }]],
    undefined,
  ],
  ['a failed start that was stopped', [...FAILED, ['BACKOFF>STOPPED']], undefined],
  ['a lost process', [...RUN, ['RUNNING>UNKNOWN']], 'unknown'],
  ['an expected exit', [...RUN, ['RUNNING>EXITED', { expected: true, pid: 7 }]], undefined],
  ['an unexpected exit', [...RUN, ['RUNNING>EXITED', { expected: false, pid: 7 }]], 'down'],
  [
    'a restart after an unexpected exit',
    [...RUN, ['RUNNING>EXITED', { expected: false, pid: 7 }], ['EXITED>STARTING', { tries: 0 }]],
    undefined,
  ],
  [
    'an expected exit after an unexpected one',
    [
      ...RUN,
      ['RUNNING>EXITED', { expected: false, pid: 7 }],
      ['EXITED>STARTING', { tries: 0 }],
      ['STARTING>RUNNING', { pid: 8 }],
      ['RUNNING>EXITED', { expected: true, pid: 8 }],
    ],
    undefined,
  ],
  ['a stop', [...RUN, ['RUNNING>STOPPING', { pid: 7 }]], undefined],
  [
    'a stopped process',
    [...RUN, ['RUNNING>STOPPING', { pid: 7 }], ['STOPPING>STOPPED', { pid: 7 }]],
    undefined,
  ],
];

for (const [title, steps, expected] of HISTORIES) {
  trouble(`${title} is ${expected ?? 'no trouble'}`, () => {
    const table = new ProcessTable();
    for (const [serial, [transition, more]] of steps.entries()) {
      table.apply(event(serial, 'web', transition, more), 100 + serial);
    }
    assert.is(troubleIn(table), expected);
  });
}

const SNAPSHOTS: readonly (readonly [
  title: string,
  snapshot: Snapshot,
  expected: Trouble | undefined,
])[] = [
  ['EXITED with status 0', exited(0), undefined],
  ['EXITED with status 3', exited(3), 'down'],
  ['EXITED by a signal', exited(-1), 'down'],
  [
    'STOPPED by a signal',
    snapshot([info('web', 'STOPPED', { stop: 90, exitStatus: -1 })]),
    undefined,
  ],
  ['FATAL', snapshot([info('web', 'FATAL', { stop: 90 })]), 'fatal'],
];

for (const [title, reported, expected] of SNAPSHOTS) {
  trouble(`${title} by a snapshot is ${expected ?? 'no trouble'}`, () => {
    const table = new ProcessTable();
    table.applyUnorderedSnapshot(reported, -1);
    assert.is(troubleIn(table), expected);
  });
}

trouble('an unreported exit counts only where a process should exist', () => {
  const table = new ProcessTable();
  table.apply(event(0, 'web', 'STARTING>RUNNING', { pid: 7 }), 100);
  assert.is(troubleIn(table, true), 'unreported exit');
  table.apply(event(1, 'web', 'RUNNING>EXITED', { pid: 7, expected: true }), 101);
  assert.is(troubleIn(table, true), undefined);
});

function troubleIn(table: ProcessTable, isUnreported = false): Trouble | undefined {
  const web = table.get(id('web'));
  if (web === undefined) throw new Error('no process');
  return troubleOf(web, isUnreported);
}

function exited(exitStatus: number): Snapshot {
  return snapshot([info('web', 'EXITED', { start: 80, stop: 90, exitStatus })]);
}

trouble.run();
