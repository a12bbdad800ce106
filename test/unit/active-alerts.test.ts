import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ActiveAlerts } from '../../src/alertmanager/active-alerts.ts';
import { toPostableAlert } from '../../src/alertmanager/payload.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ExitReason, TerminationFacts } from '../../src/processes/termination.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const alerts = suite('active alerts');

type Action = readonly [transition: string, expected?: boolean] | 'removed' | 'nothing';

/** What happens to `cat`, at which second, and what is sent then: `ALERT startsAt-endsAt`. */
type Step = readonly [at: number, action: Action, sent: readonly string[]];

const FATAL = 'SupervisorProcessFatal';
const EXIT = 'SupervisorProcessUnexpectedExit';

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'FATAL is sent at once, again while it is active, and is resolved later than by the rule': [
    [100, ['STARTING>BACKOFF'], []],
    [102, ['BACKOFF>FATAL'], [`${FATAL} 102-192`]],
    [103, 'nothing', []],
    [131, 'nothing', []],
    [132, 'nothing', [`${FATAL} 102-222`]],
    [162, 'nothing', [`${FATAL} 102-252`]],
    [170, ['FATAL>STARTING'], [`${FATAL} 102-320`]],
    [200, 'nothing', []],
    [320, 'nothing', []],
    [400, ['BACKOFF>FATAL'], [`${FATAL} 400-490`]],
  ],
  'FATAL again before it was resolved is the same alert': [
    [100, ['BACKOFF>FATAL'], [`${FATAL} 100-190`]],
    [110, ['FATAL>STARTING'], [`${FATAL} 100-260`]],
    [120, ['BACKOFF>FATAL'], [`${FATAL} 100-210`]],
  ],
  'an unexpected exit is sent at once, again for two minutes, and is resolved later than by the rule':
    [
      [100, ['RUNNING>EXITED', false], [`${EXIT} 100-250`]],
      [100.1, ['EXITED>STARTING'], []],
      [101, ['STARTING>RUNNING'], []],
      [129, 'nothing', []],
      [130, 'nothing', [`${EXIT} 100-250`]],
      [219, 'nothing', [`${EXIT} 100-250`]],
      [250, 'nothing', []],
      [270, 'nothing', []],
      [300, ['RUNNING>EXITED', false], [`${EXIT} 300-450`]],
    ],
  'further exits prolong the alert and are not sent each': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-250`]],
    [101, ['RUNNING>EXITED', false], []],
    [125, ['RUNNING>EXITED', false], []],
    [130, 'nothing', [`${EXIT} 100-275`]],
    [160, 'nothing', [`${EXIT} 100-275`]],
    [250, 'nothing', []],
    [274, 'nothing', []],
    [276, ['RUNNING>EXITED', false], [`${EXIT} 276-426`]],
  ],
  'an exit after the condition ended, before the alert was resolved, is a new alert': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-250`]],
    [140, 'nothing', [`${EXIT} 100-250`]],
    [221, ['RUNNING>EXITED', false], [`${EXIT} 221-371`]],
  ],
  'an expected exit and a stop raise nothing': [
    [100, ['RUNNING>EXITED', true], []],
    [101, ['EXITED>STARTING'], []],
    [102, ['STARTING>RUNNING'], []],
    [103, ['RUNNING>STOPPING'], []],
    [104, ['STOPPING>STOPPED'], []],
  ],
  'a process that is removed while it is FATAL': [
    [100, ['BACKOFF>FATAL'], [`${FATAL} 100-190`]],
    [110, 'removed', [`${FATAL} 100-260`]],
    [140, 'nothing', []],
  ],
};

for (const [title, steps] of Object.entries(HISTORIES)) {
  alerts(title, () => {
    const table = new ProcessTable({ looksUpReasons: false });
    const active = new ActiveAlerts({ reasonTimeout: 1 });
    for (const [serial, [at, action, sent]] of steps.entries()) {
      if (action === 'removed') table.removeGroup('cat', serial);
      else if (action !== 'nothing') {
        const [transition, expected] = action;
        table.apply(
          event(serial, 'cat', transition, expected === undefined ? {} : { expected }),
          at,
        );
      }
      assert.equal(
        active
          .evaluate(table.values(), at)
          .map(({ name, startsAt, endsAt }) => `${name} ${startsAt}-${endsAt}`),
        sent,
        `at ${at}`,
      );
    }
  });
}

