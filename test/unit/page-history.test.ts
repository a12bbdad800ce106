import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProcessTable } from '../../src/processes/table.ts';
import type { TerminationFacts } from '../../src/processes/termination.ts';
import { detailOf } from '../../src/web/page/detail.ts';
import {
  Histories,
  MAX_TERMINATIONS_KEPT,
  MAX_TRANSITIONS_KEPT,
} from '../../src/web/page/history.ts';
import { decodeTimeline, encodeTimeline, lastStateOf } from '../../src/web/page/timeline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const page = suite('page history');

const NAME = (signal: number) => (signal === 9 ? 'SIGKILL' : `signal ${signal}`);

/** A table whose changes are followed, as by the page. */
class Followed {
  readonly table = new ProcessTable();
  readonly histories = new Histories();
  #serial = 0;

  apply(transition: string, at: number, more: Parameters<typeof event>[3] = {}): void {
    this.#handle(this.table.apply(event(this.#serial, 'web', transition, more), at), at);
    this.#serial += 1;
  }

  explain(facts: TerminationFacts): void {
    const terminationId = this.web.terminations[0]?.id ?? -1;
    this.#handle(this.table.setTerminationFacts(id('web'), terminationId, facts), 0);
  }

  snapshot(state: 'RUNNING' | 'EXITED' | 'STOPPING', now: number): void {
    const taken = snapshot([info('web', state, { start: 50, stop: state === 'EXITED' ? 90 : 0 })]);
    this.#handle(this.table.applyUnorderedSnapshot(taken, this.#serial), now);
  }

  get web() {
    return this.histories.of(id('web'));
  }

  detail() {
    const process = this.table.get(id('web'));
    if (process === undefined) throw new Error('no process');
    return detailOf({
      process,
      history: this.web,
      cpuSeconds: undefined,
      logTail: undefined,
      nameOf: NAME,
    });
  }

  #handle(changes: ReturnType<ProcessTable['apply']>, now: number): void {
    for (const change of changes) this.histories.handle(change, now);
  }
}

page('an end that a snapshot reports before its event is remembered once', () => {
  const history = new Followed();
  history.apply('STARTING>RUNNING', 51, { pid: 7 });
  history.snapshot('EXITED', 95);
  assert.equal(
    history.web.terminations.map(({ expected }) => expected),
    [undefined],
  );
  history.apply('RUNNING>EXITED', 95.1, { pid: 7, expected: false });
  assert.equal(
    history.web.terminations.map(({ expected }) => expected),
    [false],
  );
});

page('a run is remembered with its duration, and its reason once that is known', () => {
  const followed = new Followed();
  followed.apply('STOPPED>STARTING', 100, { tries: 0 });
  followed.apply('STARTING>RUNNING', 101, { pid: 7 });
  followed.apply('RUNNING>EXITED', 142.5, { pid: 7, expected: false });
  const [pending] = followed.detail().terminations;
  assert.equal(pending, {
    at: 142.5,
    duration: 42.5,
    pid: 7,
    expected: false,
    reason: 'reason not known yet',
    oomKilled: undefined,
  });
  const reason = {
    kind: 'signalled',
    source: 'log',
    signal: 9,
    coreDumped: false,
    oomKilled: true,
  } as const;
  followed.explain({ reason, finishedAt: 142 });
  const [known] = followed.detail().terminations;
  assert.equal(known, {
    ...pending,
    at: 142,
    duration: 42,
    reason: 'SIGKILL, out of memory',
    oomKilled: true,
  });
});

page('a lookup that establishes nothing leaves the reason out', () => {
  const followed = new Followed();
  followed.apply('RUNNING>EXITED', 100, { pid: 7, expected: true });
  followed.explain({ reason: { kind: 'unknown' } });
  const [known] = followed.detail().terminations;
  assert.is(known?.reason, undefined);
  assert.is(known?.duration, undefined, 'the exporter has not seen the start');
});

page('a failed start shows why there was no run', () => {
  const followed = new Followed();
  followed.apply('STOPPED>STARTING', 100, { tries: 0 });
  followed.apply('STARTING>BACKOFF', 100.1, { tries: 1 });
  followed.explain({
    reason: { kind: 'unknown' },
    spawnError: "can't find command",
    neverRan: true,
  });
  assert.is(followed.detail().terminations[0]?.reason, "can't find command");
});

page('a bounded number of terminations and transitions is kept, the latest first', () => {
  const followed = new Followed();
  for (let run = 0; run < 50; run++) {
    followed.apply('EXITED>STARTING', 100 + run * 10, { tries: 0 });
    followed.apply('STARTING>RUNNING', 101 + run * 10, { pid: run });
    followed.apply('RUNNING>EXITED', 105 + run * 10, { pid: run, expected: run % 2 === 0 });
  }
  const { terminations, transitions } = followed.detail();
  assert.is(terminations.length, MAX_TERMINATIONS_KEPT);
  assert.is(terminations[0]?.pid, 49);
  assert.is(transitions.length, MAX_TRANSITIONS_KEPT);
  assert.equal(transitions.slice(0, 3), [
    { at: 595, from: 'RUNNING', to: 'EXITED', expected: false, tries: undefined },
    { at: 591, from: 'STARTING', to: 'RUNNING', expected: undefined, tries: undefined },
    { at: 590, from: 'EXITED', to: 'STARTING', expected: undefined, tries: 0 },
  ]);
});

page('a snapshot begins the timeline, and corrects it', () => {
  const followed = new Followed();
  followed.snapshot('RUNNING', 120);
  assert.equal(decodeTimeline(encodeTimeline(followed.web.timeline)), [1, 4], 'since its start');
  followed.snapshot('EXITED', 130);
  assert.is(lastStateOf(followed.web.timeline), 'EXITED');
  assert.equal(followed.detail().transitions, [], 'no event has reported a transition');
});

page('a process that is removed leaves nothing, and a new one of its name begins again', () => {
  const followed = new Followed();
  followed.apply('STOPPED>STARTING', 100, { tries: 0 });
  for (const change of followed.table.removeGroup('web', 5)) followed.histories.handle(change, 0);
  assert.equal(followed.web.timeline, []);
  assert.equal(followed.web.transitions(), []);
});

page.run();
