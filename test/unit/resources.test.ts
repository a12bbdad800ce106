import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ALL_PROCESSES, createSelection } from '../../src/processes/selection.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import {
  openResources,
  type Resources,
  type ResourcesOptions,
  type ResourceUsage,
} from '../../src/resources/resources.ts';
import type { LogFields, Logger } from '../../src/util/log.ts';
import { eventually, timed } from '../support/deadline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';
import { asNobody, FakeProc, OWN, PAGE_SIZE, SUPERVISORD } from '../support/procfs.ts';

const resources = suite('resources');

const PID = 7;

/** Epoch seconds. */
const BOOT = 1_700_000_000;
/** Of a fake process unless another is given, in epoch seconds. */
const START = BOOT + 10;

type SceneOptions = Pick<ResourcesOptions, 'readsIo' | 'selection'>;

interface Scene {
  readonly proc: FakeProc;
  readonly table: ProcessTable;
  readonly subject: Resources;
  readonly log: string[];
  /** Of `cat`, from a new reading. */
  usage(): Promise<ResourceUsage | undefined>;
  pass(ms: number): void;
  stepClock(seconds: number): void;
}

/** `cat` runs as pid 7. Each test runs with the kernel's lists of children, and with a scan of all processes. */
function story(
  title: string,
  body: (scene: Scene) => Promise<void>,
  options: SceneOptions = {},
): void {
  for (const listsChildren of [true, false]) {
    const how = listsChildren ? 'lists of children' : 'scan';
    resources(
      `${title} (${how})`,
      timed(10_000, async () => {
        const proc = new FakeProc({ listsChildren });
        try {
          await body(begin(proc, options));
        } finally {
          proc.delete();
        }
      }),
    );
  }
}

function begin(proc: FakeProc, options: SceneOptions = {}): Scene {
  const table = new ProcessTable();
  table.applySnapshotAt(
    snapshot([info('cat', 'RUNNING', { pid: PID, start: START }), info('dog', 'STOPPED')]),
    0,
  );
  const log: string[] = [];
  let time = 0;
  let boot = BOOT;
  const uptime = () => 100 + time / 1_000;
  const subject = openResources({
    table,
    log: logTo(log),
    ownPid: OWN.pid,
    root: proc.root,
    readsIo: options.readsIo ?? false,
    selection: options.selection ?? ALL_PROCESSES,
    now: () => time,
    wallClock: () => boot + uptime(),
  });
  if (subject === undefined) throw new Error('no /proc');
  return {
    proc,
    table,
    subject,
    log,
    async usage() {
      time += 1_000;
      proc.setUptime(uptime());
      await subject.read();
      return usageOf(subject, table);
    },
    pass(ms) {
      time += ms;
      proc.setUptime(uptime());
    },
    stepClock(seconds) {
      boot += seconds;
    },
  };
}

function logTo(lines: string[]): Logger {
  const log = (msg: string, fields: LogFields = {}) =>
    lines.push(`${msg} ${JSON.stringify(fields)}`);
  return { debug: undefined, info: log, warn: log, error: log };
}

function usageOf(subject: Resources, table: ProcessTable, name = 'cat'): ResourceUsage | undefined {
  const process = table.get(id(name));
  if (process === undefined) throw new Error(`no ${name}`);
  return subject.usageOf(process);
}

story('a process by itself', async ({ proc, usage, subject, table }) => {
  proc.put(PID, {
    cpu: [120, 30, 5, 1],
    majorFaults: [2, 7],
    virtualBytes: 5_000_000,
    residentPages: 3,
    fds: 4,
    maxFds: 99,
  });
  assert.equal(await usage(), {
    pid: PID,
    cpuUserSeconds: 1.25,
    cpuSystemSeconds: 0.31,
    majorPageFaults: 9,
    ioWaitSeconds: undefined,
    io: undefined,
    residentBytes: 3 * PAGE_SIZE,
    virtualBytes: 5_000_000,
    threads: 1,
    openFds: 4,
    maxFds: 99,
    processes: 1,
  });
  assert.is(usageOf(subject, table, 'dog'), undefined);
});

story(
  'time of waiting for I/O is shown only where the kernel accounts it',
  async ({ proc, usage }) => {
    proc.put(PID, { ioWait: 25 });
    assert.is((await usage())?.ioWaitSeconds, undefined);
    proc.setDelayAccounting(true);
    assert.is((await usage())?.ioWaitSeconds, 0.25);
    proc.setDelayAccounting(false);
    assert.is((await usage())?.ioWaitSeconds, undefined);
  },
);