alerts('what the first snapshot finds FATAL is sent', () => {
  const table = new ProcessTable();
  table.applySnapshotAt(
    snapshot([
      info('cat', 'FATAL', { stop: 50 }),
      info('dog', 'EXITED', { stop: 60, exitStatus: 3 }),
    ]),
    0,
  );
  assert.equal(new ActiveAlerts({ reasonTimeout: 1 }).evaluate(table.values(), 100), [
    {
      name: FATAL,
      process: id('cat'),
      failure: { spawnError: undefined, reason: { kind: 'pending' }, at: 50 },
      end: undefined,
      startsAt: 50,
      endsAt: 190,
    },
  ]);
});

const PAYLOAD = {
  labels: { job: 'supervisor', instance: 'host:9876' },
  runbookUrl: 'https://wiki/supervisor',
};

alerts('the payload has the labels of the rule and no other, and times in RFC 3339', () => {
  const alert = {
    name: FATAL,
    process: id('shop:web'),
    failure: { spawnError: undefined, reason: undefined, at: undefined },
    end: undefined,
    startsAt: 1.5,
    endsAt: 91.5,
  } as const;
  const payload = toPostableAlert(alert, PAYLOAD);
  assert.equal(payload.labels, {
    alertname: FATAL,
    severity: 'critical',
    job: 'supervisor',
    instance: 'host:9876',
    name: 'web',
    group: 'shop',
  });
  assert.is(payload.startsAt, '1970-01-01T00:00:01.500Z');
  assert.is(payload.endsAt, '1970-01-01T00:01:31.500Z');
});

alerts('a time beyond the range of Date does not throw', () => {
  for (const time of [8640000000001, 1e300, -1e300, Number.NaN, Number.POSITIVE_INFINITY]) {
    const exit = {
      process: id('cat'),
      at: time,
      reason: { kind: 'unknown' },
      recentExits: 1,
    } as const;
    const alert = {
      name: EXIT,
      process: id('cat'),
      exit,
      startsAt: time,
      endsAt: time,
    } as const;
    const { startsAt, endsAt } = toPostableAlert(alert, PAYLOAD);
    assert.ok(Number.isFinite(Date.parse(startsAt)), startsAt);
    assert.is(endsAt, startsAt);
  }
  const table = new ProcessTable();
  table.applySnapshotAt(snapshot([info('cat', 'FATAL', { stop: 8640000000001 })]), 0);
  const [alert] = new ActiveAlerts({ reasonTimeout: 1 }).evaluate(table.values(), 100);
  if (alert === undefined) throw new Error('not sent');
  toPostableAlert(alert, PAYLOAD);
});

