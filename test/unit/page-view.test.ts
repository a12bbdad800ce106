import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newProcess } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ExitReason } from '../../src/processes/termination.ts';
import { keyOf } from '../../src/supervisor/process-id.ts';
import { CpuRates } from '../../src/web/page/cpu-rate.ts';
import { RecentTransitions } from '../../src/web/page/recent-transitions.ts';
import {
  applyChange,
  changeBetween,
  type Row,
  rowOf,
  transitionOf,
  type View,
} from '../../src/web/page/view.ts';
import { event, id } from '../support/facts.ts';
import { CONTEXT, row, transition, view } from '../support/page.ts';

const page = suite('page view');
const NO_USAGE = { cpu: undefined, memory: undefined };

const NAME = (signal: number) => (signal === 9 ? 'SIGKILL' : `signal ${signal}`);

page('a row holds the facts of the process table', () => {
  const table = new ProcessTable();
  table.apply(event(0, 'web', 'STOPPED>STARTING', { tries: 0 }), 100.5);
  table.apply(event(1, 'web', 'STARTING>RUNNING', { pid: 7 }), 101.5);
  const running = table.get(id('web')) ?? newProcess(id('none'), 'UNKNOWN');
  assert.equal(
    rowOf(running, { cpu: 0.5, memory: 1024 }, NAME),
    row('web', { state: 'RUNNING', since: 101.5, start: 100.5, pid: 7, cpu: 0.5, memory: 1024 }),
  );
  table.apply(event(2, 'web', 'RUNNING>EXITED', { pid: 7, expected: false }), 110);
  assert.equal(
    rowOf(running, NO_USAGE, NAME),
    row('web', {
      state: 'EXITED',
      since: 110,
      exits: 1,
      unexpected: 1,
      lastUnexpectedExit: 110,
      exitedAt: 110,
      reason: 'reason not known yet',
    }),
    'no start time while the process is down',
  );
});

page('a transition holds the facts of its event', () => {
  const exit = event(3, 'group:web', 'RUNNING>EXITED', { expected: false, pid: 7 });
  assert.equal(transitionOf({ number: 9, event: exit, at: 12.5, termination: undefined }, NAME), {
    number: 9,
    at: 12.5,
    group: 'group',
    name: 'web',
    from: 'RUNNING',
    to: 'EXITED',
    expected: false,
    tries: undefined,
    reason: undefined,
  });
});

const REASONS: readonly (readonly [reason: ExitReason, shown: string | undefined])[] = [
  [{ kind: 'exited', source: 'log', exitCode: 3 }, 'exit status 3'],
  [{ kind: 'exited', source: 'xml-rpc', exitCode: 0 }, 'exit status 0'],
  [{ kind: 'signalled', source: 'log', signal: 9, coreDumped: false }, 'SIGKILL'],
  [{ kind: 'signalled', source: 'xml-rpc', signal: undefined, coreDumped: undefined }, 'a signal'],
  [{ kind: 'unknown' }, undefined],
];

for (const [reason, shown] of REASONS) {
  page(`an exit for the reason ${JSON.stringify(reason)} is shown as ${shown}`, () => {
    const table = new ProcessTable();
    const recent = new RecentTransitions();
    const changes = table.apply(event(0, 'web', 'RUNNING>EXITED', { pid: 7 }), 100);
    for (const change of changes) recent.handle(change);
    const [web] = table.values();
    const reasons = () => [
      web && rowOf(web, NO_USAGE, NAME).reason,
      ...recent.values().map((transition) => transitionOf(transition, NAME).reason),
    ];
    assert.equal(reasons(), ['reason not known yet', 'reason not known yet']);
    const terminationId = web?.termination?.id ?? -1;
    const later = table.setTerminationFacts(id('web'), terminationId, { reason });
    for (const change of later) recent.handle(change);
    assert.equal(reasons(), [shown, shown]);
  });
}

page('a view with a change applied equals the later view', () => {
  fc.assert(
    fc.property(views(), views(), (before, after) => {
      // JSON, as sent over the stream.
      const change = JSON.parse(JSON.stringify(changeBetween(before, after)));
      const seen = applyChange(JSON.parse(JSON.stringify(before)), change);
      assert.equal(comparable(seen), comparable(after));
    }),
  );
});

page('a change holds only what has changed', () => {
  const before = view([row('a'), row('b'), row('c')]);
  const after = view([row('a'), row('b', { exits: 1 })], { now: 5 });
  assert.equal(changeBetween(before, after), {
    now: 5,
    rows: [row('b', { exits: 1 })],
    removed: [keyOf(id('c'))],
  });
  assert.equal(changeBetween(after, { ...after, now: 6 }), { now: 6 });
});

page('a transition whose reason becomes known late keeps its place', () => {
  const before = { ...view([]), transitions: [transition(2, 'web'), transition(1, 'web')] };
  const change = { now: 5, transitions: [{ ...transition(1, 'web'), reason: 'SIGKILL' }] };
  assert.equal(
    applyChange(before, change).transitions.map(({ number, reason }) => [number, reason]),
    [
      [2, transition(2, 'web').reason],
      [1, 'SIGKILL'],
    ],
  );
});

page('the CPU rate is computed from two readings of the same process', () => {
  const rates = new CpuRates();
  const process = newProcess(id('web'), 'RUNNING');
  const used = (pid: number, cpuUserSeconds: number) => ({
    pid,
    cpuUserSeconds,
    cpuSystemSeconds: 1,
    residentBytes: 0,
  });
  rates.observe(process, used(7, 10), 100);
  assert.is(rates.coresOf(process, 7), undefined, 'after one reading');
  rates.observe(process, used(7, 11), 102);
  assert.is(rates.coresOf(process, 7), 0.5);
  rates.observe(process, used(7, 99), 102.5);
  assert.is(rates.coresOf(process, 7), 0.5, 'too soon after the previous reading');
  assert.is(rates.coresOf(process, 8), undefined, 'of another pid');
  rates.observe(process, used(8, 0), 110);
  assert.is(rates.coresOf(process, 8), undefined, 'after one reading of the next pid');
});

/** Consecutive transitions, and rows of some of four processes. */
function views(): fc.Arbitrary<View> {
  const rows = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), exits: fc.nat(3) }),
    { selector: ({ name }) => name },
  );
  const from = fc.nat(3);
  return fc.record({ rows, from, eventsLost: fc.nat(1) }).map(({ rows, from, eventsLost }) => ({
    now: from,
    context: { ...CONTEXT, eventsLost },
    rows: rows.map(({ name, exits }) => row(name, { exits })),
    transitions: Array.from({ length: from }, (_, number) => transition(number, 'a')).reverse(),
  }));
}

/** The order of rows does not matter, and transitions are never removed. */
function comparable(view: View): unknown {
  const { now, context, rows } = JSON.parse(JSON.stringify(view)) as View;
  const names = (one: Row, other: Row) => (one.name < other.name ? -1 : 1);
  return { now, context, rows: [...rows].sort(names) };
}

page.run();
