import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Change } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { UpTimes } from '../../src/processes/up-time.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const upTime = suite('up time');

/** The system's clock at monotonic 0, in epoch seconds. */
const EPOCH = 1_700_000_000;

/** A table whose changes reach the account, with both clocks in the test's hand. */
class History {
  readonly table = new ProcessTable();
  readonly upTimes = new UpTimes(this.table);
  #clockStep = 0;
  #serial = 0;
  lastTermination = 0;
  #latest = 0;

  /** Sets the system's clock; the monotonic one goes on. */
  stepClock(seconds: number): void {
    this.#clockStep += seconds;
  }

  wallClock(now: number): number {
    return EPOCH + this.#clockStep + now;
  }

  transition(now: number, transition: string, pid?: number): void {
    const received = event(this.#serial++, 'web', transition, { pid, expected: false });
    this.#publish(now, this.table.apply(received, this.wallClock(now)));
  }

  snapshot(now: number, state: 'RUNNING' | 'EXITED', age = 100): void {
    const start = Math.floor(this.wallClock(now)) - age;
    const found = info('web', state, { start, stop: state === 'EXITED' ? start + 50 : 0, pid: 7 });
    this.#publish(now, this.table.applySnapshotAt(snapshot([found]), this.#serial++).changes);
  }

  /** An event from before all others. */
  lateEvent(now: number): void {
    this.#publish(now, this.table.apply(event(-1, 'web', 'STARTING>RUNNING'), this.wallClock(now)));
  }

  remove(now: number): void {
    this.#publish(now, this.table.removeGroup('web', this.#serial++));
  }

  logBegin(startedAt: number, pid: number): void {
    this.#publish(this.#latest, this.table.setStartFacts(id('web'), { pid, startedAt }));
  }

  logEnd(finishedAt: number | undefined, terminationId = this.lastTermination): void {
    const reason = { kind: 'exited', source: 'log', exitCode: 3 } as const;
    const facts = { reason, finishedAt };
    this.#publish(this.#latest, this.table.setTerminationFacts(id('web'), terminationId, facts));
  }

  seconds(now: number): number {
    const process = this.table.get(id('web'));
    if (process === undefined) throw new Error('the process is not in the table');
    return Math.round(this.upTimes.secondsOf(process, now) * 1e6) / 1e6;
  }

  #publish(monotonic: number, changes: readonly Change[]): void {
    this.#latest = monotonic;
    const now = { monotonic, epoch: this.wallClock(monotonic) };
    for (const change of changes) {
      if (change.kind === 'exited') this.lastTermination = change.termination.id;
      this.upTimes.record(change, now);
    }
  }
}

upTime('seconds in STARTING and RUNNING count, and no others', () => {
  const history = new History();
  history.transition(10, 'STOPPED>STARTING');
  assert.is(history.seconds(11.5), 1.5);
  history.transition(12, 'STARTING>RUNNING', 7);
  history.transition(20, 'RUNNING>STOPPING', 7);
  assert.is(history.seconds(25), 10);
  history.transition(25, 'STOPPING>STOPPED', 7);
  history.transition(30, 'STOPPED>STARTING');
  history.transition(31, 'STARTING>BACKOFF');
  assert.is(history.seconds(40), 11);
});

upTime('a process that is up at the first snapshot counts from then on', () => {
  const history = new History();
  history.snapshot(50, 'RUNNING');
  assert.is(history.seconds(50), 0);
  assert.is(history.seconds(53), 3);
});

upTime('a snapshot that finds a process down ends its time', () => {
  const history = new History();
  history.snapshot(10, 'RUNNING');
  history.snapshot(20, 'EXITED');
  assert.is(history.seconds(30), 10);
});

upTime('steps of the clock by an hour do not count', () => {
  const history = new History();
  history.transition(10, 'STOPPED>STARTING');
  history.stepClock(3_600);
  assert.is(history.seconds(11), 1);
  history.transition(12, 'STARTING>RUNNING', 7);
  history.stepClock(-7_200);
  history.transition(15, 'RUNNING>EXITED', 7);
  assert.is(history.seconds(20), 5);
});

upTime('the times of the log replace those of the events', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(10.1, 'STARTING>RUNNING', 7);
  history.logBegin(history.wallClock(9.75), 7);
  history.transition(15, 'RUNNING>EXITED', 7);
  history.logEnd(history.wallClock(14.25));
  assert.is(history.seconds(15), 4.5);
});

upTime('the begin of a run that is already over is corrected as well', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(10.1, 'STARTING>RUNNING', 7);
  history.transition(10.5, 'RUNNING>EXITED', 7);
  history.logBegin(history.wallClock(9.75), 7);
  assert.is(history.seconds(11), 0.75);
});

upTime('the begin of another run changes nothing', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(10.1, 'STARTING>RUNNING', 7);
  history.logBegin(history.wallClock(9.75), 6);
  history.logBegin(history.wallClock(-60), 7);
  assert.is(history.seconds(11), 1);
});

upTime('a begin that a snapshot found is not corrected', () => {
  const history = new History();
  history.snapshot(10, 'RUNNING', 5);
  history.logBegin(history.wallClock(5.5), 7);
  assert.is(history.seconds(12), 2);
});