story('counters that the kernel adds to no parent stay counted', async ({ proc, usage }) => {
  proc.setDelayAccounting(true);
  proc.put(PID, { ioWait: 10 });
  proc.put(8, { parent: PID, ioWait: 5 });
  assert.is((await usage())?.ioWaitSeconds, 0.15);
  proc.remove(8);
  assert.is((await usage())?.ioWaitSeconds, 0.15);
  proc.put(PID, { ioWait: 20 });
  assert.is((await usage())?.ioWaitSeconds, 0.25);
});

const READS_IO = { readsIo: true };

story(
  'bytes, swap and context switches of a tree',
  async ({ proc, usage }) => {
    proc.put(PID, { io: [4_096, 100], switches: [10, 2], swapKilobytes: 1 });
    proc.put(8, { parent: PID, io: [8_192, 200], switches: [20, 3], swapKilobytes: 2 });
    const before = {
      readBytes: 12_288,
      writtenBytes: 300,
      swapBytes: 3 * 1024,
      voluntarySwitches: 30,
      involuntarySwitches: 5,
    };
    assert.equal((await usage())?.io, before);
    // The zombie counts with its last values, until the kernel adds them to its parent.
    proc.put(8, { parent: PID, state: 'Z' });
    assert.equal((await usage())?.io, { ...before, swapBytes: 1024 });
    proc.remove(8);
    proc.put(PID, { io: [4_096 + 8_192, 300], switches: [10, 2], swapKilobytes: 1 });
    assert.equal((await usage())?.io, { ...before, swapBytes: 1024 });
  },
  READS_IO,
);

story(
  'what the kernel does not report has no value',
  async ({ proc, usage }) => {
    proc.put(PID, { io: [1, 2], switches: [3, 4] });
    assert.is((await usage())?.io?.swapBytes, undefined);
    proc.forbid(`${PID}/io`);
    const io = await asNobody(async () => (await usage())?.io);
    assert.is(io?.readBytes, undefined);
    assert.is(io?.voluntarySwitches, 3);
  },
  READS_IO,
);

story(
  'processes that are not selected are not measured',
  async ({ proc, usage }) => {
    proc.put(PID, {});
    assert.is(await usage(), undefined);
  },
  { selection: createSelection({ exclude: /^cat:.*$/ }) },
);

story(
  'a tree: the children of any thread, with any name, and no others',
  async ({ proc, usage }) => {
    proc.put(PID, {
      name: ') R 8 (',
      threads: [71, 72],
      forkedBy: { 9: 72 },
      cpu: [1, 0, 0, 0],
      fds: 1,
    });
    proc.put(8, { parent: PID, name: 'a b', cpu: [2, 0, 0, 0], fds: 2 });
    proc.put(9, { parent: PID, name: ')', cpu: [4, 0, 0, 0], fds: 300, maxFds: 5 });
    proc.put(10, { parent: 9, threads: [101], cpu: [8, 0, 0, 0] });
    proc.put(11, { parent: 1, cpu: [1_000, 0, 0, 0] });
    proc.put(12, { parent: 11, cpu: [1_000, 0, 0, 0] });
    const used = await usage();
    assert.is(used?.processes, 4);
    assert.is(used?.threads, 7);
    assert.is(used?.cpuUserSeconds, 0.15);
    assert.is(used?.openFds, 303);
    assert.is(used?.maxFds, 1_024);
    assert.is(used?.residentBytes, 4 * 2 * PAGE_SIZE);
    assert.is(used?.virtualBytes, 4 * 8_192);
    assert.is((await usage())?.openFds, 303);
  },
);

story('a tree 100 deep', async ({ proc, usage }) => {
  for (let depth = 0; depth < 100; depth++) {
    proc.put(PID + depth, {
      parent: depth === 0 ? SUPERVISORD : PID + depth - 1,
      cpu: [1, 0, 0, 0],
    });
  }
  assert.is((await usage())?.processes, 100);
  assert.is((await usage())?.cpuUserSeconds, 1);
});

story('a zombie is a process with CPU time and nothing else', async ({ proc, usage }) => {
  proc.put(PID, { fds: 1 });
  proc.put(8, { parent: PID, state: 'Z', cpu: [50, 0, 0, 0], virtualBytes: 0, residentPages: 0 });
  const used = await usage();
  assert.is(used?.processes, 2);
  assert.is(used?.threads, 1);
  assert.is(used?.openFds, 1);
  assert.is(used?.cpuUserSeconds, 0.5);
  proc.put(PID, { state: 'Z', cpu: [7, 0, 0, 0] });
  assert.is((await usage())?.cpuUserSeconds, 0.57);
});

