import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProcessTable } from '../../src/processes/table.ts';
import { openResources, type Resources, type Usage } from '../../src/resources/resources.ts';
import type { LogFields, Logger } from '../../src/util/log.ts';
import { eventually, timed } from '../support/deadline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';
import { asNobody, FakeProc, PAGE_SIZE } from '../support/procfs.ts';

const resources = suite('resources');

const PID = 7;

interface Scene {
  readonly proc: FakeProc;
  readonly table: ProcessTable;
  readonly subject: Resources;
  readonly log: string[];
  /** Of `cat`, by a new reading. */
  usage(): Promise<Usage | undefined>;
  pass(ms: number): void;
}

/** `cat` runs as pid 7. Each story is told twice: the kernel tells children, or every process is looked at. */
function story(title: string, body: (scene: Scene) => Promise<void>): void {
  for (const tellsChildren of [true, false]) {
    const how = tellsChildren ? 'children are told' : 'all are looked at';
    resources(
      `${title} (${how})`,
      timed(10_000, async () => {
        const proc = new FakeProc({ tellsChildren });
        try {
          await body(begin(proc));
        } finally {
          proc.delete();
        }
      }),
    );
  }
}

function begin(proc: FakeProc): Scene {
  const table = new ProcessTable();
  table.takeAt(snapshot([info('cat', 'RUNNING', { pid: PID }), info('dog', 'STOPPED')]), 0);
  const log: string[] = [];
  let time = 0;
  const subject = openResources({ table, log: logTo(log), root: proc.root, now: () => time });
  if (subject === undefined) throw new Error('no /proc');
  return {
    proc,
    table,
    subject,
    log,
    async usage() {
      time += 1_000;
      await subject.read();
      return usageOf(subject, table);
    },
    pass(ms) {
      time += ms;
    },
  };
}

function logTo(lines: string[]): Logger {
  const log = (msg: string, fields: LogFields = {}) =>
    lines.push(`${msg} ${JSON.stringify(fields)}`);
  return { debug: undefined, info: log, warn: log, error: log };
}

function usageOf(subject: Resources, table: ProcessTable, name = 'cat'): Usage | undefined {
  const process = table.get(id(name));
  if (process === undefined) throw new Error(`no ${name}`);
  return subject.usageOf(process);
}

story('a process by itself', async ({ proc, usage, subject, table }) => {
  proc.put(PID, {
    cpu: [120, 30, 5, 1],
    virtualBytes: 5_000_000,
    residentPages: 3,
    fds: 4,
    maxFds: 99,
  });
  assert.equal(await usage(), {
    pid: PID,
    cpuUserSeconds: 1.25,
    cpuSystemSeconds: 0.31,
    residentBytes: 3 * PAGE_SIZE,
    virtualBytes: 5_000_000,
    threads: 1,
    openFds: 4,
    maxFds: 99,
    processes: 1,
  });
  assert.is(usageOf(subject, table, 'dog'), undefined);
});

story('a tree: children of any thread, with any name, and only those', async ({ proc, usage }) => {
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
  const told = await usage();
  assert.is(told?.processes, 4);
  assert.is(told?.threads, 7);
  assert.is(told?.cpuUserSeconds, 0.15);
  assert.is(told?.openFds, 303);
  assert.is(told?.maxFds, 1_024);
  assert.is(told?.residentBytes, 4 * 2 * PAGE_SIZE);
  assert.is(told?.virtualBytes, 4 * 8_192);
  assert.is((await usage())?.openFds, 303);
});

story('a tree 100 deep', async ({ proc, usage }) => {
  for (let depth = 0; depth < 100; depth++) {
    proc.put(PID + depth, { parent: depth === 0 ? 1 : PID + depth - 1, cpu: [1, 0, 0, 0] });
  }
  assert.is((await usage())?.processes, 100);
  assert.is((await usage())?.cpuUserSeconds, 1);
});

story('a zombie is a process with CPU time and nothing else', async ({ proc, usage }) => {
  proc.put(PID, { fds: 1 });
  proc.put(8, { parent: PID, state: 'Z', cpu: [50, 0, 0, 0], virtualBytes: 0, residentPages: 0 });
  const told = await usage();
  assert.is(told?.processes, 2);
  assert.is(told?.threads, 1);
  assert.is(told?.openFds, 1);
  assert.is(told?.cpuUserSeconds, 0.5);
  proc.put(PID, { state: 'Z', cpu: [7, 0, 0, 0] });
  assert.is((await usage())?.cpuUserSeconds, 0.57);
});

