import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Change } from '../../src/processes/changes.ts';
import { exitSignal, exitStatus, lastEnd } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import {
  type ExitReason,
  isReasonPending,
  oomKilledOf,
  type Termination,
  type TerminationFacts,
} from '../../src/processes/termination.ts';
import type { ProcessInfo } from '../../src/supervisor/snapshot.ts';
import type { ProcessState } from '../../src/supervisor/states.ts';
import { type Extra, event, id, info, snapshot } from '../support/facts.ts';

const terminations = suite('terminations');

const WEB = id('web');
const UNKNOWN: TerminationFacts = { reason: { kind: 'unknown' } };
const KILLED_REASON = { kind: 'signalled', source: 'log', signal: 9, coreDumped: false } as const;
const KILLED = signalled(9);

function exited(exitCode: number, finishedAt?: number): TerminationFacts {
  return { reason: { kind: 'exited', source: 'log', exitCode }, finishedAt };
}

function signalled(signal: number): TerminationFacts {
  return { reason: { kind: 'signalled', source: 'log', signal, coreDumped: false } };
}

/** A table with the process web, which runs as pid 7 since 10, and a consumer of its changes. */
class History {
  readonly table: ProcessTable;
  /** Terminations as they were published. */
  readonly published: Termination[] = [];
  #serial = 0;

  constructor(options: { looksUpReasons?: boolean } = {}) {
    this.table = new ProcessTable(options);
    this.snapshot('RUNNING', { pid: 7, start: 10 });
  }

  event(at: number, transition: string, extra: Extra = {}): this {
    this.#serial += 1;
    return this.#consume(this.table.apply(event(this.#serial, 'web', transition, extra), at));
  }

  exit(at: number, pid = 7, expected = false): this {
    return this.event(at, 'RUNNING>EXITED', { expected, pid });
  }

  restart(at: number, pid: number): this {
    return this.event(at, 'EXITED>STARTING', { tries: 0 }).event(at + 1, 'STARTING>RUNNING', {
      pid,
    });
  }

  snapshot(state: ProcessState, more: Partial<ProcessInfo> = {}): this {
    const { changes } = this.table.applySnapshotAt(
      snapshot([info('web', state, more)]),
      this.#serial,
    );
    return this.#consume(changes);
  }

  /** The lookup of the `nth` published termination has finished. */
  lookUp(nth: number, facts: TerminationFacts): this {
    const { id: terminationId } = this.published.at(nth) ?? { id: -1 };
    return this.#consume(this.table.setTerminationFacts(WEB, terminationId, facts));
  }

  get web() {
    const process = this.table.get(WEB);
    if (process === undefined) throw new Error('web is missing');
    return process;
  }

  get shown() {
    return { status: exitStatus(this.web), signal: exitSignal(this.web) };
  }

  #consume(changes: readonly Change[]): this {
    for (const change of changes) {
      if (change.kind === 'exited') this.published.push(change.termination);
    }
    return this;
  }
}

const NO_SAMPLE = { status: undefined, signal: undefined };

terminations('a process that never ended shows what XML-RPC reports', () => {
  const history = new History();
  assert.equal(history.shown, { status: 0, signal: 0 });
  assert.equal(history.published, []);
});

terminations('from an exit until its reason is known there is no sample', () => {
  const history = new History().exit(20.5);
  assert.equal(history.shown, NO_SAMPLE);
  history.restart(20.6, 8);
  assert.equal(history.shown, NO_SAMPLE, 'the new run says nothing about the exit');
  history.lookUp(0, exited(3));
  assert.equal(history.shown, { status: 3, signal: 0 });
  history.snapshot('RUNNING', { pid: 8, start: 20, stop: 20 });
  assert.equal(history.shown, { status: 3, signal: 0 }, 'XML-RPC reports 0 by now');
});