story('workers come and go, and CPU time never decreases', async ({ proc, usage }) => {
  proc.put(PID, {});
  proc.put(8, { parent: PID, cpu: [100, 0, 0, 0] });
  assert.is((await usage())?.cpuUserSeconds, 1);
  proc.remove(8);
  assert.is((await usage())?.cpuUserSeconds, 1);
  proc.put(PID, { cpu: [0, 0, 130, 0] });
  assert.is((await usage())?.cpuUserSeconds, 1.3);
  proc.put(9, { parent: PID, cpu: [10, 0, 0, 0] });
  proc.put(10, { parent: 9, cpu: [200, 0, 0, 0] });
  assert.is((await usage())?.cpuUserSeconds, 3.4);
  proc.remove(9);
  proc.put(10, { parent: 1, cpu: [900, 0, 0, 0] });
  proc.put(PID, { cpu: [0, 0, 140, 0] });
  const used = await usage();
  assert.is(used?.cpuUserSeconds, 3.4);
  assert.is(used?.processes, 1);
});

story('the counters begin again with another main process', async ({ proc, usage, table }) => {
  proc.put(PID, { cpu: [500, 0, 0, 0], start: 1_000, maxFds: 10 });
  assert.is((await usage())?.cpuUserSeconds, 5);
  table.apply(event(1, 'cat', 'RUNNING>EXITED', { pid: PID }), BOOT + 19);
  table.apply(event(2, 'cat', 'EXITED>STARTING'), BOOT + 20);
  table.apply(event(3, 'cat', 'STARTING>RUNNING', { pid: PID }), BOOT + 21);
  proc.put(PID, { cpu: [3, 0, 0, 0], start: 2_000, maxFds: 20 });
  const sameNumber = await usage();
  assert.is(sameNumber?.cpuUserSeconds, 0.03);
  assert.is(sameNumber?.maxFds, 20);
  table.applySnapshotAt(snapshot([info('cat', 'RUNNING', { pid: 8, start: BOOT + 30 })]), 4);
  proc.put(8, { cpu: [1, 0, 0, 0], start: 3_000 });
  assert.is((await usage())?.cpuUserSeconds, 0.01);
});

story(
  'a child whose pid is reused is another child, or not in the tree',
  async ({ proc, usage }) => {
    proc.put(PID, {});
    proc.put(8, { parent: PID, cpu: [100, 0, 0, 0], start: 1_000 });
    await usage();
    proc.put(PID, { cpu: [0, 0, 100, 0] });
    proc.put(8, { parent: PID, cpu: [5, 0, 0, 0], start: 2_000 });
    assert.is((await usage())?.cpuUserSeconds, 1.05);
    proc.put(PID, { cpu: [0, 0, 105, 0] });
    proc.put(8, { parent: 1, cpu: [900, 0, 0, 0], start: 3_000 });
    const used = await usage();
    assert.is(used?.cpuUserSeconds, 1.05);
    assert.is(used?.processes, 1);
  },
);

story('a process that is down or gone has no usage', async ({ proc, usage, subject, table }) => {
  proc.put(PID, {});
  assert.ok(await usage());
  table.apply(event(1, 'cat', 'RUNNING>STOPPING', { pid: PID }), START);
  assert.ok(usageOf(subject, table));
  table.apply(event(2, 'cat', 'STOPPING>STOPPED', { pid: PID }), START);
  assert.is(usageOf(subject, table), undefined);
  assert.is(await usage(), undefined);
  // The process has exited and its event has not arrived.
  table.apply(event(3, 'cat', 'STOPPED>STARTING'), START);
  table.apply(event(4, 'cat', 'STARTING>RUNNING', { pid: 9 }), START);
  assert.is(await usage(), undefined);
  proc.put(9, {});
  assert.is((await usage())?.pid, 9);
});

