import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Board } from '../../src/alertmanager/board.ts';
import { toWire } from '../../src/alertmanager/wire.ts';
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
    const subject = new Board();
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
  assert.equal(new Board().review(table.values(), 100), [
    { name: FATAL, process: id('cat'), startsAt: 50, endsAt: 190 },
  ]);
});

board('on the wire: the labels of the rule, and no other; times in RFC 3339', () => {
  const alert = { name: FATAL, process: id('shop:web'), startsAt: 1.5, endsAt: 91.5 } as const;
  const wire = toWire(alert, { job: 'supervisor', instance: 'host:9876' });
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

board.run();