terminations('a new exit never shows the reason of an earlier one', () => {
  const history = new History()
    .event(20, 'RUNNING>STOPPING', { pid: 7 })
    .event(20.5, 'STOPPING>STOPPED', { pid: 7 })
    .lookUp(0, signalled(15));
  assert.equal(history.shown, { status: -1, signal: 15 });
  history.event(30, 'STOPPED>STARTING', { tries: 0 }).event(31, 'STARTING>RUNNING', { pid: 8 });
  assert.equal(history.shown, { status: -1, signal: 15 }, 'still the last exit');
  history.exit(40, 8);
  assert.equal(history.shown, NO_SAMPLE);
  history.lookUp(1, KILLED);
  assert.equal(history.shown, { status: -1, signal: 9 });
});

terminations('a reason that cannot be established has no sample', () => {
  const history = new History().exit(20).lookUp(0, UNKNOWN).restart(20.1, 8);
  assert.equal(history.shown, NO_SAMPLE);
  history.snapshot('RUNNING', { pid: 8, start: 20, stop: 20, exitStatus: 0 });
  assert.equal(history.shown, NO_SAMPLE, 'XML-RPC reports 0 since the restart');
});

terminations('a snapshot that finds the process down establishes the exit code', () => {
  const history = new History().exit(20).lookUp(0, UNKNOWN);
  history.snapshot('EXITED', { start: 10, stop: 20, exitStatus: 5 });
  assert.equal(history.shown, { status: 5, signal: 0 });
  assert.equal(history.web.termination, {
    ...history.published[0],
    reason: { kind: 'exited', source: 'xml-rpc', exitCode: 5 },
  });
  history.lookUp(0, UNKNOWN);
  assert.equal(history.shown, { status: 5, signal: 0 }, 'a lookup in vain takes nothing back');
});

terminations('XML-RPC reports -1 for any signal', () => {
  const history = new History().exit(20).snapshot('EXITED', { stop: 20, exitStatus: -1 });
  assert.equal(history.shown, { status: -1, signal: undefined });
  assert.equal(history.web.termination?.reason, {
    kind: 'signalled',
    source: 'xml-rpc',
    signal: undefined,
    coreDumped: undefined,
  });
  history.lookUp(0, KILLED).snapshot('EXITED', { stop: 20, exitStatus: -1 });
  assert.equal(history.shown, { status: -1, signal: 9 }, 'the log reports more');
});

terminations(
  'without the lookup a reason is unknown, and rpcExitStatus is what XML-RPC reports',
  () => {
    const history = new History({ looksUpReasons: false }).exit(20);
    assert.is(history.web.termination?.reason.kind, 'unknown');
    assert.is(history.web.rpcExitStatus, undefined, 'not the one of before the exit');
    history.restart(20.1, 8);
    assert.is(history.web.rpcExitStatus, 0, 'supervisord clears it at a start');
    history.exit(30, 8).snapshot('EXITED', { stop: 30, exitStatus: 4 });
    assert.is(history.web.rpcExitStatus, 4);
  },
);

terminations('a lookup that finishes after the next exit leaves that one alone', () => {
  const history = new History().exit(20).restart(20.1, 8).exit(22, 8, true);
  history.lookUp(1, exited(0)).lookUp(0, exited(3));
  assert.equal(history.shown, { status: 0, signal: 0 });
  assert.equal(history.web.lastUnexpectedExit?.reason, exited(3).reason);
});

terminations('the time of the log replaces the time at which the event was received', () => {
  const history = new History().exit(60).lookUp(0, exited(3, 20.123));
  const { termination, lastUnexpectedExit, lastTransitionTime } = history.web;
  assert.is(termination?.finishedAt, 20.123);
  assert.is(termination?.timeSource, 'log');
  assert.is(lastUnexpectedExit?.finishedAt, 20.123);
  assert.is(lastTransitionTime, 20.123, 'the exit is the last transition');
  history.snapshot('EXITED', { start: 10, stop: 20, exitStatus: 3 });
  assert.is(history.web.termination?.finishedAt, 20.123);
});

terminations('the time of the log stays, though XML-RPC reports an earlier second', () => {
  const history = new History().exit(60).lookUp(0, exited(3, 22.4));
  history.snapshot('EXITED', { start: 10, stop: 20, exitStatus: 3 });
  assert.is(history.web.termination?.finishedAt, 22.4);
  assert.is(history.published.length, 1);
});