story('workers come and go, and CPU time never falls', async ({ proc, usage }) => {
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
  const told = await usage();
  assert.is(told?.cpuUserSeconds, 3.4);
  assert.is(told?.processes, 1);
});

story('another main process counts from its own beginning', async ({ proc, usage, table }) => {
  proc.put(PID, { cpu: [500, 0, 0, 0], start: 1_000, maxFds: 10 });
  assert.is((await usage())?.cpuUserSeconds, 5);
  proc.put(PID, { cpu: [3, 0, 0, 0], start: 2_000, maxFds: 20 });
  const sameNumber = await usage();
  assert.is(sameNumber?.cpuUserSeconds, 0.03);
  assert.is(sameNumber?.maxFds, 20);
  table.takeAt(snapshot([info('cat', 'RUNNING', { pid: 8 })]), 1);
  proc.put(8, { cpu: [1, 0, 0, 0] });
  assert.is((await usage())?.cpuUserSeconds, 0.01);
});

story(
  'a child whose pid is used again is another child, or none of ours',
  async ({ proc, usage }) => {
    proc.put(PID, {});
    proc.put(8, { parent: PID, cpu: [100, 0, 0, 0], start: 1_000 });
    await usage();
    proc.put(PID, { cpu: [0, 0, 100, 0] });
    proc.put(8, { parent: PID, cpu: [5, 0, 0, 0], start: 2_000 });
    assert.is((await usage())?.cpuUserSeconds, 1.05);
    proc.put(PID, { cpu: [0, 0, 105, 0] });
    proc.put(8, { parent: 1, cpu: [900, 0, 0, 0], start: 3_000 });
    const told = await usage();
    assert.is(told?.cpuUserSeconds, 1.05);
    assert.is(told?.processes, 1);
  },
);

story('what is down or gone uses nothing', async ({ proc, usage, subject, table }) => {
  proc.put(PID, {});
  assert.ok(await usage());
  table.transition(event(1, 'cat', 'RUNNING>STOPPING', { pid: PID }), 1);
  assert.ok(usageOf(subject, table));
  table.transition(event(2, 'cat', 'STOPPING>STOPPED', { pid: PID }), 1);
  assert.is(usageOf(subject, table), undefined);
  assert.is(await usage(), undefined);
  // Its event is yet to come.
  table.transition(event(3, 'cat', 'STOPPED>STARTING'), 2);
  table.transition(event(4, 'cat', 'STARTING>RUNNING', { pid: 9 }), 2);
  assert.is(await usage(), undefined);
  proc.put(9, {});
  assert.is((await usage())?.pid, 9);
});

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

story('what may not be read is left out, and said once', async ({ proc, usage, log }) => {
  proc.put(PID, { fds: 2, cpu: [100, 0, 0, 0] });
  proc.put(8, { parent: PID, fds: 2, cpu: [50, 0, 0, 0] });
  proc.forbid('8/fd');
  proc.forbid('7/limits');
  await asNobody(async () => {
    for (let reading = 0; reading < 3; reading++) {
      const told = await usage();
      assert.is(told?.openFds, undefined);
      assert.is(told?.maxFds, undefined);
      assert.is(told?.cpuUserSeconds, 1.5);
      assert.is(told?.residentBytes, 4 * PAGE_SIZE);
    }
  });
  proc.forbid('7/stat');
  await asNobody(async () => {
    for (let reading = 0; reading < 2; reading++) assert.is(await usage(), undefined);
  });
  const files = ['fd', 'limits', 'stat'].map((file) => `{"file":"${proc.root}/PID/${file}"}`);
  assert.is(log.length, files.length);
  for (const [nth, file] of files.entries()) assert.match(log[nth] ?? '', file);
});

