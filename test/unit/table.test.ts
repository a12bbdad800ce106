import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { setTerminationFacts } from '../../src/processes/apply-lookup.ts';
import { snapshotUpdate } from '../../src/processes/apply-snapshot.ts';
import { type Change, ChangeFeed, idOf } from '../../src/processes/changes.ts';
import { exitSignal, exitStatus, livePid, Process } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ExitReason, NewTermination } from '../../src/processes/termination.ts';
import type { ProcessState } from '../../src/supervisor/states.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const table = suite('process table');

const PENDING: NewTermination = { id: 1, reason: { kind: 'pending' } };
const SIGKILLED: ExitReason = { kind: 'signalled', source: 'log', signal: 9, coreDumped: false };

const EXITED_WITH_3 = info('cat', 'EXITED', { start: 50, stop: 60, exitStatus: 3 });

interface Derived {
  readonly stopTime: number | undefined;
  readonly exitStatus: number | undefined;
  readonly exitSignal: number | undefined;
  readonly lastUnexpectedExitTime: number | undefined;
  readonly expected: boolean | undefined;
  readonly terminationPid: number | undefined;
  readonly failedStartAt: number | undefined;
  readonly transitions: Record<string, number>;
}
type Expected = Partial<Omit<Process, 'transitions'> & Derived>;
type Step = readonly [
  story: string,
  act: (table: ProcessTable) => unknown,
  expected: Expected | 'gone',
];

