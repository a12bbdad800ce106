import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { idOf } from '../../src/processes/changes.ts';
import { Process } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ExitReason } from '../../src/processes/termination.ts';
import { keyOf } from '../../src/supervisor/process-id.ts';
import { runInSlices } from '../../src/util/time-slice.ts';
import { CpuRates } from '../../src/web/page/cpu-rate.ts';
import { RecentTransitions } from '../../src/web/page/recent-transitions.ts';
import { RowStore } from '../../src/web/page/row-store.ts';
import {
  applyChanges,
  type Row,
  type RowFacts,
  rowOf,
  transitionOf,
  type View,
} from '../../src/web/page/view.ts';
import { event, id } from '../support/facts.ts';
import { row, transition, view } from '../support/page.ts';

const page = suite('page view');
const NO_FACTS: RowFacts = {
  cpu: undefined,
  memory: undefined,
  timeline: [],
  isUnreported: false,
};

const NAME = (signal: number) => (signal === 9 ? 'SIGKILL' : `signal ${signal}`);

page('a row holds the facts of the process table', () => {
  const table = new ProcessTable();
  table.apply(event(0, 'web', 'STOPPED>STARTING', { tries: 0 }), 100.5);
  table.apply(event(1, 'web', 'STARTING>RUNNING', { pid: 7 }), 101.5);
  const running = table.get(id('web')) ?? new Process(id('none'), 'UNKNOWN');
  assert.equal(
    rowOf(running, { ...NO_FACTS, cpu: 0.5, memory: 1024 }, NAME),
    row('web', { state: 'RUNNING', since: 101.5, start: 100.5, pid: 7, cpu: 0.5, memory: 1024 }),
  );
  table.apply(event(2, 'web', 'RUNNING>EXITED', { pid: 7, expected: false }), 110);
  assert.equal(
    rowOf(running, NO_FACTS, NAME),
    row('web', {
      state: 'EXITED',
      trouble: 'down',
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

page('the reason of an earlier run is not that of a start that never ran', () => {
  const table = new ProcessTable();
  const killed = { kind: 'signalled', source: 'log', signal: 9, coreDumped: false } as const;
  for (const [serial, step] of [
    'RUNNING>EXITED',
    'EXITED>STARTING',
    'STARTING>BACKOFF',
  ].entries()) {
    table.apply(event(serial, 'web', step), 110 + serial);
    const last = table.get(id('web'))?.failedStart ?? table.get(id('web'))?.termination;
    if (last === undefined) throw new Error('no termination');
    if (serial === 0) table.setTerminationFacts(id('web'), last.id, { reason: killed });
    if (serial < 2) continue;
    const spawnError = "can't find command '/x'";
    const facts = { reason: { kind: 'unknown' }, spawnError, neverRan: true } as const;
    table.setTerminationFacts(id('web'), last.id, facts);
  }
  const { spawnError, reason, exitedAt } = rowOf(
    table.get(id('web')) ?? new Process(id('none'), 'UNKNOWN'),
    NO_FACTS,
    NAME,
  );
  assert.equal([spawnError, reason, exitedAt], ["can't find command '/x'", undefined, undefined]);
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
  [{ kind: 'signalled', source: 'log', signal: 9, coreDumped: true }, 'SIGKILL, core dumped'],
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
      web && rowOf(web, NO_FACTS, NAME).reason,
      ...recent.values().map((transition) => transitionOf(transition, NAME).reason),
    ];
    assert.equal(reasons(), ['reason not known yet', 'reason not known yet']);
    const terminationId = web?.termination?.id ?? -1;
    const later = table.setTerminationFacts(id('web'), terminationId, { reason });
    for (const change of later) recent.handle(change);
    assert.equal(reasons(), [shown, shown]);
  });
}

page('the stream of changes leads to the same rows as a new snapshot', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps(), { maxLength: 40 }), async (sequence) => {
      const table = new ProcessTable();
      const store = new RowStore(table, (process) => rowOf(process, NO_FACTS, NAME));
      store.startRecording();
      let seen = view([]);
      let serial = 0;
      for (const { name, transition, isSent, isRemoval } of sequence) {
        const changes = isRemoval
          ? table.removeGroup(name, serial)
          : table.apply(event(serial, name, transition), serial);
        serial += 1;
        for (const change of changes) store.mark(idOf(change));
        if (!isSent) continue;
        await runInSlices(store.update());
        const { rows, removed } = store.takeChanges();
        const message = `{"now":1,"rows":[${rows.join(',')}],"removed":${JSON.stringify(removed)}}`;
        seen = applyChanges(seen, [JSON.parse(message)]);
        assert.equal(inOrder(seen.rows), inOrder(JSON.parse(store.json())));
      }
    }),
    { numRuns: 60 },
  );
});