terminations('a snapshot that reports a later end in the same state reports another exit', () => {
  const history = new History().exit(20).lookUp(0, exited(3));
  history.snapshot('EXITED', { start: 24, stop: 25, exitStatus: 4 });
  assert.is(history.published.length, 2);
  assert.is(history.web.termination?.finishedAt, 25);
  assert.equal(history.shown, { status: 4, signal: 0 });
});

terminations('a process of which XML-RPC reports no end was added again', () => {
  const history = new History().exit(20).lookUp(0, exited(3));
  history.event(20.1, 'EXITED>STARTING').event(20.2, 'STARTING>BACKOFF', { tries: 1 });
  history.snapshot('RUNNING', { pid: 8, start: 30, stop: 0 });
  assert.equal(history.shown, { status: 0, signal: 0 });
  assert.is(history.web.termination, undefined);
});

terminations('the time of the log leaves a later transition alone', () => {
  const history = new History().exit(60).restart(60.5, 8).lookUp(0, exited(3, 20.123));
  assert.is(history.web.lastTransitionTime, 61.5);
  assert.is(history.web.lastUnexpectedExit?.finishedAt, 20.123);
});

terminations(
  'events are late: the process was stopped since, before the time of the known exit',
  () => {
    // It exited at 14 or so, was started again, and was stopped at 18.
    const history = new History().exit(20.5).lookUp(0, exited(3));
    const stopped = snapshot([info('web', 'STOPPED', { start: 17, stop: 18, exitStatus: -1 })]);
    history.table.applyUnorderedSnapshot(stopped, 1);
    assert.is(history.web.termination?.finishedAt, 18);
    assert.equal(history.shown, { status: -1, signal: undefined });
    // The events still to be received lead to the same end.
    history
      .event(22, 'EXITED>STARTING', { tries: 0 })
      .event(22, 'STARTING>RUNNING', { pid: 8 })
      .event(23, 'RUNNING>STOPPING', { pid: 8 })
      .event(23, 'STOPPING>STOPPED', { pid: 8 });
    assert.is(history.web.termination?.finishedAt, 18);
  },
);

terminations('a deliberate stop is a termination and takes its time', () => {
  const history = new History().event(20, 'RUNNING>STOPPING', { pid: 7 });
  assert.equal(history.published, []);
  history.event(20.5, 'STOPPING>STOPPED', { pid: 7 });
  assert.is(history.published.length, 1);
  assert.equal(history.published, [
    {
      id: history.published[0]?.id,
      serial: 2,
      pid: 7,
      finishedAt: 20.5,
      timeSource: 'event',
      window: undefined,
      expected: undefined,
      reason: { kind: 'pending' } satisfies ExitReason,
    },
  ]);
  assert.is(history.web.stopDuration, 0.5);
  assert.is(history.web.lastUnexpectedExit, undefined);
});

terminations('a failed start without a run is no exit', () => {
  const spawnError = "can't find command 'web'";
  const history = new History().exit(20).lookUp(0, exited(3));
  history.event(20.1, 'EXITED>STARTING').event(20.2, 'STARTING>BACKOFF', { tries: 1 });
  assert.equal(history.shown, NO_SAMPLE, 'there may have been a run');
  history.event(20.3, 'BACKOFF>FATAL');
  history.lookUp(1, { reason: { kind: 'unknown' }, spawnError, neverRan: true });
  assert.is(history.web.spawnError, spawnError);
  assert.equal(history.shown, { status: 3, signal: 0 }, 'the last exit');
  history.event(30, 'FATAL>STARTING', { tries: 0 });
  assert.is(history.web.spawnError, undefined);
});

terminations('a failed start that is stopped is no further end', () => {
  const history = new History().exit(20).lookUp(0, exited(3));
  history.event(20.1, 'EXITED>STARTING').event(20.2, 'STARTING>BACKOFF', { tries: 1 });
  assert.is(history.published.length, 2);
  history.event(25, 'BACKOFF>STOPPED');
  assert.is(history.published.length, 2);
  assert.is(history.web.backoffTries, 0);
  assert.is(history.web.stopDuration, undefined);
});

