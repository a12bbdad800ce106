import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Change } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ExitReason, Termination } from '../../src/processes/termination.ts';
import { MAX_TRANSITIONS, RecentTransitions } from '../../src/web/page/recent-transitions.ts';
import { event, id } from '../support/facts.ts';

const page = suite('page recent transitions');
const SIGKILLED: ExitReason = { kind: 'signalled', source: 'log', signal: 9, coreDumped: false };
const EXITED: ExitReason = { kind: 'exited', source: 'log', exitCode: 1 };

page('the latest transitions are kept, the newest first, up to a maximum', () => {
  const recent = new RecentTransitions();
  assert.equal(recent.values(), []);
  for (let serial = 0; serial < MAX_TRANSITIONS * 2 + 7; serial++) {
    recent.handle(transition(serial));
    const length = Math.min(serial + 1, MAX_TRANSITIONS);
    assert.equal(
      recent.values().map(({ number, at }) => [number, at]),
      Array.from({ length }, (_, index) => [serial - index, serial - index]),
    );
  }
});

page('the order is that of arrival, even where serials are not in order', () => {
  const recent = new RecentTransitions();
  for (const serial of [7, 5, 6]) recent.handle(transition(serial));
  assert.equal(
    recent.values().map(({ event }) => event.serial),
    [6, 5, 7],
  );
});

page('an exit reason is set on the transition of its termination only', () => {
  const recent = new RecentTransitions();
  const table = new ProcessTable();
  const apply = (...args: Parameters<typeof event>): Termination | undefined => {
    const changes = table.apply(event(...args), args[0]);
    for (const change of changes) recent.handle(change);
    return changes.find((change) => change.kind === 'exited')?.termination;
  };
  const explain = (termination: Termination | undefined, reason: ExitReason) => {
    const changes = table.setTerminationFacts(id('web'), termination?.id ?? -1, { reason });
    for (const change of changes) recent.handle(change);
  };
  const kinds = () => recent.values().map(({ termination }) => termination?.reason.kind);

  const first = apply(0, 'web', 'RUNNING>EXITED', { pid: 7, expected: false });
  assert.equal(kinds(), ['pending']);
  const before = recent.values();
  apply(1, 'web', 'EXITED>STARTING', { tries: 0 });
  apply(2, 'web', 'STARTING>RUNNING', { pid: 8 });
  const second = apply(3, 'web', 'RUNNING>EXITED', { pid: 8, expected: false });
  explain(first, SIGKILLED);
  assert.equal(kinds(), ['pending', undefined, undefined, 'signalled']);
  assert.is(before[0]?.termination?.reason.kind, 'pending', 'returned values do not change');
  explain(second, EXITED);
  assert.equal(kinds(), ['exited', undefined, undefined, 'signalled']);
});

page('an exit reason of a transition that is no longer kept is ignored', () => {
  const recent = new RecentTransitions();
  const table = new ProcessTable();
  for (const change of table.apply(event(0, 'web', 'RUNNING>EXITED', { pid: 7 }), 0)) {
    recent.handle(change);
  }
  const terminationId = recent.values()[0]?.termination?.id ?? -1;
  for (let serial = 1; serial <= MAX_TRANSITIONS; serial++) recent.handle(transition(serial));
  recent.handle({ kind: 'reason', id: id('web'), terminationId, facts: { reason: SIGKILLED } });
  assert.is(recent.values().length, MAX_TRANSITIONS);
  assert.ok(recent.values().every(({ termination }) => termination === undefined));
});

function transition(serial: number): Change {
  return {
    kind: 'transition',
    event: event(serial, 'web', 'STOPPED>STARTING'),
    at: serial,
    termination: undefined,
  };
}

page.run();
