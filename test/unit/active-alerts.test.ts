import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ActiveAlerts } from '../../src/alertmanager/active-alerts.ts';
import { toPostableAlert } from '../../src/alertmanager/payload.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ExitReason } from '../../src/processes/termination.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const alerts = suite('active alerts');

type Happening = readonly [transition: string, expected?: boolean] | 'removed' | 'nothing';

/** What happens to `cat`, at which second, and what is to be sent then: `ALERT startsAt-endsAt`. */
type Step = readonly [at: number, happening: Happening, sent: readonly string[]];

const FATAL = 'SupervisorProcessFatal';
const EXIT = 'SupervisorProcessUnexpectedExit';

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'FATAL is sent at once and again, and ends later than the rule': [
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
  'FATAL again before the alert has ended is the same alert': [
    [100, ['BACKOFF>FATAL'], [`${FATAL} 100-190`]],
    [110, ['FATAL>STARTING'], [`${FATAL} 100-260`]],
    [120, ['BACKOFF>FATAL'], [`${FATAL} 100-210`]],
  ],
  'an unexpected exit is sent at once and again, and ends later than the rule': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-250`]],
    [100.1, ['EXITED>STARTING'], []],
    [101, ['STARTING>RUNNING'], []],
    [129, 'nothing', []],
    [130, 'nothing', [`${EXIT} 100-250`]],
    [219, 'nothing', [`${EXIT} 100-250`]],
    [220, 'nothing', []],
    [249, 'nothing', []],
    [250, 'nothing', []],
    [300, ['RUNNING>EXITED', false], [`${EXIT} 300-450`]],
  ],
  'further exits extend the alert and are not sent one by one': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-250`]],
    [101, ['RUNNING>EXITED', false], []],
    [125, ['RUNNING>EXITED', false], []],
    [130, 'nothing', [`${EXIT} 100-275`]],
    [160, 'nothing', [`${EXIT} 100-275`]],
    [245, 'nothing', []],
    [274, 'nothing', []],
    [276, ['RUNNING>EXITED', false], [`${EXIT} 276-426`]],
  ],
  'an exit after the condition ended, and before the alert has ended, is a new alert': [
    [100, ['RUNNING>EXITED', false], [`${EXIT} 100-250`]],
    [140, 'nothing', [`${EXIT} 100-250`]],
    [221, ['RUNNING>EXITED', false], [`${EXIT} 221-371`]],
  ],
  'an expected exit and a stop raise no alert': [
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
    const table = new ProcessTable();
    const subject = new ActiveAlerts(0);
    for (const [serial, [at, happening, expectedAlerts]] of steps.entries()) {
      if (happening === 'removed') table.removeGroup('cat', serial);
      else if (happening !== 'nothing') {
        const [transition, expected] = happening;
        table.apply(
          event(serial, 'cat', transition, expected === undefined ? {} : { expected }),
          at,
        );
      }
      const sent = subject.evaluate(table.values(), at);
      assert.equal(
        sent.map(({ name, startsAt, endsAt }) => `${name} ${startsAt}-${endsAt}`),
        expectedAlerts,
        `at ${at}`,
      );
    }
  });
}

alerts(
  'after a restart of the exporter an alert is sent for a process that a snapshot finds FATAL',
  () => {
    const table = new ProcessTable();
    table.applySnapshotAt(
      snapshot([
        info('cat', 'FATAL', { stop: 50 }),
        info('dog', 'EXITED', { stop: 60, exitStatus: 3 }),
      ]),
      0,
    );
    assert.equal(new ActiveAlerts(0).evaluate(table.values(), 100), [
      { name: FATAL, process: id('cat'), startsAt: 50, endsAt: 190 },
    ]);
  },
);

const LABELS = { job: 'supervisor', instance: 'host:9876' };

alerts('the payload has the labels of the rule and no others, and times in RFC 3339', () => {
  const alert = { name: FATAL, process: id('shop:web'), startsAt: 1.5, endsAt: 91.5 } as const;
  const payload = toPostableAlert(alert, LABELS, undefined);
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
  assert.match(payload.annotations['description'] ?? '', /^shop:web on host:9876 is FATAL/);
});