story('a pid that was reused before the first reading', async ({ proc, usage, table }) => {
  proc.put(PID, { parent: 1 });
  assert.is(await usage(), undefined, 'the parent is not supervisord');
  proc.put(PID, { parent: 8 });
  assert.is(await usage(), undefined, 'the parent is another process of supervisord');
  proc.put(PID, { start: 1_700 });
  assert.is(await usage(), undefined, 'supervisord started another process 7 s after this run');
  proc.put(PID, { start: 1_100 });
  assert.ok(await usage(), 'XML-RPC rounds down to whole seconds');
  proc.put(PID, { start: 1_700 });
  assert.is(await usage(), undefined, 'reused after a reading');
  table.applySnapshotAt(snapshot([info('cat', 'RUNNING', { pid: PID, start: BOOT + 17 })]), 1);
  assert.ok(await usage(), 'the process table follows');
});

story('two processes in the table with the same pid', async ({ proc, subject, table, pass }) => {
  const infos = [
    info('cat', 'RUNNING', { pid: PID, start: START }),
    info('dog', 'RUNNING', { pid: PID, start: START + 60 }),
  ];
  table.applySnapshotAt(snapshot(infos), 1);
  proc.put(PID, { start: 7_000 });
  pass(1_000);
  await subject.read();
  assert.is(usageOf(subject, table, 'cat'), undefined);
  assert.ok(usageOf(subject, table, 'dog'));
});

for (const seconds of [-3_600, 3_600, -1_000_000_000]) {
  story(`the clock is set by ${seconds} s`, async ({ proc, usage, table, pass, stepClock }) => {
    const restart = (serial: number, at: number) => {
      table.apply(event(serial, 'cat', 'RUNNING>EXITED', { pid: PID }), at);
      table.apply(event(serial + 1, 'cat', 'EXITED>STARTING'), at);
      table.apply(event(serial + 2, 'cat', 'STARTING>RUNNING', { pid: PID }), at + 1);
    };
    proc.put(PID, { start: 1_000 });
    assert.ok(await usage());
    stepClock(seconds);
    assert.ok(await usage(), 'a run from before');
    pass(20_000);
    restart(1, BOOT + seconds + 110);
    proc.put(PID, { start: 11_000 });
    assert.ok(await usage(), 'a run from after');
    pass(20_000);
    restart(4, BOOT + seconds + 130);
    proc.put(PID, { start: 13_000 });
    stepClock(-seconds);
    assert.ok(await usage(), 'a run from before the second step');
  });
}

story(
  'a process that is older than the exporter, with any clock',
  async ({ proc, usage, table }) => {
    table.applySnapshotAt(snapshot([info('cat', 'RUNNING', { pid: PID, start: 12 })]), 1);
    proc.put(PID, { start: OWN.start - 1 });
    assert.ok(await usage());
    proc.put(PID, { start: OWN.start - 1, parent: 1 });
    assert.is(await usage(), undefined);
  },
);

story('the limit of descriptors is read again after a minute', async ({ proc, usage, pass }) => {
  proc.put(PID, { maxFds: 10 });
  assert.is((await usage())?.maxFds, 10);
  proc.put(PID, { maxFds: 20 });
  assert.is((await usage())?.maxFds, 10);
  pass(60_000);
  assert.is((await usage())?.maxFds, 20);
  proc.put(PID, { maxFds: 'unlimited' });
  pass(60_000);
  assert.is((await usage())?.maxFds, undefined);
});

story(
  'files without read permission are left out, and logged once each',
  async ({ proc, usage, log }) => {
    proc.put(PID, { fds: 2, cpu: [100, 0, 0, 0] });
    proc.put(8, { parent: PID, fds: 2, cpu: [50, 0, 0, 0] });
    proc.forbid('8/fd');
    proc.forbid('7/limits');
    await asNobody(async () => {
      for (let reading = 0; reading < 3; reading++) {
        const used = await usage();
        assert.is(used?.openFds, undefined);
        assert.is(used?.maxFds, undefined);
        assert.is(used?.cpuUserSeconds, 1.5);
        assert.is(used?.residentBytes, 4 * PAGE_SIZE);
      }
    });
    proc.forbid('7/stat');
    await asNobody(async () => {
      for (let reading = 0; reading < 2; reading++) assert.is(await usage(), undefined);
    });
    const files = ['fd', 'limits', 'stat'].map((file) => `{"file":"${proc.root}/PID/${file}"}`);
    assert.is(log.length, files.length);
    for (const [nth, file] of files.entries()) assert.match(log[nth] ?? '', file);
  },
);

