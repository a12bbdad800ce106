import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newProcess } from '../../src/processes/process.ts';
import { RecentTransitions } from '../../src/processes/recent.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { CpuMeter } from '../../src/web/page/meter.ts';
import {
  applyChange,
  changeBetween,
  MAX_STEPS,
  type Row,
  rowOf,
  stepOf,
  type View,
} from '../../src/web/page/view.ts';
import { event, id } from '../support/facts.ts';
import { FACTS, row, step, view } from '../support/page.ts';

const page = suite('page view');
const NO_USAGE = { cpu: undefined, memory: undefined };

const NAME = (signal: number) => (signal === 9 ? 'SIGKILL' : `signal ${signal}`);

page('a row says what the process table knows', () => {
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
      lastUnexpected: 110,
      ended: 110,
    }),
    'it has no uptime while it is down',
  );
});

page('the latest transitions are kept, the newest first, and no more than are shown', () => {
  const recent = new RecentTransitions();
  assert.equal(recent.values(), []);
  for (let serial = 0; serial < MAX_STEPS * 2 + 7; serial++) {
    recent.push(event(serial, 'web', 'STOPPED>STARTING'), 1000 + serial);
    const kept = recent.values();
    assert.is(kept.length, Math.min(serial + 1, MAX_STEPS));
    assert.is(kept[0]?.number, serial);
    assert.is(kept.at(-1)?.number, Math.max(0, serial + 1 - MAX_STEPS));
  }
  const numbers = recent.values().map(({ number }) => number);
  assert.equal(
    numbers,
    [...numbers].sort((one, other) => other - one),
  );
});

page('a step says what its event says', () => {
  const exit = event(3, 'group:web', 'RUNNING>EXITED', { expected: false, pid: 7 });
  assert.equal(stepOf({ number: 9, event: exit, at: 12.5, end: undefined }, NAME), {
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

for (const [ending, said] of REASONS) {
  page(`a run that ended of ${said} says so, also when it is found out after the restart`, () => {
    const table = new ProcessTable();
    table.transition(event(0, 'web', 'RUNNING>EXITED', { pid: 7, expected: false }), 100);
    const [first] = table.takeUnexplained();
    table.transition(event(1, 'web', 'EXITED>STARTING', { tries: 0 }), 101);
    table.transition(event(2, 'web', 'STARTING>RUNNING', { pid: 8 }), 102);
    if (first === undefined) throw new Error('no end');
    table.explain(first.id, first.end, { ending, spawnError: undefined });
    const reasons = () => table.recent.values().map((recent) => stepOf(recent, NAME).reason);
    assert.equal(reasons(), [undefined, undefined, said]);

    // The next end is known before its event comes.
    const next = { status: 1, signal: 0 };
    table.foretell(id('web'), 8, { ending: next, spawnError: undefined });
    table.transition(event(3, 'web', 'RUNNING>EXITED', { pid: 8, expected: false }), 103);
    assert.equal(reasons(), ['exit status 1', undefined, undefined, said]);
    const [web] = table.values();
    assert.is(web && rowOf(web, NO_USAGE, NAME).reason, 'exit status 1');

    // What is found out late of an end that is not the last one is still told of that one.
    table.explain(first.id, { ...first.end }, { ending: next, spawnError: undefined });
    assert.equal(reasons(), ['exit status 1', undefined, undefined, said]);
  });
}

page('whoever saw the view before, and is told the change, sees the view after', () => {
  fc.assert(
    fc.property(views(), views(), (before, after) => {
      // As it comes over the wire.
      const change = JSON.parse(JSON.stringify(changeBetween(before, after)));
      const seen = applyChange(JSON.parse(JSON.stringify(before)), change);
      assert.equal(comparable(seen), comparable(after));
    }),
  );
});

page('a change tells only what has changed', () => {
  const before = view([row('a'), row('b'), row('c')]);
  const after = view([row('a'), row('b', { exits: 1 })], { now: 5 });
  assert.equal(changeBetween(before, after), {
    now: 5,
    rows: [row('b', { exits: 1 })],
    gone: ['c:c'],
  });
  assert.equal(changeBetween(after, { ...after, now: 6 }), { now: 6 });
});

page('a step whose reason becomes known when another has followed stays in its place', () => {
  const before = { ...view([]), steps: [step(2, 'web'), step(1, 'web')] };
  const change = { now: 5, steps: [{ ...step(1, 'web'), reason: 'SIGKILL' }] };
  assert.equal(
    applyChange(before, change).steps.map(({ number, reason }) => [number, reason]),
    [
      [2, step(2, 'web').reason],
      [1, 'SIGKILL'],
    ],
  );
});

page('CPU in use is what was used between two looks at the same process', () => {
  const meter = new CpuMeter();
  const process = newProcess(id('web'), 'RUNNING', 0);
  const used = (pid: number, cpuUserSeconds: number) => ({
    pid,
    cpuUserSeconds,
    cpuSystemSeconds: 1,
    residentBytes: 0,
  });
  meter.take(process, used(7, 10), 100);
  assert.is(meter.coresOf(process, 7), undefined, 'after one look');
  meter.take(process, used(7, 11), 102);
  assert.is(meter.coresOf(process, 7), 0.5);
  meter.take(process, used(7, 99), 102.5);
  assert.is(meter.coresOf(process, 7), 0.5, 'too soon after the one before');
  assert.is(meter.coresOf(process, 8), undefined, 'of another run');
  meter.take(process, used(8, 0), 110);
  assert.is(meter.coresOf(process, 8), undefined, 'after one look at the next run');
});

/** Steps that follow one another, and rows of any of a few processes. */
function views(): fc.Arbitrary<View> {
  const rows = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), exits: fc.nat(3) }),
    { selector: ({ name }) => name },
  );
  const from = fc.nat(3);
  return fc.record({ rows, from, eventsLost: fc.nat(1) }).map(({ rows, from, eventsLost }) => ({
    now: from,
    facts: { ...FACTS, eventsLost },
    rows: rows.map(({ name, exits }) => row(name, { exits })),
    steps: Array.from({ length: from }, (_, number) => step(number, 'a')).reverse(),
  }));
}

/** The order of the rows is the reader's. Steps are never taken back. */
function comparable(view: View): unknown {
  const { now, facts, rows } = JSON.parse(JSON.stringify(view)) as View;
  const names = (one: Row, other: Row) => (one.name < other.name ? -1 : 1);
  return { now, facts, rows: [...rows].sort(names) };
}

page.run();