story(
  'a reading that fails leaves all out, is said once, and the next one goes on',
  async (scene) => {
    const { proc, usage, log } = scene;
    proc.put(PID, {});
    proc.put(8, { parent: PID, cpu: [100, 0, 0, 0] });
    assert.is((await usage())?.cpuUserSeconds, 1);
    const statm = readFileSync(`${proc.root}/8/statm`, 'utf8');
    rmSync(`${proc.root}/8/statm`);
    // Neither gone nor forbidden: a folder can't be read.
    mkdirSync(`${proc.root}/8/statm`);
    for (let reading = 0; reading < 3; reading++) assert.is(await usage(), undefined);
    assert.is(log.length, 1);
    assert.match(log[0] ?? '', /can not read \/proc.*EISDIR/);
    rmSync(`${proc.root}/8/statm`, { recursive: true });
    proc.write('8/statm', statm);
    assert.is((await usage())?.cpuUserSeconds, 1);
    assert.is(log.length, 1);
  },
);

story('what is no stat is no process', async ({ proc, usage }) => {
  proc.put(PID, { state: '' });
  proc.put(8, { parent: PID, name: 'x'.repeat(40_000) });
  await usage();
  proc.put(PID, {});
  assert.is((await usage())?.processes, 2);
});

story(
  'readings at the same time are one; a fresh one is shared',
  async ({ proc, subject, pass }) => {
    proc.put(PID, {});
    await Promise.all([subject.read(), subject.read(), subject.read()]);
    assert.is(subject.readings, 1);
    pass(9);
    await subject.read();
    assert.is(subject.readings, 1);
    pass(1);
    await subject.read();
    assert.is(subject.readings, 2);
  },
);

resources(
  'threads without end: then all processes are looked at, with the same result',
  timed(10_000, async () => {
    const proc = new FakeProc({ tellsChildren: true });
    try {
      const { usage } = begin(proc);
      proc.put(PID, { threads: Array.from({ length: 400 }, (_, nth) => 1_000 + nth) });
      proc.put(8, { parent: PID });
      const told = await usage();
      assert.is(told?.processes, 2);
      assert.is(told?.threads, 402);
      assert.equal(await usage(), told);
    } finally {
      proc.delete();
    }
  }),
);

resources(
  'others have their turn while much is read',
  timed(10_000, async () => {
    const table = new ProcessTable();
    const pids = readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0);
    table.takeAt(
      snapshot(
        pids.flatMap((pid) => [0, 1, 2].map((nth) => info(`${pid}:${nth}`, 'RUNNING', { pid }))),
      ),
      0,
    );
    const subject = openResources({ table, log: logTo([]) });
    let turns = 0;
    const count = setInterval(() => {
      turns += 1;
    }, 1);
    await subject?.read();
    clearInterval(count);
    assert.ok(turns > 2, `${turns} turns with ${pids.length} processes`);
  }),
);

resources(
  'a list of children longer than any buffer',
  timed(10_000, async () => {
    const proc = new FakeProc({ tellsChildren: true });
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
  'what the real /proc says of a process',
  timed(10_000, async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      await once(child, 'spawn');
      const pid = child.pid ?? 0;
      const table = new ProcessTable();
      table.takeAt(snapshot([info('cat', 'RUNNING', { pid })]), 0);
      const subject = openResources({ table, log: logTo([]) });
      await eventually(5_000, async () => {
        await subject?.read();
        const told = subject && usageOf(subject, table);
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
        assert.is(told?.processes, 1);
        assert.is(told?.threads, 1);
        assert.is(told?.openFds, readdirSync(`/proc/${pid}/fd`).length);
        assert.is(told?.maxFds, Number(/Max open files +(\d+)/.exec(limits)?.[1]));
        assert.is(told?.virtualBytes, 1024 * Number(/VmSize:\s+(\d+)/.exec(status)?.[1]));
        assert.is(told?.residentBytes, 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]));
      });
    } finally {
      child.kill('SIGKILL');
    }
  }),
);

resources('without a /proc as Linux has it there is no collector, and that is said once', () => {
  const log: string[] = [];
  for (const root of ['/no/such/folder', '/etc']) {
    const table = new ProcessTable();
    assert.is(openResources({ table, log: logTo(log), root }), undefined);
  }
  assert.equal(log, [
    'there is no Linux /proc here, so the collector "resources" is off {"path":"/no/such/folder"}',
    'there is no Linux /proc here, so the collector "resources" is off {"path":"/etc"}',
  ]);
});

resources.run();