terminations('the exit status after a stop in BACKOFF is not that of the last run', () => {
  const stopped = { start: 20, stop: 22, exitStatus: 0, wasStoppedInBackoff: true };
  const history = new History().snapshot('STOPPED', stopped);
  assert.equal(history.shown, NO_SAMPLE);
  history.lookUp(0, exited(9));
  assert.equal(history.snapshot('STOPPED', stopped).shown, { status: 9, signal: 0 });
  const failed = new History().exit(20);
  failed.event(20.1, 'EXITED>STARTING').event(22.2, 'STARTING>BACKOFF', { tries: 1 });
  failed.lookUp(-1, { ...UNKNOWN, spawnError: 'Exited too quickly (x)' });
  failed.event(25, 'BACKOFF>STOPPED').snapshot('STOPPED', stopped);
  assert.equal(failed.shown, NO_SAMPLE);
});

terminations('a stop whose begin was not received has no duration', () => {
  const table = new ProcessTable();
  table.apply(event(5, 'web', 'STOPPING>STOPPED', { pid: 7 }), 20);
  assert.is(table.get(WEB)?.stopDuration, undefined);
});

terminations('a process that is known by one event of its run shows no exit', () => {
  const table = new ProcessTable();
  table.apply(event(5, 'web', 'STARTING>RUNNING', { pid: 7 }), 20);
  const web = table.get(WEB);
  assert.equal(web && { status: exitStatus(web), signal: exitSignal(web) }, NO_SAMPLE);
});

terminations('a failed start has the pid that a snapshot found, if it was that run', () => {
  const history = new History().exit(20).event(20.1, 'EXITED>STARTING', { tries: 0 });
  history.snapshot('STARTING', { pid: 8, start: 20, stop: 20 });
  history.event(21, 'STARTING>BACKOFF', { tries: 1 });
  assert.is(history.published.at(-1)?.pid, 8);
  history.snapshot('RUNNING', { pid: 9, start: 22, stop: 21 });
  history.event(23, 'STARTING>BACKOFF', { tries: 1 });
  assert.is(history.published.at(-1)?.pid, undefined, 'it was RUNNING with this pid');
});

terminations('a failed start does not have the pid of a later run that a snapshot found', () => {
  for (const isOrdered of [true, false]) {
    const { table } = new History();
    const later = snapshot([info('web', 'STARTING', { pid: 9, start: 22, stop: 21 })]);
    if (isOrdered) table.applySnapshotAt(later, 5);
    else table.applyUnorderedSnapshot(later, 0);
    const changes = table.apply(event(2, 'web', 'STARTING>BACKOFF', { tries: 1 }), 23);
    const ended = changes.find(({ kind }) => kind === 'exited');
    assert.is(ended?.kind, 'exited');
    assert.is(ended?.kind === 'exited' ? ended.termination.pid : 0, undefined);
  }
});

terminations('a failed start of which nothing is established may have been a run', () => {
  const history = new History().exit(20).lookUp(0, exited(3));
  history.event(20.1, 'EXITED>STARTING').event(22.2, 'STARTING>BACKOFF', { tries: 1 });
  history.lookUp(1, UNKNOWN);
  assert.equal(history.shown, NO_SAMPLE);
  history.snapshot('BACKOFF', { start: 20, stop: 22 });
  assert.equal(history.shown, NO_SAMPLE);
  assert.is(history.published.length, 2, 'the snapshot reports the same failure');
});

terminations('a failed first start that a snapshot confirms is not established as a run', () => {
  const history = new History().event(20, 'STOPPED>STARTING', { tries: 0 });
  history.event(20.2, 'STARTING>BACKOFF', { tries: 1 });
  history.snapshot('BACKOFF', { start: 20, stop: 20 });
  assert.is(history.published.length, 1);
  assert.is(history.web.termination, undefined);
  assert.equal(history.shown, NO_SAMPLE);
});