story(
  'a reading that fails leaves everything out, is logged once, and the next one succeeds',
  async (scene) => {
    const { proc, usage, log, subject } = scene;
    assert.equal(subject.stats, { success: undefined, durationSeconds: undefined });
    proc.put(PID, {});
    proc.put(8, { parent: PID, cpu: [100, 0, 0, 0] });
    assert.is((await usage())?.cpuUserSeconds, 1);
    const statm = readFileSync(`${proc.root}/8/statm`, 'utf8');
    rmSync(`${proc.root}/8/statm`);
    // A folder cannot be read: an error other than a missing file or permission.
    mkdirSync(`${proc.root}/8/statm`);
    for (let reading = 0; reading < 3; reading++) assert.is(await usage(), undefined);
    assert.is(log.length, 1);
    assert.match(log[0] ?? '', /cannot read procfs.*it is a folder/);
    assert.is(subject.stats.success, false);
    rmSync(`${proc.root}/8/statm`, { recursive: true });
    proc.write('8/statm', statm);
    assert.is((await usage())?.cpuUserSeconds, 1);
    assert.equal(subject.stats, { success: true, durationSeconds: 0 });
    assert.is(log.length, 1);
  },
);

story('a file that is not a stat file is ignored', async ({ proc, usage }) => {
  proc.put(PID, { state: '' });
  proc.put(8, { parent: PID, name: 'x'.repeat(40_000) });
  await usage();
  proc.put(PID, {});
  assert.is((await usage())?.processes, 2);
});

story(
  'simultaneous readings are one; a reading is shared for 10 ms',
  async ({ proc, subject, pass, table }) => {
    proc.put(PID, {});
    await Promise.all([subject.read(), subject.read(), subject.read()]);
    const first = usageOf(subject, table);
    assert.ok(first);
    pass(9);
    await subject.read();
    assert.is(usageOf(subject, table), first);
    pass(1);
    await subject.read();
    assert.is.not(usageOf(subject, table), first);
  },
);

resources(
  'with very many threads all processes are scanned, with the same result',
  timed(10_000, async () => {
    const proc = new FakeProc({ listsChildren: true });
    try {
      const { usage } = begin(proc);
      proc.put(PID, { threads: Array.from({ length: 400 }, (_, nth) => 1_000 + nth) });
      proc.put(8, { parent: PID });
      const used = await usage();
      assert.is(used?.processes, 2);
      assert.is(used?.threads, 402);
      assert.equal(await usage(), used);
    } finally {
      proc.delete();
    }
  }),
);

resources(
  'the event loop runs during a long reading',
  timed(20_000, async () => {
    const proc = new FakeProc({ listsChildren: true });
    try {
      const table = new ProcessTable();
      const pids = Array.from({ length: 300 }, (_, nth) => 1_000 + nth);
      for (const pid of pids) proc.put(pid, {});
      const infos = pids.map((pid) => info(`many:${pid}`, 'RUNNING', { pid, start: START }));
      table.applySnapshotAt(snapshot(infos), 0);
      const subject = openResources({
        table,
        log: logTo([]),
        ownPid: OWN.pid,
        root: proc.root,
        wallClock: () => BOOT + 100,
      });
      let turns = 0;
      let isDone = false;
      const reading = subject?.read().finally(() => {
        isDone = true;
      });
      while (!isDone) {
        turns += 1;
        await nextTurn();
      }
      await reading;
      assert.ok(turns > 2, `${turns} turns`);
      assert.is(subject && usageOf(subject, table, 'many:1299')?.processes, 1);
    } finally {
      proc.delete();
    }
  }),
);

resources(
  'the exporter was started through a shell and an init',
  timed(10_000, async () => {
    const [shell, init] = [4_010, 4_011];
    const proc = new FakeProc({ listsChildren: true, own: { ...OWN, parent: init } });
    try {
      proc.put(init, { parent: shell, start: 400 });
      proc.put(shell, { parent: SUPERVISORD, start: 300 });
      proc.put(SUPERVISORD, { parent: 1, start: 200 });
      proc.put(1, { parent: 0, start: 1 });
      proc.put(PID, {});
      proc.put(8, { parent: 1 });
      const { usage, subject, table } = begin(proc);
      const infos = [
        info('cat', 'RUNNING', { pid: PID, start: START }),
        info('dog', 'RUNNING', { pid: 8, start: START }),
        info('exporter', 'RUNNING', { pid: shell, start: BOOT + 3 }),
      ];
      table.applySnapshotAt(snapshot(infos), 1);
      assert.ok(await usage());
      assert.is(usageOf(subject, table, 'dog'), undefined);
      assert.is(usageOf(subject, table, 'exporter')?.processes, 2);
    } finally {
      proc.delete();
    }
  }),
);

