import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newProcess } from '../../src/processes/process.ts';
import { RecentTransitions } from '../../src/processes/recent.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { CpuRates } from '../../src/web/page/cpu-rate.ts';
import {
  applyChange,
  changeBetween,
  MAX_TRANSITIONS,
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
  table.transition(event(0, 'web', 'STOPPED>STARTING', { tries: 0 }), 100.5);
  table.transition(event(1, 'web', 'STARTING>RUNNING', { pid: 7 }), 101.5);
  const running = table.get(id('web')) ?? newProcess(id('none'), 'UNKNOWN', 0);
  assert.equal(
    rowOf(running, { cpu: 0.5, memory: 1024 }, NAME),
    row('web', { state: 'RUNNING', since: 101.5, start: 100.5, pid: 7, cpu: 0.5, memory: 1024 }),
  );
  table.transition(event(2, 'web', 'RUNNING>EXITED', { pid: 7, expected: false }), 110);
  assert.equal(
    rowOf(running, NO_USAGE, NAME),
    row('web', {
      state: 'EXITED',
      since: 110,
      exits: 1,
      unexpected: 1,
      lastUnexpectedExit: 110,
      exitedAt: 110,
    }),
    'no start time while the process is down',
  );
});

page('the process table keeps the latest transitions, the newest first', () => {
  const recent = new RecentTransitions();
  assert.equal(recent.values(), []);
  for (let serial = 0; serial < MAX_TRANSITIONS * 2 + 7; serial++) {
    recent.push(event(serial, 'web', 'STOPPED>STARTING'), 1000 + serial);
    const kept = recent.values();
    assert.is(kept.length, Math.min(serial + 1, MAX_TRANSITIONS));
    assert.is(kept[0]?.number, serial);
    assert.is(kept.at(-1)?.number, Math.max(0, serial + 1 - MAX_TRANSITIONS));
  }
  const numbers = recent.values().map(({ number }) => number);
  assert.equal(
    numbers,
    [...numbers].sort((one, other) => other - one),
  );
});

page('a transition holds the facts of its event', () => {
  const exit = event(3, 'group:web', 'RUNNING>EXITED', { expected: false, pid: 7 });
  assert.equal(transitionOf({ number: 9, event: exit, at: 12.5, end: undefined }, NAME), {
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

const REASONS = [
  [{ status: 3, signal: 0 }, 'exit status 3'],
  [{ status: 0, signal: 0 }, 'exit status 0'],
  [{ status: -1, signal: 9 }, 'SIGKILL'],
  [{ status: -1, signal: undefined }, 'a signal'],
] as const;

for (const [ending, expected] of REASONS) {
  page(
    `a process that ended with ${expected} shows this, even when it becomes known after the restart`,
    () => {
      const table = new ProcessTable();
      table.transition(event(0, 'web', 'RUNNING>EXITED', { pid: 7, expected: false }), 100);
      const [first] = table.takeUnexplained();
      table.transition(event(1, 'web', 'EXITED>STARTING', { tries: 0 }), 101);
      table.transition(event(2, 'web', 'STARTING>RUNNING', { pid: 8 }), 102);
      if (first === undefined) throw new Error('no end');
      table.explain(first.id, first.end, { ending, spawnError: undefined });
      const reasons = () =>
        table.recent.values().map((recent) => transitionOf(recent, NAME).reason);
      assert.equal(reasons(), [undefined, undefined, expected]);

      // The reason of the next exit is known before its event arrives.
      const next = { status: 1, signal: 0 };
      table.foretell(id('web'), 8, { ending: next, spawnError: undefined });
      table.transition(event(3, 'web', 'RUNNING>EXITED', { pid: 8, expected: false }), 103);
      assert.equal(reasons(), ['exit status 1', undefined, undefined, expected]);
      const [web] = table.values();
      assert.is(web && rowOf(web, NO_USAGE, NAME).reason, 'exit status 1');

      // A late reason of an earlier exit belongs to that exit only.
      table.explain(first.id, { ...first.end }, { ending: next, spawnError: undefined });
      assert.equal(reasons(), ['exit status 1', undefined, undefined, expected]);
    },
  );
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
    removed: ['c:c'],
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
  const process = newProcess(id('web'), 'RUNNING', 0);
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