terminations('a failed start by a signal was a run', () => {
  const history = new History().exit(20).lookUp(0, exited(3));
  history.event(20.1, 'EXITED>STARTING').event(22.2, 'STARTING>BACKOFF', { tries: 1 });
  history.lookUp(1, KILLED);
  assert.equal(history.shown, { status: -1, signal: 9 });
});

terminations('a failed start with an exit reason was a run', () => {
  const history = new History().exit(20).lookUp(0, exited(3));
  history.event(20.1, 'EXITED>STARTING').event(22.2, 'STARTING>BACKOFF', { tries: 1 });
  history.lookUp(1, exited(78));
  assert.equal(history.shown, { status: 78, signal: 0 });
  assert.is(history.web.termination?.finishedAt, 22.2);
  history.snapshot('BACKOFF', { start: 20, stop: 22, exitStatus: 0 });
  assert.is(history.published.length, 2, 'the snapshot reports the same exit');
  assert.equal(history.shown, { status: 78, signal: 0 });
  assert.is(history.web.termination?.finishedAt, 22.2);
});

/** What is established about a failed start that was a run with an unknown reason. */
for (const [title, facts] of [
  ['supervisord reports that it was a run', { ...UNKNOWN, spawnError: 'Exited too quickly (x)' }],
  ['nothing is established', UNKNOWN],
  ['its lookup has not finished', undefined],
] as const) {
  terminations(`a start that never ran after one that may have been a run: ${title}`, () => {
    for (const isRunBefore of [true, false]) {
      const history = new History().snapshot('STOPPED', { start: 10 });
      if (isRunBefore)
        history.snapshot('RUNNING', { pid: 7, start: 10 }).exit(20).lookUp(0, exited(3));
      history.event(21, 'EXITED>STARTING').event(21.2, 'STARTING>BACKOFF', { tries: 1 });
      if (facts !== undefined) history.lookUp(-1, facts);
      history.event(22, 'BACKOFF>STARTING').event(22.1, 'STARTING>BACKOFF', { tries: 2 });
      history.lookUp(-1, { ...UNKNOWN, spawnError: 'no file', neverRan: true });
      assert.equal(history.shown, NO_SAMPLE, 'not the reason of an earlier run, nor of none');
      assert.is(lastEnd(history.web)?.reason.kind, facts?.spawnError && 'unknown');
      history.event(23, 'BACKOFF>STARTING').event(23.1, 'STARTING>BACKOFF', { tries: 3 });
      history.lookUp(-1, exited(4));
      assert.equal(history.shown, { status: 4, signal: 0 });
    }
  });
}

terminations('an exit that only a snapshot reports is published once', () => {
  const history = new History().snapshot('RUNNING', { pid: 8, start: 50, stop: 49 });
  assert.equal(
    history.published.map(({ id: _, ...termination }) => termination),
    [
      {
        serial: undefined,
        pid: undefined,
        finishedAt: 49,
        timeSource: 'snapshot',
        window: { after: 49, before: 50.5 },
        expected: undefined,
        reason: { kind: 'pending' } satisfies ExitReason,
      },
    ],
  );
  assert.equal(history.shown, NO_SAMPLE);
  history.lookUp(0, exited(4)).snapshot('RUNNING', { pid: 8, start: 50, stop: 49 });
  assert.equal(history.shown, { status: 4, signal: 0 });
  assert.is(history.published.length, 1);
});

interface Reported {
  readonly lastTransitionTime: number | undefined;
  readonly status: number | undefined;
  /** Whether the process ended again where the last known exit was in another state. */
  readonly endedAgain: boolean;
}

/** What a snapshot with start=30, stop=20 and exitstatus=3 reports. */
const REPORTED: Readonly<Record<ProcessState, Reported>> = {
  STOPPED: { lastTransitionTime: 20, status: 3, endedAgain: true },
  STARTING: { lastTransitionTime: 30, status: undefined, endedAgain: false },
  RUNNING: { lastTransitionTime: 30, status: undefined, endedAgain: false },
  BACKOFF: { lastTransitionTime: 20, status: undefined, endedAgain: true },
  STOPPING: { lastTransitionTime: undefined, status: undefined, endedAgain: false },
  EXITED: { lastTransitionTime: 20, status: 3, endedAgain: true },
  FATAL: { lastTransitionTime: 20, status: undefined, endedAgain: true },
  UNKNOWN: { lastTransitionTime: undefined, status: undefined, endedAgain: false },
};