/** The table after an unexpected exit of `cat`, and what then was established about it. */
function afterExit(): { table: ProcessTable; establish: (facts: TerminationFacts) => void } {
  const table = new ProcessTable();
  const changes = table.apply(event(1, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 100);
  const exit = changes.find((change) => change.kind === 'exited');
  if (exit?.kind !== 'exited') throw new Error('no exit');
  const { id: terminationId } = exit.termination;
  return {
    table,
    establish: (facts) => table.setTerminationFacts(id('cat'), terminationId, facts),
  };
}

const EXITED_3: ExitReason = { kind: 'exited', source: 'log', exitCode: 3 };

alerts('an exit is sent as soon as its reason is known, or after the timeout', () => {
  const { table, establish } = afterExit();
  const known = new ActiveAlerts({ reasonTimeout: 1 });
  const late = new ActiveAlerts({ reasonTimeout: 1 });
  assert.equal(known.evaluate(table.values(), 100.5), []);
  assert.equal(late.evaluate(table.values(), 100.99), []);
  assert.is(late.evaluate(table.values(), 101).length, 1);
  establish({ reason: EXITED_3, finishedAt: 99.995 });
  const [alert] = known.evaluate(table.values(), 100.6);
  assert.is(alert?.startsAt, 99.995);
  assert.equal(late.evaluate(table.values(), 101.1), [], 'a late reason is no new alert');
});

alerts('FATAL waits for the reason of its failed start', () => {
  const table = new ProcessTable();
  const changes = table.apply(event(1, 'cat', 'STARTING>BACKOFF', { tries: 4 }), 100);
  table.apply(event(2, 'cat', 'BACKOFF>FATAL'), 100.1);
  const active = new ActiveAlerts({ reasonTimeout: 1 });
  assert.equal(active.evaluate(table.values(), 100.2), []);
  for (const change of changes) {
    if (change.kind !== 'exited') continue;
    table.setTerminationFacts(id('cat'), change.termination.id, {
      reason: EXITED_3,
      spawnError: 'Exited too quickly (process log may have details)',
    });
  }
  assert.is(active.evaluate(table.values(), 100.3).length, 1);
});

const REASONS: ReadonlyArray<readonly [reason: ExitReason, text: string]> = [
  [EXITED_3, ', exit code 3.'],
  [{ kind: 'signalled', source: 'log', signal: 9, coreDumped: false }, ', killed by SIGKILL.'],
  [{ kind: 'signalled', source: 'log', signal: 35, coreDumped: false }, ', killed by signal 35.'],
  [
    { kind: 'signalled', source: 'xml-rpc', signal: undefined, coreDumped: undefined },
    ', killed by a signal.',
  ],
  [{ kind: 'unknown' }, '.'],
];
for (const [reason, text] of REASONS) {
  alerts(`the description of an exit: ${text}`, () => {
    const { table, establish } = afterExit();
    establish({ reason });
    table.apply(event(2, 'cat', 'STOPPING>STOPPED', { pid: 8 }), 101);
    const [alert] = new ActiveAlerts({ reasonTimeout: 1 }).evaluate(table.values(), 102);
    if (alert === undefined) throw new Error('not sent');
    assert.is(
      toPostableAlert(alert, PAYLOAD).annotations['description'],
      `cat on host:9876 exited unexpectedly at 1970-01-01 00:01:40 +0000 UTC${text} See "supervisorctl tail cat stderr". Resolved means that there was no further exit for two minutes.`,
    );
  });
}

/** The names and times of what is sent, for processes that exit at these times. */
function sentFor(exits: ReadonlyArray<readonly [name: string, at: number]>): readonly string[] {
  const table = new ProcessTable({ looksUpReasons: false });
  const active = new ActiveAlerts({ reasonTimeout: 1 });
  return exits.flatMap(([name, at], serial) => {
    table.apply(event(serial, name, 'RUNNING>EXITED', { expected: false, pid: 7 }), at);
    return active
      .evaluate(table.values(), at)
      .map((alert) => ('process' in alert ? alert.process.name : `many: ${alert.exits.length}`));
  });
}

alerts('the fourth process that exits within two minutes makes one alert of all', () => {
  const exits = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, nth) => [name, 100 + nth] as const);
  assert.equal(sentFor(exits), ['a', 'b', 'c', 'many: 4']);
});

alerts('exits of the same process, and those further apart, are not many', () => {
  assert.equal(sentFor(['a', 'a', 'a', 'a', 'b'].map((name, nth) => [name, 100 + nth])), [
    'a',
    'b',
  ]);
  const apart = ['a', 'b', 'c', 'd'].map((name, nth) => [name, 100 + nth * 41] as const);
  assert.equal(
    sentFor(apart).filter((sent) => sent.startsWith('many')),
    [],
  );
});

alerts('eight exits that become known at once are one alert of all eight', () => {
  const table = new ProcessTable({ looksUpReasons: false });
  for (let nth = 0; nth < 8; nth++) {
    table.apply(event(nth, `w-${nth}`, 'RUNNING>EXITED', { expected: false }), 100);
  }
  const sent = new ActiveAlerts({ reasonTimeout: 1 }).evaluate(table.values(), 100);
  assert.equal(
    sent.map(({ name }) => name),
    ['SupervisorManyExits'],
  );
  const [many] = sent;
  assert.is(many?.name === 'SupervisorManyExits' && many.exits.length, 8);
});