upTime('both ends of a short run are corrected', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(10.05, 'STARTING>RUNNING', 7);
  history.logBegin(history.wallClock(9.75), 7);
  history.transition(10.1, 'RUNNING>EXITED', 7);
  history.logEnd(history.wallClock(9.8));
  assert.is(history.seconds(11), 0.05);
});

upTime('a begin is corrected once', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(10.1, 'STARTING>RUNNING', 7);
  history.logBegin(history.wallClock(9.75), 7);
  history.logBegin(history.wallClock(9.5), 7);
  assert.is(history.seconds(12), 2.25);
});

for (const [title, finishedAt, expected] of [
  ['before its event', 14.25, 4.25],
  ['after its event', 15.5, 5],
  ['before its run began', 9, 0],
  ['a minute before its event', -45, 5],
] as const) {
  upTime(`the log reports the end of a run ${title}`, () => {
    const history = new History();
    history.transition(10, 'EXITED>STARTING');
    history.transition(10.1, 'STARTING>RUNNING', 7);
    history.transition(15, 'RUNNING>EXITED', 7);
    history.logEnd(history.wallClock(finishedAt));
    assert.is(history.seconds(20), expected);
    history.logEnd(history.wallClock(14.25));
    assert.is(history.seconds(20), expected, 'it counts once');
  });
}

for (const [title, finishedAt, expected] of [
  ['was over before the event of the stop was received', 14.25, 4.25],
  ['took time to stop', 18, 5],
] as const) {
  upTime(`a stop ends the time of a run that ${title}`, () => {
    const history = new History();
    history.transition(10, 'EXITED>STARTING');
    history.transition(10.1, 'STARTING>RUNNING', 7);
    history.transition(15, 'RUNNING>STOPPING', 7);
    history.transition(18.5, 'STOPPING>STOPPED', 7);
    history.logEnd(history.wallClock(finishedAt));
    assert.is(history.seconds(20), expected);
  });
}

upTime('the end of a run that a snapshot has ended is not corrected', () => {
  const history = new History();
  history.snapshot(10, 'RUNNING');
  history.snapshot(15, 'EXITED');
  history.transition(16, 'RUNNING>EXITED', 7);
  history.logEnd(history.wallClock(14));
  assert.is(history.seconds(20), 5);
});

upTime('a lookup without a time changes nothing', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(15, 'STARTING>EXITED', 7);
  history.logEnd(undefined);
  assert.is(history.seconds(20), 5);
});

upTime('a time of the log from after a step of the clock counts', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.stepClock(3_600);
  history.transition(12, 'STARTING>RUNNING', 7);
  history.transition(15, 'RUNNING>EXITED', 7);
  history.logEnd(history.wallClock(14.25));
  assert.is(history.seconds(20), 4.25);
});

upTime('the clock may drift between events', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(14.5, 'STARTING>RUNNING', 7);
  history.stepClock(0.09);
  history.transition(15, 'RUNNING>EXITED', 7);
  history.logEnd(history.wallClock(14.25));
  assert.is(history.seconds(20), 4.25);
});

upTime('the times of the last thousand ends are waited for', () => {
  const history = new History();
  const ends: number[] = [];
  for (let run = 0; run < 1_025; run++) {
    history.transition(10 * run, 'EXITED>STARTING');
    history.transition(10 * run + 5, 'STARTING>EXITED', 7);
    ends.push(history.lastTermination);
  }
  const total = 5 * 1_025;
  assert.is(history.seconds(20_000), total);
  history.logEnd(history.wallClock(4.25), ends[0]);
  history.logEnd(history.wallClock(10 + 4.25), ends[1]);
  history.transition(20_000, 'EXITED>STARTING');
  assert.is(history.seconds(20_010), total - 0.75 + 10);
});

for (const step of [3_600, 30]) {
  upTime(`a time of the log from before a step of the clock by ${step} s is ignored`, () => {
    const history = new History();
    history.transition(10, 'EXITED>STARTING');
    history.transition(10.1, 'STARTING>RUNNING', 7);
    const finishedAt = history.wallClock(14.9);
    history.stepClock(step);
    history.transition(15, 'RUNNING>EXITED', 7);
    history.logEnd(finishedAt);
    assert.is(history.seconds(15), 5);
  });
}

upTime('a value that was shown never decreases, and a correction is not forgotten', () => {
  const history = new History();
  history.transition(10, 'EXITED>STARTING');
  history.transition(10.1, 'STARTING>RUNNING', 7);
  history.transition(15, 'RUNNING>EXITED', 7);
  assert.is(history.seconds(15), 5);
  history.logEnd(history.wallClock(14.25));
  assert.is(history.seconds(16), 5);
  history.transition(16, 'EXITED>STARTING');
  assert.is(history.seconds(16.5), 5);
  assert.is(history.seconds(18), 6.25);
});

upTime('a process that was removed and added again counts from 0', () => {
  const history = new History();
  history.snapshot(10, 'RUNNING');
  history.remove(20);
  history.lateEvent(21);
  history.snapshot(30, 'RUNNING');
  assert.is(history.seconds(31), 1);
});

upTime('a process of which no change was recorded was not up', () => {
  const history = new History();
  history.snapshot(10, 'RUNNING');
  const web = history.table.get(id('web'));
  assert.is(web && new UpTimes(history.table).secondsOf(web, 20), 0);
});

upTime.run();