for (const [name, expected] of Object.entries(REPORTED)) {
  const state = name as ProcessState;
  const start = expected.status === undefined ? 30 : 10;
  const reported = { start, stop: 20, exitStatus: 3 };

  terminations(`a process that is first seen by a snapshot, in ${state}`, () => {
    const table = new ProcessTable();
    table.applySnapshotAt(snapshot([info('web', state, reported)]), 0);
    const web = table.get(WEB);
    if (web === undefined) throw new Error('web is missing');
    assert.is(web.lastTransitionTime, expected.lastTransitionTime);
    assert.is(exitStatus(web), expected.status);
    assert.is(web.termination?.finishedAt, 20);
  });

  terminations(`a snapshot that finds ${state} after a late event of an exit`, () => {
    const history = new History().exit(21.5);
    if (state === 'EXITED') history.restart(22, 8);
    history.snapshot(state, reported);
    assert.is(history.published.length, expected.endedAgain ? 2 : 1);
    assert.is(history.web.termination?.finishedAt, expected.endedAgain ? 20 : 21.5);
  });
}

for (const state of ['STOPPED', 'EXITED'] as const) {
  terminations(`${state} after a start that may have failed has no exit status`, () => {
    const table = new ProcessTable();
    const reported = { start: 30, stop: 20, exitStatus: 3 };
    table.applySnapshotAt(snapshot([info('web', state, reported)]), 0);
    assert.is(table.get(WEB)?.termination?.reason.kind, 'pending');
  });
}

terminations('an event may be received seconds late: a snapshot makes it no other exit', () => {
  const history = new History().exit(24.2).lookUp(0, exited(3));
  history.snapshot('EXITED', { stop: 20, exitStatus: 3 });
  assert.is(history.published.length, 1);
  assert.is(history.web.termination?.finishedAt, 20);
  assert.is(history.web.termination?.timeSource, 'snapshot');
  assert.is(history.web.termination?.window, undefined);
  assert.is(history.web.lastUnexpectedExit?.finishedAt, 20);
  assert.is(history.web.lastTransitionTime, 20, 'the exit is the last transition');
});

terminations('a snapshot that corrects the time takes no known signal back', () => {
  const history = new History().exit(24.2).lookUp(0, KILLED);
  history.snapshot('EXITED', { stop: 20, exitStatus: -1 });
  assert.is(history.web.termination?.finishedAt, 20);
  assert.equal(history.shown, { status: -1, signal: 9 });
});

terminations('a reason does not bring back the time that a snapshot has corrected', () => {
  const history = new History().exit(24.2);
  history.snapshot('EXITED', { stop: 20, exitStatus: 3 }).lookUp(0, exited(3));
  assert.is(history.web.termination?.finishedAt, 20);
});