page('only rows that have changed are sent, and unchanged ones stay the same object', async () => {
  const table = new ProcessTable();
  const store = new RowStore(table, (process) => rowOf(process, NO_FACTS, NAME));
  store.startRecording();
  for (const [serial, name] of ['a', 'b', 'c'].entries()) {
    table.apply(event(serial, name, 'STOPPED>STARTING', { tries: 0 }), 1);
    store.mark(id(name));
  }
  await runInSlices(store.update());
  assert.is(store.takeChanges().rows.length, 3);
  const before = view(JSON.parse(store.json()));
  table.apply(event(3, 'b', 'STARTING>RUNNING', { pid: 7 }), 2);
  for (const name of ['a', 'b']) store.mark(id(name));
  table.removeGroup('c', 4);
  store.mark(id('c'));
  await runInSlices(store.update());
  const { rows, removed } = store.takeChanges();
  assert.is(rows.length, 1);
  assert.equal(removed, [keyOf(id('c'))]);
  const change = { now: 5, rows: rows.map((json) => JSON.parse(json)), removed };
  const after = applyChanges(before, [change]);
  assert.is(after.rows[0], before.rows[0]);
  assert.is(after.rows[1]?.state, 'RUNNING');
  assert.is(after.rows.length, 2);
  assert.equal(store.takeChanges(), { rows: [], removed: [] });
});

page('changes that are applied together give what they give one after the other', () => {
  const start: View = { ...view([]), transitions: [transition(1, 'web')] };
  const changes = [
    {
      now: 2,
      rows: [row('a', { exits: 1 }), row('b', { exits: 1 })],
      transitions: [transition(2, 'a')],
    },
    { now: 3, rows: [row('a', { exits: 2 })], removed: [keyOf(id('b'))] },
    { now: 4, context: { ...start.context, eventsLost: 7 }, rows: [row('b', { exits: 3 })] },
  ];
  const single = changes.reduce((seen, change) => applyChanges(seen, [change]), start);
  assert.equal(applyChanges(start, changes), single);
  assert.equal(
    single.rows.map(({ name, exits }) => `${name} ${exits}`),
    ['a 2', 'b 3'],
  );
});

page('a process that is gone shows neither pid nor memory', () => {
  const table = new ProcessTable();
  table.apply(event(0, 'web', 'STARTING>RUNNING', { pid: 7 }), 100);
  const web = table.get(id('web'));
  if (web === undefined) throw new Error('no process');
  const gone = rowOf(web, { ...NO_FACTS, cpu: 0, memory: 0, isUnreported: true }, NAME);
  assert.is(gone.trouble, 'unreported exit');
  assert.equal([gone.pid, gone.start, gone.cpu, gone.memory], Array(4).fill(undefined));
  // A zombie has no memory, also before its exit counts as unreported.
  assert.is(rowOf(web, { ...NO_FACTS, cpu: 0, memory: 0 }, NAME).memory, undefined);
});

page('a transition whose reason becomes known late keeps its place', () => {
  const before = { ...view([]), transitions: [transition(2, 'web'), transition(1, 'web')] };
  const change = { now: 5, transitions: [{ ...transition(1, 'web'), reason: 'SIGKILL' }] };
  assert.equal(
    applyChanges(before, [change]).transitions.map(({ number, reason }) => [number, reason]),
    [
      [2, transition(2, 'web').reason],
      [1, 'SIGKILL'],
    ],
  );
});

page('the CPU rate is computed from two readings of the same process', () => {
  const rates = new CpuRates();
  const process = new Process(id('web'), 'RUNNING');
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

interface Step {
  readonly name: string;
  readonly transition: string;
  readonly isSent: boolean;
  readonly isRemoval: boolean;
}

function steps(): fc.Arbitrary<Step> {
  return fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    transition: fc.constantFrom('STOPPED>STARTING', 'STARTING>RUNNING', 'RUNNING>STOPPING'),
    isSent: fc.boolean(),
    isRemoval: fc.constantFrom(false, false, false, true),
  });
}

function inOrder(rows: readonly Row[]): Row[] {
  return [...rows].sort((one, other) => (one.name < other.name ? -1 : 1));
}

page.run();
