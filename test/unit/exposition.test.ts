import { setImmediate as nextTurn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { joinPlain } from '../../src/exposition/cached-text.ts';
import { ProcessText } from '../../src/metrics/process-text.ts';
import { USAGE_FAMILIES } from '../../src/metrics/usage.ts';
import type { Process } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { ResourceUsage } from '../../src/resources/resources.ts';
import type { ProcessState } from '../../src/supervisor/states.ts';
import { timed } from '../support/deadline.ts';
import { Exposition } from '../support/exposition.ts';
import { event, info, snapshot } from '../support/facts.ts';

const exposition = suite('exposition of the processes');

/** Nothing is known besides the table. */
const TABLE_ALONE = {
  upTimes: { secondsOf: () => 0 },
  exits: { isUnreported: () => undefined, countsOomKills: false, countsStopKills: false },
};

const MANY = Array.from({ length: 1_234 }, (_, index) => `many:${index}`);

const LAP = ['RUNNING>STOPPING', 'STOPPING>STOPPED', 'STOPPED>STARTING', 'STARTING>RUNNING'];
/** supervisord_up of what runs and has made so many of these steps. */
const UP_AFTER = [1, 0, 0, 1];

exposition(
  'after any change the text is the same as one that is written from scratch',
  timed(10_000, async () => {
    const table = new ProcessTable();
    const subject = processText(table);
    const changes: ReadonlyArray<() => unknown> = [
      () => {},
      () => table.apply(event(0, 'cat', 'STOPPED>STARTING', { tries: 0 }), 1.5),
      () => table.apply(event(1, 'cat', 'STARTING>RUNNING', { pid: 7 }), 2.5),
      () => table.apply(event(2, 'pets:dog', 'STOPPED>STARTING', { tries: 0 }), 3),
      () => table.apply(event(3, 'cat', 'RUNNING>EXITED', { expected: false }), 4),
      () => table.apply(event(4, 'cat', 'EXITED>STARTING'), 4),
      () =>
        table.applySnapshotAt(
          snapshot([
            info('cat', 'BACKOFF', { stop: 5 }),
            info('pets:dog', 'RUNNING', { start: 3 }),
          ]),
          5,
        ),
      () => table.removeGroup('cat', 6),
      () => table.apply(event(7, 'cat', 'STOPPED>STARTING'), 8),
      () => table.apply(event(8, 'cat', 'STARTING>UNKNOWN'), 9),
      () => table.applyUnorderedSnapshot(snapshot([info('pets:dog', 'FATAL')]), 99),
      () => table.applySnapshotAt(ofMany('RUNNING'), 100),
      () => table.apply(event(101, 'many:700', 'RUNNING>EXITED', { expected: true }), 10),
      () => table.apply(event(103, 'many:1', 'RUNNING>STOPPING'), 11),
      // A late event counts as well.
      () => table.apply(event(102, 'many:1', 'RUNNING>UNKNOWN'), 11),
      () => table.applySnapshotAt(ofMany('RUNNING'), 104),
      () => table.applySnapshotAt(ofMany('STOPPED'), 105),
      () => table.removeGroup('many', 106),
      () =>
        table.applySnapshotAt(
          snapshot([info('cat', 'BACKOFF', { spawnError: 'no such file' })]),
          107,
        ),
      () =>
        table.applySnapshotAt(
          snapshot([info('cat', 'FATAL', { spawnError: 'can not "stat" it' })]),
          108,
        ),
    ];
    for (const [step, change] of changes.entries()) {
      change();
      const text = await textOf(subject);
      assert.is(text, await textOf(processText(table)), `step ${step}`);
      assert.is(await textOf(subject), text);
    }
  }),
);

exposition(
  'only chunks with a changed value are written again',
  timed(10_000, async () => {
    const table = new ProcessTable();
    const subject = processText(table);
    table.applySnapshotAt(ofMany('RUNNING'), 0);
    const before = await subject.render();
    table.applySnapshotAt(ofMany('RUNNING'), 1);
    assert.equal(newTextsIn(await subject.render(), before), 0);

    table.apply(event(2, 'many:5', 'RUNNING>STOPPING'), 9);
    // supervisord_up, its start time, its state, its last transition and that transition's counter.
    assert.equal(newTextsIn(await subject.render(), before), 5);
  }),
);

exposition(
  'a text shows each process at one moment, although all of them change in each turn of the event loop',
  timed(10_000, async () => {
    const table = new ProcessTable();
    table.applySnapshotAt(ofMany('RUNNING'), 0);
    const subject = processText(table);
    let isWritten = false;
    const rendered = textOf(subject).finally(() => {
      isWritten = true;
    });
    let serial = 1;
    for (let turn = 0; !isWritten; turn++) {
      for (const process of MANY) {
        table.apply(event(serial++, process, LAP[turn % LAP.length] ?? '', { tries: 0 }), 9);
      }
      await nextTurn();
    }
    const text = new Exposition(await rendered);
    const up = text.where('supervisord_up');
    const steps = new Map<string | undefined, number>();
    for (const { labels, value } of text.where('supervisord_process_transitions_total')) {
      steps.set(labels['name'], (steps.get(labels['name']) ?? 0) + value);
    }
    assert.is(up.length, MANY.length);
    for (const { labels, value } of up) {
      assert.is(value, UP_AFTER[(steps.get(labels['name']) ?? 0) % LAP.length]);
    }
    assert.is(await textOf(subject), await textOf(processText(table)));
  }),
);

exposition('a series that has no value now is left out, and comes back', async () => {
  const table = new ProcessTable();
  const subject = processText(table);
  const start = async () =>
    new Exposition(await textOf(subject)).value('supervisord_start_time_seconds');
  table.apply(event(0, 'cat', 'STOPPED>STARTING'), 1.5);
  assert.is(await start(), 1.5);
  table.apply(event(1, 'cat', 'STARTING>BACKOFF', { tries: 1 }), 2);
  assert.is(await start(), undefined);
  table.apply(event(2, 'cat', 'BACKOFF>STARTING', { tries: 1 }), 3);
  assert.is(await start(), 3);
});

exposition("node_exporter's metrics follow XML-RPC, and change with each event", async () => {
  const table = new ProcessTable();
  const subject = new ProcessText(table, {
    exitReasons: false,
    compat: 'node_exporter',
    ...TABLE_ALONE,
  });
  const shown = async () => {
    const metrics = new Exposition(await textOf(subject));
    return ['up', 'state', 'exit_status', 'start_time_seconds'].map((name) =>
      metrics.value(`node_supervisord_${name}`),
    );
  };
  table.applySnapshotAt(snapshot([info('cat', 'EXITED', { start: 1, stop: 2, exitStatus: 3 })]), 0);
  assert.equal(await shown(), [0, 100, 3, undefined]);
  table.apply(event(1, 'cat', 'EXITED>STARTING', { tries: 0 }), 3);
  assert.equal(await shown(), [1, 10, 0, 3]);
  table.apply(event(2, 'cat', 'STARTING>BACKOFF', { tries: 1 }), 4);
  assert.equal(await shown(), [0, 30, 0, undefined]);
  table.apply(event(3, 'cat', 'BACKOFF>FATAL'), 5);
  assert.equal(await shown(), [0, 200, 0, undefined]);
  table.apply(event(4, 'cat', 'FATAL>STARTING', { tries: 0 }), 6);
  table.apply(event(5, 'cat', 'STARTING>RUNNING', { pid: 7 }), 7);
  assert.equal(await shown(), [1, 20, 0, 6]);
  table.apply(event(6, 'cat', 'RUNNING>STOPPING', { pid: 7 }), 8);
  assert.equal(await shown(), [1, 40, 0, 6]);
});

exposition('label values are escaped', async () => {
  const table = new ProcessTable();
  table.apply(event(0, 'a"b\\c\nd:🚀', 'STOPPED>STARTING'), 1);
  assert.match(
    await textOf(processText(table)),
    'supervisord_up{name="🚀",group="a\\"b\\\\c\\nd"} 1\n',
  );
});

const USAGE_METRICS = new Set(USAGE_FAMILIES.map(({ name }) => name));

const USAGE: ResourceUsage = {
  pid: 7,
  cpuUserSeconds: 1.25,
  cpuSystemSeconds: 0,
  majorPageFaults: 17,
  ioWaitSeconds: 0.25,
  io: undefined,
  residentBytes: 4_096,
  virtualBytes: 140_737_488_351_232,
  threads: 2,
  openFds: 3,
  maxFds: 1_024,
  processes: 1,
};

exposition(
  'resource usage is shown as far as it is known, and while the process runs',
  async () => {
    const table = new ProcessTable();
    table.apply(event(0, 'cat', 'STARTING>RUNNING', { pid: 7 }), 1);
    table.apply(event(1, 'pets:dog', 'STARTING>RUNNING', { pid: 8 }), 1);
    let cat: ResourceUsage | undefined = USAGE;
    const resources = {
      usageOf: ({ id }: Readonly<Process>) => (id.name === 'cat' ? cat : undefined),
    };
    const subject = new ProcessText(table, { exitReasons: true, ...TABLE_ALONE, resources });
    const samples = async () =>
      new Exposition(await textOf(subject)).samples
        .filter(({ name }) => USAGE_METRICS.has(name))
        .map(({ name, labels, value }) => `${name} ${Object.values(labels).join(' ')} ${value}`);
    const shown = [
      'supervisord_process_cpu_seconds_total cat cat user 1.25',
      'supervisord_process_cpu_seconds_total cat cat system 0',
      'supervisord_process_resident_memory_bytes cat cat 4096',
      'supervisord_process_virtual_memory_bytes cat cat 140737488351232',
      'supervisord_process_threads cat cat 2',
      'supervisord_process_open_fds cat cat 3',
      'supervisord_process_max_fds cat cat 1024',
      'supervisord_process_subprocesses cat cat 1',
      'supervisord_process_major_page_faults_total cat cat 17',
      'supervisord_process_io_wait_seconds_total cat cat 0.25',
    ];
    assert.equal(await samples(), shown);

    cat = { ...USAGE, cpuUserSeconds: 1.5, openFds: undefined };
    const changed = shown.filter((line) => !line.includes('open_fds'));
    changed[0] = 'supervisord_process_cpu_seconds_total cat cat user 1.5';
    assert.equal(await samples(), changed);

    cat = undefined;
    table.apply(event(2, 'cat', 'RUNNING>EXITED'), 2);
    assert.equal(await samples(), []);
    cat = USAGE;
    assert.equal(await samples(), shown);
  },
);

function processText(table: ProcessTable): ProcessText {
  return new ProcessText(table, { exitReasons: true, ...TABLE_ALONE });
}

function ofMany(state: ProcessState) {
  return snapshot(MANY.map((process) => info(process, state, { start: 3 })));
}

async function textOf(subject: ProcessText): Promise<string> {
  return (await joinPlain(await subject.render())).toString();
}

function newTextsIn(texts: readonly unknown[], before: readonly unknown[]): number {
  return texts.filter((text) => !before.includes(text)).length;
}

exposition.run();