terminations(
  'an unexpected exit that is received out of order does not replace a later one',
  () => {
    const { table } = new History();
    table.apply(event(9, 'web', 'RUNNING>EXITED', { expected: false, pid: 9 }), 30);
    table.apply(event(5, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 31);
    assert.is(table.get(WEB)?.unexpectedExits, 2);
    assert.is(table.get(WEB)?.lastUnexpectedExit?.pid, 9);
  },
);

/** What is known of a kill by the kernel's OOM killer. */
const OOM_KILLS: readonly (readonly [title: string, reason: ExitReason, expected: unknown])[] = [
  ['an exit', exited(137).reason, false],
  ['another signal than SIGKILL', signalled(15).reason, false],
  ['SIGKILL without a record of the kernel', { ...KILLED_REASON, oomKilled: undefined }, undefined],
  ['SIGKILL while the record is sought', { ...KILLED_REASON, oomKilled: 'pending' }, undefined],
  ['SIGKILL by another sender', { ...KILLED_REASON, oomKilled: false }, false],
  ['SIGKILL by the OOM killer', { ...KILLED_REASON, oomKilled: true }, true],
  [
    'a signal that XML-RPC does not name',
    { kind: 'signalled', source: 'xml-rpc', signal: undefined, coreDumped: undefined },
    undefined,
  ],
  ['a reason that is not known', UNKNOWN.reason, undefined],
];

for (const [title, reason, expected] of OOM_KILLS) {
  terminations(`a kill by the OOM killer: ${title}`, () => {
    assert.is(oomKilledOf(reason), expected);
    const isPending = reason.kind === 'signalled' && reason.oomKilled === 'pending';
    assert.is(isReasonPending(reason), isPending);
    const history = new History().exit(20).lookUp(0, { reason, finishedAt: 19.5 });
    assert.is(history.web.oomKills, expected === true ? 1 : 0);
    assert.is(history.web.lastOomKillAt, expected === true ? 19.5 : undefined);
  });
}

terminations('a stop that took longer than stopwaitsecs counts, at the time of its end', () => {
  const killed = { ...KILLED, killedAtStop: true };
  const history = new History().event(20, 'RUNNING>STOPPING', { pid: 7 });
  history.event(30.5, 'STOPPING>STOPPED', { pid: 7 }).lookUp(0, KILLED);
  assert.is(history.web.stopKills, 0);
  history.lookUp(0, killed);
  assert.is(history.web.stopKills, 1);
  assert.is(history.web.lastStopKillAt, 30.5);
  history.event(40, 'STOPPED>STARTING', { tries: 0 }).event(41, 'STARTING>RUNNING', { pid: 8 });
  history.event(50, 'RUNNING>STOPPING', { pid: 8 }).event(60.5, 'STOPPING>STOPPED', { pid: 8 });
  history.lookUp(1, { ...killed, finishedAt: 60.25 });
  assert.is(history.web.stopKills, 2);
  assert.is(history.web.lastStopKillAt, 60.25);
});

terminations(
  'a kill that only a snapshot has reported does not count, as its event may follow',
  () => {
    const reason = { ...KILLED_REASON, oomKilled: true };
    const history = new History().exit(20).lookUp(0, { reason, isUncounted: true });
    assert.is(history.web.oomKills, 0);
    assert.equal(history.web.termination?.reason, reason);
  },
);

terminations('a kill counts though the process has ended again since', () => {
  const killed = { reason: { ...KILLED_REASON, oomKilled: true }, killedAtStop: true };
  const history = new History().exit(20, 7, true).restart(20.1, 8).exit(30, 8, true);
  history.lookUp(1, killed).lookUp(0, killed);
  const { oomKills, lastOomKillAt, stopKills, lastStopKillAt } = history.web;
  assert.equal(
    { oomKills, lastOomKillAt, stopKills, lastStopKillAt },
    { oomKills: 2, lastOomKillAt: 30, stopKills: 2, lastStopKillAt: 30 },
  );
  assert.is(history.web.termination?.finishedAt, 30);
});

terminations('the error of a failed start is known in BACKOFF and FATAL only', () => {
  const failed = { ...UNKNOWN, spawnError: 'no file' };
  const history = new History().exit(20);
  history.event(21, 'EXITED>STARTING').event(21.1, 'STARTING>BACKOFF', { tries: 1 });
  assert.is(history.lookUp(1, failed).web.spawnError, 'no file');
  history.lookUp(1, UNKNOWN);
  assert.is(history.web.spawnError, 'no file', 'a lookup in vain takes nothing back');
  history.event(22, 'BACKOFF>STARTING', { tries: 1 });
  assert.is(history.lookUp(1, failed).web.spawnError, undefined, 'it may be starting well');
});

terminations('facts about a removed process change nothing', () => {
  const { table } = new History();
  const changes = table.apply(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), 20);
  const exit = changes.find(({ kind }) => kind === 'exited');
  table.removeGroup('web', 3);
  if (exit?.kind === 'exited') table.setTerminationFacts(WEB, exit.termination.id, exited(3));
  assert.is(table.get(WEB), undefined);
});

terminations.run();