alerts(
  'an exit is sent with its reason as soon as that is known, and without it after the timeout',
  () => {
    const table = new ProcessTable();
    const subject = new ActiveAlerts(0.05);
    const send = (at: number) =>
      subject.evaluate(table.values(), at).map(({ name, startsAt }) => `${name} ${startsAt}`);
    table.apply(event(1, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 100);
    assert.equal(send(100), []);
    assert.ok(subject.isAwaitingReason);
    setReason(table, 'cat', { kind: 'exited', source: 'log', exitCode: 3 });
    assert.equal(send(100.01), [`${EXIT} 100`]);
    assert.not(subject.isAwaitingReason);

    table.apply(event(2, 'dog', 'RUNNING>EXITED', { expected: false, pid: 8 }), 101);
    assert.equal(send(101.04), []);
    assert.equal(send(101.06), [`${EXIT} 101`]);
    assert.not(subject.isAwaitingReason);
  },
);

const REASONS: ReadonlyArray<readonly [reason: ExitReason, text: RegExp]> = [
  [{ kind: 'exited', source: 'log', exitCode: 3 }, /unexpectedly, with status 3\.$/],
  [
    { kind: 'signalled', source: 'log', signal: 9, coreDumped: false },
    /unexpectedly, killed by SIGKILL\.$/,
  ],
  [
    { kind: 'signalled', source: 'xml-rpc', signal: undefined, coreDumped: undefined },
    /, killed by a signal\.$/,
  ],
  [{ kind: 'unknown' }, /exited unexpectedly\.$/],
];
for (const [reason, text] of REASONS) {
  alerts(`the description of an exit: ${text.source}`, () => {
    const table = new ProcessTable();
    table.apply(event(1, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 100);
    setReason(table, 'cat', reason);
    const alert = { name: EXIT, process: id('cat'), startsAt: 100, endsAt: 190 } as const;
    const { annotations } = toPostableAlert(alert, LABELS, table.get(id('cat')));
    assert.match(annotations['description'] ?? '', text);
    table.apply(event(2, 'cat', 'STOPPING>STOPPED', { pid: 8 }), 110);
    const later = toPostableAlert(alert, LABELS, table.get(id('cat')));
    assert.match(later.annotations['description'] ?? '', text, 'a later stop changes nothing');
  });
}

function setReason(table: ProcessTable, process: string, reason: ExitReason): void {
  const terminationId = table.get(id(process))?.lastUnexpectedExit?.id ?? -1;
  table.setTerminationFacts(id(process), terminationId, { reason });
}

alerts('the description of FATAL has the error of the last start', () => {
  const table = new ProcessTable();
  table.applySnapshotAt(
    snapshot([info('cat', 'FATAL', { stop: 50, spawnError: "can't find 'cat'" })]),
    0,
  );
  const alert = { name: FATAL, process: id('cat'), startsAt: 50, endsAt: 190 } as const;
  const { annotations } = toPostableAlert(alert, LABELS, table.get(id('cat')));
  assert.match(annotations['description'] ?? '', /The last error was: can't find 'cat'\.$/);
});

for (const stop of [8_640_000_000_001, 1e300, Number.NaN, -1, Number.POSITIVE_INFINITY]) {
  alerts(`a process whose time is ${stop} is alerted from now on, and nothing throws`, () => {
    const table = new ProcessTable();
    table.applySnapshotAt(snapshot([info('cat', 'FATAL', { stop })]), 0);
    const [alert] = new ActiveAlerts(0).evaluate(table.values(), 100);
    assert.is(alert?.startsAt, 100);
  });
  alerts(`an alert from ${stop} to ${stop} has times of RFC 3339`, () => {
    const alert = { name: FATAL, process: id('cat'), startsAt: stop, endsAt: stop } as const;
    const { startsAt, endsAt } = toPostableAlert(alert, LABELS, undefined);
    for (const time of [startsAt, endsAt]) assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });
}

alerts('a group with the name of its process is left out of the text', () => {
  const alert = { name: FATAL, process: id('cat'), startsAt: 1, endsAt: 2 } as const;
  const { annotations } = toPostableAlert(alert, LABELS, undefined);
  assert.match(annotations['description'] ?? '', /^cat on host:9876 is FATAL/);
  assert.is(annotations['runbook_url'], 'RUNBOOK.md#supervisorprocessfatal');
});

alerts.run();
