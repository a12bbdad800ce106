import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wasExpected } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { type Trouble, troubleOf } from '../../src/processes/trouble.ts';
import type { Snapshot } from '../../src/supervisor/snapshot.ts';
import type { ProcessState } from '../../src/supervisor/states.ts';
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

const WITH_EXIT_CODES: readonly (readonly [
  title: string,
  snapshot: Snapshot,
  exitCodes: readonly number[] | undefined,
  expected: boolean | undefined,
])[] = [
  ['EXITED with status 3', exited(3), [0, 3], true],
  ['EXITED with status 3', exited(3), [0], false],
  ['EXITED with status 3', exited(3), undefined, undefined],
  ['EXITED with status 0', exited(0), [3], false],
  ['EXITED by a signal', exited(-1), [0], false],
  ['STOPPED', snapshot([info('web', 'STOPPED', { stop: 90, exitStatus: -1 })]), [0], undefined],
  [
    'RUNNING after an exit',
    snapshot([info('web', 'RUNNING', { start: 91, stop: 90 })]),
    [0],
    undefined,
  ],
];

for (const [title, reported, exitCodes, expected] of WITH_EXIT_CODES) {
  trouble(`${title} by a snapshot, with exitcodes=${exitCodes}, was expected: ${expected}`, () => {
    const table = new ProcessTable();
    table.applyUnorderedSnapshot(reported, -1);
    const settings = { autostart: true, startRetries: 3, stopWaitSeconds: 10, exitCodes };
    table.configure(id('web'), settings);
    const web = table.get(id('web'));
    assert.is(web && wasExpected(web), expected);
    if (expected !== undefined) assert.is(troubleIn(table), expected ? undefined : 'down');
  });
}

trouble('an exit was expected if its event says so, whatever the exit codes', () => {
  for (const expected of [true, false]) {
    const table = new ProcessTable();
    table.apply(event(0, 'web', 'RUNNING>EXITED', { expected, pid: 7 }), 100);
    const settings = { autostart: true, startRetries: 3, stopWaitSeconds: 10, exitCodes: [0, 3] };
    table.configure(id('web'), settings);
    const run = table.get(id('web'))?.termination?.id ?? 0;
    const reason = { kind: 'exited', source: 'log', exitCode: expected ? 4 : 3 } as const;
    table.setTerminationFacts(id('web'), run, { reason });
    const web = table.get(id('web'));
    assert.is(web && wasExpected(web), expected);
  }
});

/** With a process that is known to be gone, and no event of that. */
const UNREPORTED: Readonly<Record<ProcessState, Trouble | undefined>> = {
  STOPPED: undefined,
  STARTING: 'unreported exit',
  RUNNING: 'unreported exit',
  BACKOFF: 'backoff',
  STOPPING: 'unreported exit',
  EXITED: undefined,
  FATAL: 'fatal',
  UNKNOWN: 'unknown',
};

for (const [state, expected] of Object.entries(UNREPORTED)) {
  trouble(`an unreported exit in ${state} is ${expected ?? 'no trouble'}`, () => {
    const table = new ProcessTable();
    table.applyUnorderedSnapshot(snapshot([info('web', state as ProcessState)]), -1);
    assert.is(troubleIn(table, true), expected);
  });
}

trouble('an unreported exit after a failed start is one', () => {
  const table = new ProcessTable();
  for (const [serial, [transition, more]] of FAILED.entries()) {
    table.apply(event(serial, 'web', transition, more), 100 + serial);
  }
  table.apply(event(2, 'web', 'BACKOFF>STARTING', { tries: 1 }), 102);
  assert.is(troubleIn(table, true), 'unreported exit');
});

for (const [exitCode, expected] of [
  [0, undefined],
  [3, 'down'],
] as const) {
  trouble(
    `an exit that only its status ${exitCode} explains is ${expected ?? 'no trouble'}`,
    () => {
      const table = new ProcessTable();
      table.apply(event(0, 'web', 'RUNNING>EXITED', { pid: 7 }), 100);
      assert.is(troubleIn(table), undefined, 'not known yet');
      const reason = { kind: 'exited', source: 'log', exitCode } as const;
      table.setTerminationFacts(id('web'), 1, { reason });
      assert.is(troubleIn(table), expected);
    },
  );
}

function troubleIn(table: ProcessTable, isUnreported = false): Trouble | undefined {
  const web = table.get(id('web'));
  if (web === undefined) throw new Error('no process');
  return troubleOf(web, isUnreported);
}

function exited(exitStatus: number): Snapshot {
  return snapshot([info('web', 'EXITED', { start: 80, stop: 90, exitStatus })]);
}

trouble.run();