resources(
  '/proc/uptime of LXCFS, which counts from the start of the container',
  timed(10_000, async () => {
    const hostUptime = 1_000_000;
    const own = { ...OWN, start: hostUptime * 100 };
    const proc = new FakeProc({ listsChildren: true, own });
    try {
      let uptime = 60;
      proc.setUptime(uptime);
      const table = new ProcessTable();
      const subject = openResources({
        table,
        log: logTo([]),
        ownPid: OWN.pid,
        root: proc.root,
        wallClock: () => BOOT + uptime,
        now: () => uptime * 1_000,
      });
      if (subject === undefined) throw new Error('no collector');
      uptime += 3_600;
      proc.setUptime(uptime);
      table.applySnapshotAt(
        snapshot([info('cat', 'RUNNING', { pid: PID, start: BOOT + 3_600 })]),
        1,
      );
      proc.put(PID, { start: (hostUptime + 3_540) * 100 });
      await subject.read();
      assert.ok(usageOf(subject, table));
      proc.put(PID, { start: (hostUptime + 3_600) * 100 });
      uptime += 1;
      await subject.read();
      assert.is(usageOf(subject, table), undefined);
    } finally {
      proc.delete();
    }
  }),
);

resources(
  'a list of children longer than any buffer',
  timed(10_000, async () => {
    const proc = new FakeProc({ listsChildren: true });
    try {
      const { usage } = begin(proc);
      proc.put(PID, {});
      proc.put(8, { parent: PID });
      const many = Array.from({ length: 20_000 }, (_, nth) => `${1_000_000 + nth} `).join('');
      proc.write(`${PID}/task/${PID}/children`, `${many}8 `);
      assert.is((await usage())?.processes, 2);
    } finally {
      proc.delete();
    }
  }),
);

resources(
  'the real /proc: the process of this test, as if supervisord had started it',
  timed(10_000, async () => {
    const table = new ProcessTable();
    table.applySnapshotAt(snapshot([info('cat', 'RUNNING', { pid: process.pid, start: 1 })]), 0);
    const subject = openResources({ table, log: logTo([]), ownPid: process.pid });
    await eventually(5_000, async () => {
      await subject?.read();
      const used = subject && usageOf(subject, table);
      const pids = treeOf(process.pid);
      const total = (file: string, pattern: RegExp) =>
        pids.reduce((sum, pid) => sum + fieldOf(pid, file, pattern), 0);
      assert.is(used?.processes, pids.length);
      assert.is(used?.threads, total('status', /Threads:\s+(\d+)/));
      assert.is(used?.maxFds, fieldOf(process.pid, 'limits', /Max open files +(\d+)/));
      const descriptors = pids.flatMap((pid) => readdirSync(`/proc/${pid}/fd`));
      // The list includes the descriptor that listing takes.
      assert.is(used?.openFds, descriptors.length - 1);
      assert.is(used?.virtualBytes, 1024 * total('status', /VmSize:\s+(\d+)/));
      const resident = 1024 * total('status', /VmRSS:\s+(\d+)/);
      assert.ok(Math.abs((used?.residentBytes ?? 0) - resident) < 0.1 * resident);
    });
  }),
);

function fieldOf(pid: number, file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1]);
}

/** The process and its descendants. */
function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' '),
  );
  return [
    pid,
    ...children.filter((child) => child !== '').flatMap((child) => treeOf(Number(child))),
  ];
}

resources('without Linux procfs there is no collector, and one line is logged', () => {
  const log: string[] = [];
  for (const root of ['/no/such/folder', '/etc']) {
    const options = { table: new ProcessTable(), log: logTo(log), ownPid: OWN.pid, root };
    assert.is(openResources(options), undefined);
  }
  assert.equal(log, [
    'the collector "resources" is off: there is no Linux procfs {"path":"/no/such/folder"}',
    'the collector "resources" is off: there is no Linux procfs {"path":"/etc"}',
  ]);
});

resources('with the procfs of another PID namespace there is no collector', () => {
  const proc = new FakeProc({ listsChildren: true });
  try {
    const log: string[] = [];
    const options = { table: new ProcessTable(), log: logTo(log), ownPid: 2, root: proc.root };
    assert.is(openResources(options), undefined);
    assert.equal(log, [
      `the collector "resources" is off: procfs belongs to another PID namespace {"path":"${proc.root}","own_pid":2,"own_pid_in_procfs":${OWN.pid}}`,
    ]);
  } finally {
    proc.delete();
  }
});

resources.run();