alerts('of many exits only those known before the fourth are ever alerts of their own', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const each = { minLength: names.length, maxLength: names.length };
  // Of several exits the log has the same millisecond; others are up to 50 s apart.
  const offsets = fc.array(fc.constantFrom(0, 0.001, 0.002, 1, 20, 50), each);
  const order = fc.shuffledSubarray(names, each);
  const evaluations = fc.array(fc.boolean(), each);
  fc.assert(
    fc.property(offsets, order, evaluations, (offsetOf, reasonOrder, isEvaluated) => {
      const table = new ProcessTable();
      const establish = new Map(
        names.map((name, nth) => {
          const changes = table.apply(event(nth, name, 'RUNNING>EXITED', { expected: false }), 151);
          const exit = changes.find((change) => change.kind === 'exited');
          if (exit?.kind !== 'exited') throw new Error('no exit');
          const facts = { reason: EXITED_3, finishedAt: 100 + (offsetOf[nth] ?? 0) };
          return [name, () => table.setTerminationFacts(id(name), exit.termination.id, facts)];
        }),
      );
      const active = new ActiveAlerts({ reasonTimeout: 2 });
      const sent: string[] = [];
      const evaluate = (at: number) => {
        for (const alert of active.evaluate(table.values(), at)) {
          sent.push('process' in alert ? alert.process.name : alert.name);
        }
      };
      const expected = new Set<string>();
      for (const [nth, name] of reasonOrder.entries()) {
        establish.get(name)?.();
        if (isEvaluated[nth] !== true && nth < names.length - 1) continue;
        if (nth < 3) for (const known of reasonOrder.slice(0, nth + 1)) expected.add(known);
        evaluate(151);
      }
      // SupervisorManyExits ends while some of them are less than two minutes old.
      for (let at = 152; at < 350; at++) evaluate(at + 0.0015);
      assert.equal(new Set(sent), new Set([...expected, 'SupervisorManyExits']));
    }),
  );
});

alerts('an exit after many exits have ended is a new alert, also of a process among them', () => {
  const many = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name, nth) => [name, 100 + nth] as const);
  assert.equal(sentFor([...many, ['h', 225]]), ['a', 'b', 'c', 'many: 4', 'h']);
  assert.equal(sentFor([...many, ['g', 225]]), ['a', 'b', 'c', 'many: 4', 'g']);
});

alerts('the text says how many exits there were within ten minutes', () => {
  const table = new ProcessTable({ looksUpReasons: false });
  const active = new ActiveAlerts({ reasonTimeout: 1 });
  const counts = [100, 300, 690, 1200, 3000].map((at, serial) => {
    table.apply(event(serial, 'cat', 'RUNNING>EXITED', { expected: false }), at);
    const [alert] = active.evaluate(table.values(), at);
    return alert?.name === EXIT ? alert.exit.recentExits : undefined;
  });
  assert.equal(counts, [1, 2, 3, 2, 1]);
});

for (const [end, act] of [
  ['started', (table: ProcessTable) => table.apply(event(9, 'cat', 'FATAL>STARTING'), 101)],
  ['removed', (table: ProcessTable) => table.removeGroup('cat', 9)],
] as const) {
  alerts(`the end of FATAL keeps its reason and says that the process was ${end}`, () => {
    const table = new ProcessTable({ looksUpReasons: false });
    const active = new ActiveAlerts({ reasonTimeout: 1 });
    const spawnError = "can't find command '/x'";
    table.applySnapshotAt(snapshot([info('cat', 'FATAL', { stop: 50, spawnError })]), 0);
    active.evaluate(table.values(), 100);
    act(table);
    const [alert] = active.evaluate(table.values(), 101);
    if (alert === undefined) throw new Error('not sent');
    const text = toPostableAlert(alert, PAYLOAD).annotations['description'] ?? '';
    assert.match(text, spawnError);
    assert.match(text, `It has been ${end} since.`);
  });
}

alerts.run();