/** Histories of the process `cat`: what happens, and what is known of it then. */
const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'it starts, runs, is stopped': [
    [
      'it is started',
      (t) => t.apply(event(0, 'cat', 'STOPPED>STARTING', { tries: 0 }), 100.5),
      {
        state: 'STARTING',
        startTime: 100.5,
        lastTransitionTime: 100.5,
        stopTime: undefined,
        pid: undefined,
      },
    ],
    [
      'it has stayed up for startsecs',
      (t) => t.apply(event(1, 'cat', 'STARTING>RUNNING', { pid: 7 }), 101.5),
      { state: 'RUNNING', startTime: 100.5, lastTransitionTime: 101.5, pid: 7, backoffTries: 0 },
    ],
    [
      'it is asked to stop',
      (t) => t.apply(event(2, 'cat', 'RUNNING>STOPPING', { pid: 7 }), 110),
      { state: 'STOPPING', stopTime: undefined, pid: 7 },
    ],
    [
      'it has ended: a stop is no exit',
      (t) => t.apply(event(3, 'cat', 'STOPPING>STOPPED', { pid: 7 }), 110.25),
      {
        state: 'STOPPED',
        stopTime: 110.25,
        pid: undefined,
        exits: 0,
        unexpectedExits: 0,
        transitions: {
          'STOPPED>STARTING': 1,
          'STARTING>RUNNING': 1,
          'RUNNING>STOPPING': 1,
          'STOPPING>STOPPED': 1,
        },
      },
    ],
  ],
  'it crashes and is restarted at once': [
    [
      'a snapshot finds it running',
      (t) => t.applySnapshotAt(snapshot([info('cat', 'RUNNING', { start: 90, pid: 7 })]), 4),
      { state: 'RUNNING', startTime: 90, pid: 7, exits: 0 },
    ],
    [
      'it exits unexpectedly',
      (t) => t.apply(event(5, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 100.1),
      {
        state: 'EXITED',
        exits: 1,
        unexpectedExits: 1,
        lastUnexpectedExitTime: 100.1,
        stopTime: 100.1,
      },
    ],
    [
      'supervisord starts it again',
      (t) => t.apply(event(6, 'cat', 'EXITED>STARTING', { tries: 0 }), 100.2),
      { state: 'STARTING', startTime: 100.2, stopTime: 100.1 },
    ],
    [
      'it ends as it should: an exit, and not an unexpected one',
      (t) => {
        t.apply(event(7, 'cat', 'STARTING>RUNNING', { pid: 8 }), 101.2);
        t.apply(event(8, 'cat', 'RUNNING>EXITED', { expected: true, pid: 8 }), 120);
      },
      { state: 'EXITED', exits: 2, unexpectedExits: 1, lastUnexpectedExitTime: 100.1 },
    ],
  ],
  'it can not be started': [
    [
      'it starts',
      (t) => t.apply(event(0, 'cat', 'STOPPED>STARTING', { tries: 0 }), 1),
      { backoffTries: 0 },
    ],
    [
      'it fails',
      (t) => t.apply(event(1, 'cat', 'STARTING>BACKOFF', { tries: 1 }), 2),
      { state: 'BACKOFF', backoffTries: 1 },
    ],
    [
      'it is tried again',
      (t) => t.apply(event(2, 'cat', 'BACKOFF>STARTING', { tries: 1 }), 3),
      { state: 'STARTING', backoffTries: 1 },
    ],
    [
      'it fails again',
      (t) => t.apply(event(3, 'cat', 'STARTING>BACKOFF', { tries: 2 }), 4),
      { backoffTries: 2 },
    ],
    [
      'supervisord gives up: the tries stay for people to see',
      (t) => t.apply(event(4, 'cat', 'BACKOFF>FATAL'), 5),
      { state: 'FATAL', backoffTries: 2, exits: 0 },
    ],
  ],
  'supervisord loses track of it': [
    [
      'it runs',
      (t) => t.apply(event(0, 'cat', 'STARTING>RUNNING', { pid: 7 }), 1),
      { state: 'RUNNING' },
    ],
    [
      'it is UNKNOWN: counted, though not of the twelve',
      (t) => t.apply(event(1, 'cat', 'RUNNING>UNKNOWN'), 2),
      { state: 'UNKNOWN', transitions: { 'STARTING>RUNNING': 1, 'RUNNING>UNKNOWN': 1 } },
    ],
  ],
  'an older event is received after a newer one': [
    [
      'the start of a restart',
      (t) => t.apply(event(8, 'cat', 'EXITED>STARTING'), 10),
      { state: 'STARTING' },
    ],
    [
      'the exit before it: counted, and the state stays',
      (t) => t.apply(event(7, 'cat', 'RUNNING>EXITED', { expected: false }), 11),
      {
        state: 'STARTING',
        exits: 1,
        unexpectedExits: 1,
        lastTransitionTime: 10,
        startTime: 10,
        transitions: { 'EXITED>STARTING': 1, 'RUNNING>EXITED': 1 },
      },
    ],
  ],
  'a snapshot is applied between the events before its marker and those after it': [
    [
      'it starts',
      (t) => t.apply(event(3, 'cat', 'STOPPED>STARTING'), 10.25),
      { state: 'STARTING' },
    ],
    [
      'it runs, later than the snapshot',
      (t) => t.apply(event(5, 'cat', 'STARTING>RUNNING', { pid: 7 }), 11.25),
      { state: 'RUNNING' },
    ],
    [
      'the snapshot of serial 4: nothing to correct',
      (t) =>
        assert.is(
          t.applySnapshotAt(snapshot([info('cat', 'STARTING', { start: 10 })]), 4).corrections,
          0,
        ),
      { state: 'RUNNING', startTime: 10.25, pid: 7 },
    ],
    [
      'the snapshot of serial 6 corrects the state, which counts no transition',
      (t) =>
        assert.is(
          t.applySnapshotAt(
            snapshot([info('cat', 'EXITED', { start: 10, stop: 12, exitStatus: 3 })]),
            6,
          ).corrections,
          1,
        ),
      {
        state: 'EXITED',
        stopTime: 12,
        exitStatus: 3,
        lastTransitionTime: 12,
        exits: 0,
        pid: undefined,
      },
    ],
    [
      'an event from before that snapshot is received late: counted, and changes nothing',
      (t) => t.apply(event(2, 'cat', 'EXITED>STOPPED'), 13),
      {
        state: 'EXITED',
        transitions: { 'STOPPED>STARTING': 1, 'STARTING>RUNNING': 1, 'EXITED>STOPPED': 1 },
      },
    ],
  ],
  'an unordered snapshot is received before the events that led to it': [
    [
      'the snapshot',
      (t) =>
        t.applyUnorderedSnapshot(snapshot([info('cat', 'RUNNING', { start: 50, pid: 9 })]), -1),
      { state: 'RUNNING', startTime: 50, lastTransitionTime: 50 },
    ],
    [
      'its start, from before the snapshot',
      (t) => t.apply(event(0, 'cat', 'STOPPED>STARTING'), 60),
      { state: 'RUNNING', startTime: 50 },
    ],
    [
      'its success, from before the snapshot',
      (t) => t.apply(event(1, 'cat', 'STARTING>RUNNING', { pid: 9 }), 60),
      { state: 'RUNNING', startTime: 50, lastTransitionTime: 50 },
    ],
    [
      'the marker: nothing to correct',
      (t) =>
        assert.is(
          t.applySnapshotAt(snapshot([info('cat', 'RUNNING', { start: 50, pid: 9 })]), 2)
            .corrections,
          0,
        ),
      { state: 'RUNNING', startTime: 50 },
    ],
    [
      'news',
      (t) => t.apply(event(3, 'cat', 'RUNNING>STOPPING', { pid: 9 }), 61),
      {
        state: 'STOPPING',
        transitions: { 'STOPPED>STARTING': 1, 'STARTING>RUNNING': 1, 'RUNNING>STOPPING': 1 },
      },
    ],
  ],
  'an unordered snapshot reports an exit before its event': [
    ['it runs', (t) => t.apply(event(0, 'cat', 'STARTING>RUNNING', { pid: 9 }), 50), { pid: 9 }],
    [
      'the snapshot does not report whether it was expected',
      (t) => t.applyUnorderedSnapshot(snapshot([EXITED_WITH_3]), 0),
      { state: 'EXITED', exitStatus: 3, expected: undefined, terminationPid: undefined },
    ],
    [
      'the event does',
      (t) => t.apply(event(1, 'cat', 'RUNNING>EXITED', { expected: true, pid: 9 }), 60.5),
      { state: 'EXITED', expected: true, terminationPid: 9, stopTime: 60.5, exits: 1 },
    ],
    [
      'the marker: the snapshot has the status',
      (t) => assert.is(t.applySnapshotAt(snapshot([EXITED_WITH_3]), 2).corrections, 0),
      { state: 'EXITED', exitStatus: 3, expected: true, terminationPid: 9, stopTime: 60.5 },
    ],
  ],
  'an unordered snapshot finds a process in BACKOFF, before its events': [
    [
      'the snapshot',
      (t) => t.applyUnorderedSnapshot(snapshot([info('cat', 'BACKOFF', { stop: 60 })]), -1),
      { state: 'BACKOFF', backoffTries: 0, failedStartAt: undefined },
    ],
    [
      'its last event',
      (t) => t.apply(event(1, 'cat', 'STARTING>BACKOFF', { tries: 2 }), 60.1),
      { state: 'BACKOFF', backoffTries: 2, failedStartAt: 60.1 },
    ],
  ],
  'an unordered snapshot finds a process FATAL that never ran, before its event': [
    [
      'the snapshot does not report since when',
      (t) => t.applyUnorderedSnapshot(snapshot([info('cat', 'FATAL')]), -1),
      { state: 'FATAL', lastTransitionTime: undefined },
    ],
    [
      'its start, from before the snapshot',
      (t) => t.apply(event(0, 'cat', 'STOPPED>STARTING'), 60),
      { state: 'FATAL', lastTransitionTime: undefined },
    ],
    [
      'the event does',
      (t) => t.apply(event(2, 'cat', 'BACKOFF>FATAL'), 60.1),
      { state: 'FATAL', lastTransitionTime: 60.1 },
    ],
    [
      'the marker',
      (t) => assert.is(t.applySnapshotAt(snapshot([info('cat', 'FATAL')]), 3).corrections, 0),
      { state: 'FATAL', lastTransitionTime: 60.1 },
    ],
  ],
  'an event from after a snapshot is received before the marker of that snapshot': [
    [
      'the snapshot',
      (t) => t.applyUnorderedSnapshot(snapshot([info('cat', 'STOPPED')]), -1),
      { state: 'STOPPED' },
    ],
    [
      'the success of a start that is still queued',
      (t) => t.apply(event(9, 'cat', 'STARTING>RUNNING', { pid: 7 }), 60),
      { state: 'STOPPED' },
    ],
    [
      'the marker: the event was the later one',
      (t) => t.applySnapshotAt(snapshot([info('cat', 'STOPPED')]), 7),
      { state: 'RUNNING', pid: 7 },
    ],
    [
      'the start',
      (t) => t.apply(event(8, 'cat', 'STOPPED>STARTING'), 61),
      { state: 'RUNNING', transitions: { 'STARTING>RUNNING': 1, 'STOPPED>STARTING': 1 } },
    ],
  ],
  'a snapshot whose marker is never received': [
    [
      'the snapshot',
      (t) => t.applyUnorderedSnapshot(snapshot([info('cat', 'RUNNING', { start: 50 })]), -1),
      { state: 'RUNNING' },
    ],
    [
      'an exit, from before or after it',
      (t) => t.apply(event(4, 'cat', 'RUNNING>EXITED', { expected: true }), 60),
      { state: 'EXITED' },
    ],
    ['the events have caught up', (t) => t.endUnordered(), { state: 'EXITED' }],
    [
      'from now on the serial decides',
      (t) => t.apply(event(6, 'cat', 'STARTING>RUNNING', { pid: 7 }), 61),
      { state: 'RUNNING' },
    ],
  ],
  'a snapshot from before an exit is applied after its reason is known': [
    [
      'it exits',
      (t) => t.apply(event(9, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20.5),
      { state: 'EXITED', exitStatus: undefined },
    ],
    [
      'the lookup finishes',
      (t) => t.setTerminationFacts(id('cat'), 1, { reason: SIGKILLED, finishedAt: 20.125 }),
      { exitSignal: 9, lastTransitionTime: 20.125 },
    ],
    [
      'the snapshot',
      (t) => t.applySnapshotAt(snapshot([info('cat', 'RUNNING', { start: 10, pid: 7 })]), 7),
      { state: 'EXITED', exitSignal: 9, lastTransitionTime: 20.125 },
    ],
  ],
  'a snapshot confirms the state that an event has reported': [
    [
      'it is started',
      (t) => t.apply(event(0, 'cat', 'STOPPED>STARTING', { tries: 0 }), 100.5),
      { lastTransitionTime: 100.5 },
    ],
    [
      'it has stayed up for startsecs',
      (t) => t.apply(event(1, 'cat', 'STARTING>RUNNING', { pid: 7 }), 105.5),
      { lastTransitionTime: 105.5 },
    ],
    [
      'the snapshot does not report when it entered RUNNING',
      (t) => t.applySnapshotAt(snapshot([info('cat', 'RUNNING', { start: 100, pid: 7 })]), 2),
      { startTime: 100.5, lastTransitionTime: 105.5 },
    ],
  ],
  'it is removed while a snapshot is requested': [
    [
      'it runs',
      (t) => t.apply(event(4, 'cat', 'STARTING>RUNNING', { pid: 7 }), 10),
      { state: 'RUNNING' },
    ],
    ['its group is removed', (t) => t.removeGroup('cat', 6), 'gone'],
    [
      'the snapshot from before that does not bring it back',
      (t) => t.applyUnorderedSnapshot(snapshot([info('cat', 'RUNNING', { pid: 7 })]), 4),
      'gone',
    ],
    [
      'nor does its marker',
      (t) => t.applySnapshotAt(snapshot([info('cat', 'RUNNING', { pid: 7 })]), 5),
      'gone',
    ],
  ],
  'it is removed, and added back': [
    [
      'it exits',
      (t) => t.apply(event(0, 'cat', 'RUNNING>EXITED', { expected: false }), 1),
      { exits: 1 },
    ],
    ['its group is removed', (t) => t.removeGroup('cat', 1), 'gone'],
    [
      'an older event of it is received late: it stays removed',
      (t) => t.apply(event(0, 'cat', 'RUNNING>EXITED', { expected: false }), 2),
      'gone',
    ],
    [
      'it is added back and starts: its counters begin at 0',
      (t) => t.apply(event(3, 'cat', 'STOPPED>STARTING'), 3),
      { state: 'STARTING', exits: 0, transitions: { 'STOPPED>STARTING': 1 } },
    ],
    [
      'a late event of its removal: it has been named since',
      (t) => t.removeGroup('cat', 2),
      { state: 'STARTING' },
    ],
    [
      'a late event from before its removal',
      (t) => t.apply(event(1, 'cat', 'RUNNING>EXITED'), 4),
      { exits: 0 },
    ],
  ],
  'it is removed without an event': [
    [
      'it exists',
      (t) => t.applySnapshotAt(snapshot([info('cat', 'RUNNING'), info('dog', 'RUNNING')]), 5),
      { state: 'RUNNING' },
    ],
    [
      'a snapshot does not have it',
      (t) => t.applySnapshotAt(snapshot([info('dog', 'RUNNING')]), 6),
      'gone',
    ],
    [
      'an event from before that snapshot does not bring it back',
      (t) => t.apply(event(5, 'cat', 'RUNNING>STOPPING'), 9),
      'gone',
    ],
    [
      'one from after it does',
      (t) => t.apply(event(8, 'cat', 'STOPPED>STARTING'), 9),
      { state: 'STARTING' },
    ],
    [
      'a snapshot from before that event does not know: it stays',
      (t) => t.applySnapshotAt(snapshot([info('dog', 'RUNNING')]), 7),
      { state: 'STARTING' },
    ],
  ],
};

for (const [title, steps] of Object.entries(HISTORIES)) {
  table(title, () => {
    const subject = new ProcessTable();
    for (const [story, act, expected] of steps) {
      act(subject);
      const cat = subject.get(id('cat'));
      if (expected === 'gone') {
        assert.is(cat, undefined, story);
        continue;
      }
      if (cat === undefined) throw new Error(`${story}: cat is missing`);
      const shown = { ...cat, ...derive(cat) };
      for (const [field, value] of Object.entries(expected)) {
        assert.equal(shown[field as keyof typeof shown], value, `${story}: ${field}`);
      }
    }
  });
}

/** What is known of failed starts after an event that reports the third try. */
const FAILED_STARTS: Readonly<Record<ProcessState, Pick<Process, 'backoffTries' | 'spawnError'>>> =
  {
    STARTING: { backoffTries: 3, spawnError: undefined },
    RUNNING: { backoffTries: 0, spawnError: undefined },
    BACKOFF: { backoffTries: 3, spawnError: undefined },
    STOPPING: { backoffTries: 2, spawnError: undefined },
    EXITED: { backoffTries: 0, spawnError: undefined },
    STOPPED: { backoffTries: 0, spawnError: undefined },
    FATAL: { backoffTries: 2, spawnError: 'no file' },
    UNKNOWN: { backoffTries: 2, spawnError: undefined },
  };

for (const [to, expected] of Object.entries(FAILED_STARTS)) {
  table(`the failed starts that are known after a transition to ${to}`, () => {
    const subject = new ProcessTable();
    subject.apply(event(0, 'cat', 'STARTING>BACKOFF', { tries: 2 }), 100);
    subject.applySnapshotAt(snapshot([info('cat', 'BACKOFF', { spawnError: 'no file' })]), 1);
    subject.apply(event(2, 'cat', `BACKOFF>${to}`, { tries: 3 }), 101);
    const { backoffTries, spawnError } = subject.get(id('cat')) ?? {};
    assert.equal({ backoffTries, spawnError }, expected);
  });
}

type Start = readonly [
  title: string,
  transitions: readonly (readonly [at: number, transition: string, pid?: number])[],
  pid: number,
  startedAt: number,
  /** Whether the log reports the begin of the present or last run of the process. */
  expected: boolean,
];

const STARTING = [100.5, 'STOPPED>STARTING'] as const;
const RUNNING = [STARTING, [101.5, 'STARTING>RUNNING', 7]] as const;
const EXITED = [...RUNNING, [110, 'RUNNING>EXITED', 7]] as const;
const STARTS: readonly Start[] = [
  ['of a process that is starting, whose pid is not known', [STARTING], 8, 100.2, true],
  ['of the pid that runs', RUNNING, 7, 100.2, true],
  ['of another pid', RUNNING, 8, 100.2, false],
  ['of the pid that has exited', EXITED, 7, 100.2, true],
  ['of another pid than the one that has exited', EXITED, 8, 100.2, false],
  ['of the next run', [...EXITED, [111, 'EXITED>STARTING']], 8, 110.5, true],
  ['of a first run that failed', [STARTING, [101, 'STARTING>BACKOFF']], 8, 100.2, true],
  ['2 s after its event', RUNNING, 7, 102.5, true],
  ['more than 2 s after its event', RUNNING, 7, 102.6, false],
  ['60 s before its event', RUNNING, 7, 40.5, true],
  ['more than 60 s before its event', RUNNING, 7, 40.4, false],
  ['of a process that is not known to have run', [[100, 'BACKOFF>FATAL']], 7, 99, false],
  ['of a process that is not known', [], 7, 100, false],
];

for (const [title, transitions, pid, startedAt, expected] of STARTS) {
  table(`the log reports a start ${title}`, () => {
    const subject = new ProcessTable();
    for (const [serial, [at, transition, eventPid]] of transitions.entries()) {
      subject.apply(event(serial, 'cat', transition, { pid: eventPid }), at);
    }
    const before = subject.get(id('cat'))?.startTime;
    const facts = { pid, startedAt };
    const changes = subject.setStartFacts(id('cat'), facts);
    assert.equal(changes, expected ? [{ kind: 'started', id: id('cat'), facts }] : []);
    assert.is(subject.get(id('cat'))?.startTime, expected ? startedAt : before);
  });
}

/** Whether a process in this state has a pid. */
const HAS_PID: Readonly<Record<ProcessState, boolean>> = {
  STOPPED: false,
  STARTING: true,
  RUNNING: true,
  BACKOFF: false,
  STOPPING: true,
  EXITED: false,
  FATAL: false,
  UNKNOWN: false,
};

for (const [state, expected] of Object.entries(HAS_PID)) {
  table(`${state} has ${expected ? 'a' : 'no'} pid of a living process`, () => {
    const subject = new ProcessTable();
    subject.applySnapshotAt(snapshot([info('cat', state as ProcessState, { pid: 7 })]), 0);
    const cat = subject.get(id('cat'));
    assert.is(cat && livePid(cat), expected ? 7 : undefined);
  });
}

table('a removed group takes all of its processes, and no other', () => {
  const subject = new ProcessTable();
  subject.applySnapshotAt(
    snapshot(['web:a', 'web:b', 'web2:a', 'a:web'].map((process) => info(process, 'RUNNING'))),
    0,
  );
  subject.removeGroup('web', 1);
  assert.equal(
    [...subject.values()].map((process) => process.id),
    [id('web2:a'), id('a:web')],
  );
});

table('the last 1024 removals keep late events from bringing a process back', () => {
  const subject = new ProcessTable();
  for (let index = 0; index <= 1_024; index++) subject.removeGroup(`cat${index}`, 10 + index);
  subject.apply(event(1, 'cat1', 'STOPPED>STARTING'), 1);
  assert.is(subject.size, 0);
  subject.apply(event(0, 'cat0', 'STOPPED>STARTING'), 1);
  assert.is(subject.size, 1, 'memory is limited');
});

table('the same name in two groups is two processes', () => {
  const subject = new ProcessTable();
  subject.apply(event(0, 'one:web', 'RUNNING>EXITED', { expected: false }), 1);
  subject.apply(event(1, 'two:web', 'STOPPED>STARTING'), 1);
  assert.is(subject.get(id('one:web'))?.exits, 1);
  assert.is(subject.get(id('two:web'))?.exits, 0);
});

for (const [received, reported, expected] of [
  [100.9, 100, 100.9],
  [100, 100, 100],
  [101.9, 100, 101.9],
  [102, 100, 100],
  [99.9, 100, 100],
  [100.9, 97, 97],
  [100.9, 0, undefined],
  [undefined, 100, 100],
  [undefined, 0, undefined],
] as const) {
  table(`a start received at ${received} that a snapshot reports at ${reported}`, () => {
    const subject = new ProcessTable();
    if (received !== undefined) subject.apply(event(0, 'cat', 'STOPPED>STARTING'), received);
    subject.applySnapshotAt(snapshot([info('cat', 'STARTING', { start: reported })]), 1);
    assert.is(subject.get(id('cat'))?.startTime, expected);
  });
}

/** Snapshots of `cat` that differ in whatever may differ. */
const SNAPSHOTS = (['RUNNING', 'EXITED', 'BACKOFF', 'STOPPING'] as const).flatMap((state) =>
  [0, 5, 9].flatMap((start) =>
    [0, 5, 9].flatMap((stop) =>
      [0, 3].flatMap((exitStatus) =>
        [0, 7].flatMap((pid) =>
          [undefined, 'no file'].map((spawnError) =>
            info('cat', state, { start, stop, exitStatus, pid, spawnError }),
          ),
        ),
      ),
    ),
  ),
);

table('a snapshot changes nothing that it confirms', () => {
  let confirmed = 0;
  for (const before of SNAPSHOTS) {
    for (const isReasonKnown of [false, true]) {
      const process = new Process(id('cat'), before.state);
      Object.assign(
        process,
        snapshotUpdate(process, before, true, () => PENDING),
      );
      if (isReasonKnown) setTerminationFacts(process, PENDING.id, { reason: SIGKILLED });
      for (const next of SNAPSHOTS) {
        const update = snapshotUpdate(process, next, true, () => ({ ...PENDING, id: 2 }));
        if (update === undefined) confirmed += 1;
        const isSame = Object.entries(update ?? {}).some(
          ([field, value]) => process[field as keyof Process] === value,
        );
        if (isSame) assert.unreachable(JSON.stringify([before, next]));
        const updated = { ...process, ...update };
        if (snapshotUpdate(updated, next, true, () => ({ ...PENDING, id: 3 })) !== undefined) {
          assert.unreachable(`the same snapshot again: ${JSON.stringify([before, next])}`);
        }
      }
    }
  }
  assert.ok(confirmed > SNAPSHOTS.length / 2, `${confirmed} are confirmed`);
});

table('a snapshot publishes only the processes that it changes', () => {
  const subject = new ProcessTable();
  const reported = (pid: number) =>
    snapshot([
      info('cat', 'RUNNING', { start: 5, pid: 7 }),
      info('dog', 'RUNNING', { start: 5, pid }),
    ]);
  subject.applySnapshotAt(reported(8), 0);
  assert.equal(subject.applySnapshotAt(reported(8), 1).changes, []);
  const { changes } = subject.applySnapshotAt(reported(9), 2);
  assert.equal(
    changes.map((change) => [change.kind, 'process' in change && change.process?.id.name]),
    [['updated', 'dog']],
  );
});

table('each change names the process that it is about', () => {
  const subject = new ProcessTable();
  const reason = SIGKILLED;
  const changes = [
    ...subject.apply(event(0, 'cat', 'STOPPED>STARTING'), 100),
    ...subject.setStartFacts(id('cat'), { pid: 7, startedAt: 99.9 }),
    ...subject.apply(event(1, 'cat', 'RUNNING>EXITED', { expected: false }), 101),
    ...subject.setTerminationFacts(id('cat'), 2, { reason }),
    ...subject.configure(id('cat'), {
      autostart: true,
      startRetries: 3,
      stopWaitSeconds: 10,
      exitCodes: [0],
    }),
    ...subject.removeGroup('cat', 2),
  ];
  assert.equal(
    changes.map(({ kind }) => kind),
    ['added', 'transition', 'started', 'transition', 'exited', 'reason', 'updated', 'removed'],
  );
  for (const change of changes) assert.equal(idOf(change), id('cat'), change.kind);
});

table('a change that a consumer publishes follows those that are already queued', () => {
  const [first, second, third] = ['one', 'two', 'three'].map(
    (name): Change => ({ kind: 'added', process: new Process(id(name), 'STOPPED') }),
  ) as [Change, Change, Change];
  const feed = new ChangeFeed();
  const received: string[] = [];
  feed.subscribe((change) => {
    if (change === first) feed.publish([third]);
    received.push(`a ${idOf(change).name}`);
  });
  feed.subscribe((change) => received.push(`b ${idOf(change).name}`));
  feed.publish([first, second]);
  assert.equal(received, ['a one', 'b one', 'a two', 'b two', 'a three', 'b three']);
});

function derive(process: Readonly<Process>): Derived {
  return {
    stopTime: process.termination?.finishedAt,
    exitStatus: exitStatus(process),
    exitSignal: exitSignal(process),
    lastUnexpectedExitTime: process.lastUnexpectedExit?.finishedAt,
    expected: process.termination?.expected,
    terminationPid: process.termination?.pid,
    failedStartAt: process.failedStart?.finishedAt,
    transitions: Object.fromEntries(process.transitions),
  };
}

table.run();
