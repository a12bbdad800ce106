import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Board } from '../../src/alertmanager/board.ts';
import { toWire } from '../../src/alertmanager/wire.ts';
import type { Finding } from '../../src/processes/ending.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const board = suite('alert board');

type Happening = readonly [transition: string, expected?: boolean] | 'removed' | 'nothing';

/** What happens to `cat`, at which second, and what is to be told then: `ALERT startsAt-endsAt`. */
type Step = readonly [at: number, happening: Happening, told: readonly string[]];

const FATAL = 'SupervisorProcessFatal';
const EXIT = 'SupervisorProcessUnexpectedExit';

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'FATAL is told at once, again while it holds, and outlives the rule when it ceases': [
    [100, ['STARTING>BACKOFF'], []],
    [101, ['BACKOFF>FATAL'], [`${FATAL} 101-191`]],
    [102, 'nothing', []],
    [130, 'nothing', []],
    [131, 'nothing', [`${FATAL} 101-221`]],
    [161, 'nothing', [`${FATAL} 101-251`]],
    [170, ['FATAL>STARTING'], [`${FATAL} 101-320`]],
    [200, 'nothing', []],
    [319, 'nothing', []],
    [320, 'nothing', []],
    [400, ['BACKOFF>FATAL'], [`${FATAL} 400-490`]],
  ],
  'FATAL again before it was over is the same alert': [
    [100, ['BACKOFF>FATAL'], [`${FATAL} 100-190`]],
    [110, ['FATAL>STARTING'], [`${FATAL} 100-260`]],
    [120, ['BACKOFF>FATAL'], [`${FATAL} 100-210`]],
  ],
  'an unexpected exit is told at once, once more, and is over later than the rule': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-190`]],
    [100.1, ['EXITED>STARTING'], []],
    [101, ['STARTING>RUNNING'], []],
    [129, 'nothing', []],
    [130, 'nothing', [`${EXIT} 100-190`]],
    [160, 'nothing', []],
    [189, 'nothing', []],
    [190, 'nothing', []],
    [300, ['RUNNING>EXITED', false], [`${EXIT} 300-390`]],
  ],
  'further exits make it last, and are not told each': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-190`]],
    [101, ['RUNNING>EXITED', false], []],
    [125, ['RUNNING>EXITED', false], []],
    [130, 'nothing', [`${EXIT} 100-215`]],
    [160, 'nothing', [`${EXIT} 100-215`]],
    [185, 'nothing', []],
    [190, 'nothing', []],
    [214, 'nothing', []],
    [216, ['RUNNING>EXITED', false], [`${EXIT} 216-306`]],
  ],
  'an exit when the alert has ceased to hold, and is not over yet, is a new one': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-190`]],
    [140, 'nothing', [`${EXIT} 100-190`]],
    [161, ['RUNNING>EXITED', false], [`${EXIT} 161-251`]],
  ],
  'an expected exit and a stop are nothing': [
    [100, ['RUNNING>EXITED', true], []],
    [101, ['EXITED>STARTING'], []],
    [102, ['STARTING>RUNNING'], []],
    [103, ['RUNNING>STOPPING'], []],
    [104, ['STOPPING>STOPPED'], []],
  ],
  'a program that is removed while it is FATAL': [
    [100, ['BACKOFF>FATAL'], [`${FATAL} 100-190`]],
    [110, 'removed', [`${FATAL} 100-260`]],
    [140, 'nothing', []],
  ],
};

for (const [title, steps] of Object.entries(HISTORIES)) {
  board(title, () => {
    const table = new ProcessTable();
    const subject = new Board(0);
    for (const [serial, [at, happening, told]] of steps.entries()) {
      if (happening === 'removed') table.removeGroup('cat', serial);
      else if (happening !== 'nothing') {
        const [transition, expected] = happening;
        table.transition(
          event(serial, 'cat', transition, expected === undefined ? {} : { expected }),
          at,
        );
      }
      const alerts = subject.review(table.values(), at);
      assert.equal(
        alerts.map(({ name, startsAt, endsAt }) => `${name} ${startsAt}-${endsAt}`),
        told,
        `at ${at}`,
      );
    }
  });
}

board('after a restart of the exporter, what a snapshot finds FATAL is told', () => {
  const table = new ProcessTable();
  table.takeAt(
    snapshot([
      info('cat', 'FATAL', { stop: 50 }),
      info('dog', 'EXITED', { stop: 60, exitStatus: 3 }),
    ]),
    0,
  );
  assert.equal(new Board(0).review(table.values(), 100), [
    { name: FATAL, process: id('cat'), startsAt: 50, endsAt: 190 },
  ]);
});

const LABELS = { job: 'supervisor', instance: 'host:9876' };

board('on the wire: the labels of the rule, and no other; times in RFC 3339', () => {
  const alert = { name: FATAL, process: id('shop:web'), startsAt: 1.5, endsAt: 91.5 } as const;
  const wire = toWire(alert, LABELS, undefined);
  assert.equal(wire.labels, {
    alertname: FATAL,
    severity: 'critical',
    job: 'supervisor',
    instance: 'host:9876',
    name: 'web',
    group: 'shop',
  });
  assert.is(wire.startsAt, '1970-01-01T00:00:01.500Z');
  assert.is(wire.endsAt, '1970-01-01T00:01:31.500Z');
  assert.match(wire.annotations['description'] ?? '', /^shop:web on host:9876 is FATAL/);
});

board(
  'an exit is told with its reason as soon as that is known, and without it when it is late',
  () => {
    const table = new ProcessTable();
    const subject = new Board(0.05);
    const tell = (at: number) =>
      subject.review(table.values(), at).map(({ name, startsAt }) => `${name} ${startsAt}`);
    table.transition(event(1, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 100);
    assert.equal(tell(100), []);
    assert.ok(subject.isWaiting);
    for (const { id, end } of table.takeUnexplained()) {
      table.explain(id, end, { ending: { status: 3, signal: 0 }, spawnError: undefined });
    }
    assert.equal(tell(100.01), [`${EXIT} 100`]);
    assert.not(subject.isWaiting);

    table.transition(event(2, 'dog', 'RUNNING>EXITED', { expected: false, pid: 8 }), 101);
    assert.equal(tell(101.04), []);
    assert.equal(tell(101.06), [`${EXIT} 101`]);
    assert.not(subject.isWaiting);
  },
);

const REASONS: ReadonlyArray<readonly [finding: Finding, text: RegExp]> = [
  [{ ending: { status: 3, signal: 0 }, spawnError: undefined }, /unexpectedly, with status 3\.$/],
  [
    { ending: { status: -1, signal: 9 }, spawnError: undefined },
    /unexpectedly, killed by SIGKILL\.$/,
  ],
  [{ ending: { status: -1, signal: undefined }, spawnError: undefined }, /, killed by a signal\.$/],
  [{ ending: undefined, spawnError: undefined }, /exited unexpectedly\.$/],
];
for (const [finding, text] of REASONS) {
  board(`the description of an exit: ${text.source}`, () => {
    const table = new ProcessTable();
    table.transition(event(1, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 100);
    for (const { id, end } of table.takeUnexplained()) table.explain(id, end, finding);
    const alert = { name: EXIT, process: id('cat'), startsAt: 100, endsAt: 190 } as const;
    const { annotations } = toWire(alert, LABELS, table.get(id('cat')));
    assert.match(annotations['description'] ?? '', text);
    table.transition(event(2, 'cat', 'STOPPING>STOPPED', { pid: 8 }), 110);
    const later = toWire(alert, LABELS, table.get(id('cat')));
    assert.match(
      later.annotations['description'] ?? '',
      /unexpectedly\.$/,
      'a later end is another',
    );
  });
}

board('the description of FATAL has the error of the last start', () => {
  const table = new ProcessTable();
  table.takeAt(snapshot([info('cat', 'FATAL', { stop: 50, spawnError: "can't find 'cat'" })]), 0);
  const alert = { name: FATAL, process: id('cat'), startsAt: 50, endsAt: 190 } as const;
  const { annotations } = toWire(alert, LABELS, table.get(id('cat')));
  assert.match(annotations['description'] ?? '', /The last error was: can't find 'cat'\.$/);
});

board.run();
