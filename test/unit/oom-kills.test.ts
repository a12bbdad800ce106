import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type KernelLog,
  type KilledProcess,
  type OomDecision,
  OomKills,
} from '../../src/exits/oom-kills.ts';
import { openOomSources, victimOf } from '../../src/exits/oom-sources.ts';
import { keyOf } from '../../src/supervisor/process-id.ts';
import { eventually, timed } from '../support/deadline.ts';
import { id } from '../support/facts.ts';

const oomKills = suite('OOM kills');

const START = 1_700_000_000;

interface Kernel {
  readonly hasLog?: boolean;
  readonly hasCgroup?: boolean;
  readonly isHostRoot?: boolean;
  readonly sharesCgroup?: boolean | undefined;
}

/** The kernel as the exporter sees it, and what it decides. */
class Scene {
  clock = START;
  readonly counters: { host: number | undefined; cgroup: number | undefined };
  log: KernelLog = { pids: [], isComplete: true };
  readonly subject: OomKills;

  constructor({ hasLog = true, hasCgroup = true, isHostRoot = false, sharesCgroup }: Kernel) {
    this.counters = { host: 7, cgroup: hasCgroup ? 3 : undefined };
    const readKernelLog = () => {
      const { log } = this;
      this.log = { pids: [], isComplete: true };
      return log;
    };
    this.subject = new OomKills({
      now: () => this.clock,
      sources: {
        readCounters: () => ({ ...this.counters }),
        readKernelLog: hasLog ? readKernelLog : undefined,
        isHostRoot,
        sharesCgroup: () => sharesCgroup,
      },
    });
    for (const pid of [101, 102]) this.subject.members?.add(keyOf(id(`p${pid}`)), pid);
    this.pass(5);
  }

  /** Seconds go by, with the ticks. */
  pass(seconds: number): this {
    for (let passed = 0; passed < seconds; passed += 0.5) {
      this.clock += 0.5;
      this.subject.tick();
    }
    return this;
  }

  /** The OOM killer kills a process. */
  oom(pid: number, isOfCgroup = true): this {
    this.counters.host = (this.counters.host ?? 0) + 1;
    if (isOfCgroup && this.counters.cgroup !== undefined) this.counters.cgroup += 1;
    this.log = { pids: [...this.log.pids, pid], isComplete: this.log.isComplete };
    return this;
  }

  /** A process exits 50 ms later. */
  exit(pid: number | undefined, more: Partial<KilledProcess> = {}): Promise<OomDecision> {
    this.clock += 0.05;
    const killed = { key: keyOf(id(`p${pid}`)), pid, at: this.clock, isUnexplained: true, ...more };
    return new Promise((resolve) => this.subject.decide(killed, resolve));
  }
}

function inScene(
  kernel: Kernel,
  body: (scene: Scene) => Promise<void> | void,
): () => Promise<void> {
  return timed(10_000, async () => {
    const scene = new Scene(kernel);
    try {
      await body(scene);
    } finally {
      scene.subject.stop();
    }
  });
}

oomKills(
  "the kernel's log names the process",
  inScene({}, async (scene) => {
    assert.is(await scene.oom(101).exit(101), true);
    assert.is(await scene.exit(102), false, 'the step of the counter is that of the other');
  }),
);

oomKills(
  'a process whose pid is not known may be the one that the log of the kernel names',
  inScene({}, async (scene) => {
    assert.is(await scene.exit(undefined), false, 'the OOM killer has killed none');
    assert.is(await scene.oom(101).exit(undefined), undefined);
  }),
);

for (const hasLog of [true, false]) {
  oomKills(
    `an end that a snapshot and an event report is decided once, ${hasLog ? 'with' : 'without'} the log of the kernel`,
    inScene({ hasLog, sharesCgroup: true }, async (scene) => {
      const bySnapshot = scene.oom(101).exit(101, { pid: undefined, isUnexplained: false });
      const at = scene.clock;
      const decisions = [bySnapshot, scene.exit(101, { at })];
      // With that log, a process whose pid is not known is not judged by the counters.
      assert.equal(await Promise.all(decisions), [hasLog ? undefined : true, true]);
      assert.is(await scene.exit(101, { at }), true);
      assert.is(await scene.pass(5).exit(101), false, 'a later end');
    }),
  );
}

oomKills(
  'each of several victims is identified by its pid, even if another process is killed meanwhile',
  inScene({}, async (scene) => {
    const decisions = [scene.oom(101).oom(102).exit(101), scene.exit(102), scene.exit(103)];
    assert.equal(await Promise.all(decisions), [true, true, false]);
  }),
);

oomKills(
  'a victim that the kernel logs a moment later is detected',
  inScene({}, async (scene) => {
    scene.oom(101);
    scene.log = { pids: [], isComplete: true };
    const decision = scene.exit(101);
    scene.log = { pids: [101], isComplete: true };
    assert.is(await decision, true);
  }),
);

/** What is decided before anything else can happen; `open` where it is not decided at once. */
function atOnce(scene: Scene, subject = scene.subject, pid = 5): OomDecision | 'open' {
  let decision: OomDecision | 'open' = 'open';
  const killed = { key: keyOf(id('a')), pid, at: scene.clock, isUnexplained: true };
  subject.decide(killed, (decided) => {
    decision = decided;
  });
  return decision;
}

for (const hasLog of [true, false]) {
  oomKills(
    `a counter that stands still rules the OOM killer out at once; hasLog=${hasLog}`,
    inScene({ hasLog, hasCgroup: false }, (scene) => assert.is(atOnce(scene), false)),
  );
}

oomKills(
  'an OOM kill of another process that the log names delays no decision',
  inScene({}, (scene) => {
    scene.oom(999).pass(0.5);
    assert.is(atOnce(scene), false);
  }),
);

oomKills(
  'a step without a name in the log seconds before delays no decision without that log',
  inScene({ hasLog: false }, (scene) => {
    scene.oom(999).pass(5);
    assert.is(atOnce(scene), undefined);
  }),
);

oomKills(
  "lost lines of the kernel's log do not rule out an OOM kill",
  inScene({ hasCgroup: false }, async (scene) => {
    scene.oom(101);
    scene.log = { pids: [], isComplete: false };
    assert.is(await scene.exit(101), undefined);
  }),
);

oomKills(
  'what the kernel logged before the exporter started is of no run',
  inScene({}, (scene) => {
    const late = new OomKills({
      now: () => scene.clock,
      sources: {
        readCounters: () => scene.counters,
        readKernelLog: () => ({ pids: [101], isComplete: true }),
        isHostRoot: false,
        sharesCgroup: () => undefined,
      },
    });
    const decision = atOnce(scene, late, 102);
    assert.is(decision, undefined, 'nor are kills before its first reading known');
    late.stop();
  }),
);

oomKills(
  'a victim that the log does not name in time is not taken for none',
  inScene({ hasCgroup: false }, async (scene) => {
    scene.oom(101);
    scene.log = { pids: [], isComplete: true };
    assert.is(await scene.exit(101), undefined);
  }),
);

oomKills(
  'a kill of another process that the log names leaves no doubt',
  inScene({ hasCgroup: false }, async (scene) => {
    assert.is(await scene.oom(999).exit(101), false);
  }),
);

for (const hasLog of [true, false]) {
  const source = hasLog ? "the kernel's log" : 'counters';
  oomKills(
    `by ${source}: supervisord does not run for a minute after the kill`,
    inScene({ hasLog }, async (scene) => {
      scene.oom(101);
      for (let passed = 0; passed < 60; passed += 0.5) {
        scene.clock += 0.5;
        scene.subject.tick(false);
      }
      assert.is(await scene.exit(101), hasLog ? true : undefined);
    }),
  );

  for (const seconds of [-3_600, 3_600]) {
    oomKills(
      `by ${source}: the clock is set by ${seconds} s before the exit, and before the kill`,
      inScene({ hasLog }, async (scene) => {
        scene.oom(101).pass(0.5).clock += seconds;
        assert.is.not(await scene.exit(101), false);
        scene.pass(60).clock -= seconds;
        assert.is.not(await scene.oom(102).exit(102), false);
        scene.pass(60);
        assert.is(await scene.oom(103).exit(103), true);
      }),
    );
  }
}

oomKills(
  'only the device of the kernel is its log',
  inFolder(
    {
      'proc/vmstat': 'oom_kill 4\n',
      'dev/kmsg': '',
    },
    (root) => {
      mkdirSync(join(root, 'proc/self/ns'), { recursive: true });
      symlinkSync('pid:[4026531836]', join(root, 'proc/self/ns/pid'));
      const open = openOomSources(root);
      assert.is(open?.sources.readKernelLog, undefined);
      open?.close();
    },
  ),
);

const BY_COUNTERS: ReadonlyArray<
  readonly [
    title: string,
    kernel: Kernel,
    act: (scene: Scene) => Promise<OomDecision>,
    expected: OomDecision,
  ]
> = [
  ['one kill and one step of the cgroup', {}, (scene) => scene.oom(101).exit(101), true],
  [
    'an increase of the host alone, and a process of the cgroup',
    { sharesCgroup: true },
    (scene) => scene.oom(999, false).exit(101),
    false,
  ],
  [
    'an increase of the host alone, and a process that may be in another cgroup',
    {},
    (scene) => scene.oom(101, false).exit(101),
    undefined,
  ],
  [
    'an increase of the host alone, and a process that is in another cgroup',
    { sharesCgroup: false },
    (scene) => scene.oom(101, false).exit(101),
    true,
  ],
  [
    'two increases of the host, and a process that is in another cgroup',
    { sharesCgroup: false },
    (scene) => scene.oom(101, false).oom(999, false).exit(101),
    undefined,
  ],
  [
    'no cgroup, but supervisord is in the root cgroup of the host',
    { hasCgroup: false, isHostRoot: true },
    (scene) => scene.oom(101).exit(101),
    true,
  ],
  [
    'no cgroup, in a container',
    { hasCgroup: false },
    (scene) => scene.oom(101).exit(101),
    undefined,
  ],
  ['a step seconds before', {}, async (scene) => scene.oom(999).pass(5).exit(101), undefined],
  ['a step a minute before', {}, async (scene) => scene.oom(999).pass(60).exit(101), false],
  [
    'a stop, at the end of which supervisord kills the process itself',
    {},
    (scene) => scene.oom(101).exit(101, { isUnexplained: false }),
    undefined,
  ],
  [
    'an increase while the exporter did not run',
    {},
    (scene) => {
      scene.clock += 20;
      return scene.oom(101).exit(101);
    },
    undefined,
  ],
];

for (const [title, kernel, act, expected] of BY_COUNTERS) {
  oomKills(
    `without the kernel's log: ${title}`,
    inScene({ ...kernel, hasLog: false }, async (scene) => {
      assert.is(await act(scene), expected);
    }),
  );
}

oomKills(
  'two candidates at once stay unknown, and the next one is decided',
  inScene({ hasLog: false }, async (scene) => {
    const both = [scene.oom(101).exit(101), scene.exit(102)];
    assert.equal(await Promise.all(both), [undefined, undefined]);
    assert.is(await scene.pass(60).oom(101).exit(101), true);
    assert.is(await scene.exit(102), false);
  }),
);

const RECORDS: ReadonlyArray<readonly [record: string, pid: number | undefined]> = [
  [
    '3,418,13690929646,-;Memory cgroup out of memory: Killed process 12856 (python3) total-vm:40208kB, anon-rss:30336kB\n',
    12856,
  ],
  ['3,9,1,-;Out of memory: Killed process 7 (a b) total-vm:1kB', 7],
  ['3,9,1,-;Out of memory (oom_kill_allocating_task): Killed process 7 (x) total-vm:1kB', 7],
  ['3,9,1,-;Killed process 7 (mysqld) total-vm:1kB, anon-rss:2kB', 7],
  ['3,9,1,-;Killed process 7, UID 0, (mysqld) total-vm:1kB', 7],
  ['3,9,1,-;Out of memory: Kill process 7 (x) score 900 or sacrifice child', undefined],
  ['6,9,1,-;oom-kill:constraint=CONSTRAINT_NONE,task=x,pid=7,uid=0', undefined],
  ['12,9,1,-;Out of memory: Killed process 7 (written by a program) total-vm:1kB', undefined],
  ['6,9,1,-;usb 1-1: Killed process 7 (x)', undefined],
];

oomKills("the victim is read from the kernel's own records alone", () => {
  for (const [record, pid] of RECORDS) assert.is(victimOf(record), pid, record);
});

const V2 = '30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw';
const V1 = '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory';

/** A folder that stands for the root of a file system. */
function inFolder(
  files: Readonly<Record<string, string>>,
  body: (root: string) => Promise<void> | void,
): () => Promise<void> {
  return timed(10_000, async () => {
    const root = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, name)), { recursive: true });
        writeFileSync(join(root, name), text);
      }
      await body(root);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}

oomKills(
  'the counters of cgroup v1 are read',
  inFolder(
    {
      'proc/vmstat': 'pgfault 12\noom_kill 4\n',
      'proc/self/cgroup': '4:memory:/jobs\n0::/',
      'proc/12/cgroup': '4:memory:/jobs\n0::/',
      'proc/13/cgroup': '4:memory:/jobs/a\n0::/',
      'proc/self/mountinfo': V1,
      'sys/fs/cgroup/memory/jobs/memory.oom_control':
        'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
    },
    (root) => {
      const open = openOomSources(root);
      assert.equal(open?.sources.readCounters(), { host: 4, cgroup: 2 });
      assert.is(open?.sources.sharesCgroup(12), true);
      assert.is(open?.sources.sharesCgroup(13), false);
      assert.is(open?.sources.sharesCgroup(14), undefined);
      assert.is(open?.sources.readKernelLog, undefined);
      assert.is(open?.sources.isHostRoot, false);
      open?.close();
    },
  ),
);

oomKills(
  'a change of the counter of cgroup v2 is noticed',
  inFolder(
    {
      'proc/vmstat': 'oom_kill 4\n',
      'proc/self/cgroup': '0::/a',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/a/memory.events': 'low 0\noom 0\noom_kill 0\noom_group_kill 0\n',
    },
    async (root) => {
      const open = openOomSources(root);
      let changes = 0;
      open?.watch(() => {
        changes += 1;
      });
      writeFileSync(join(root, 'sys/fs/cgroup/a/memory.events'), 'oom 1\noom_kill 1\n');
      await eventually(5_000, () => assert.ok(changes > 0));
      assert.equal(open?.sources.readCounters(), { host: 4, cgroup: 1 });
      open?.close();
    },
  ),
);

oomKills(
  "the kernel's initial namespace identifies the root cgroup of the host",
  inFolder(
    { 'proc/vmstat': 'oom_kill 4\n', 'proc/self/cgroup': '0::/', 'proc/self/mountinfo': V2 },
    (root) => {
      mkdirSync(join(root, 'proc/self/ns'));
      symlinkSync('cgroup:[4026531835]', join(root, 'proc/self/ns/cgroup'));
      const open = openOomSources(root);
      assert.equal(open?.sources.readCounters(), { host: 4, cgroup: undefined });
      assert.is(open?.sources.isHostRoot, true);
      open?.close();
    },
  ),
);

oomKills(
  'a kernel without the counter of the host decides nothing',
  inFolder({ 'proc/vmstat': 'pgfault 12\n' }, (root) => {
    assert.is(openOomSources(root), undefined);
  }),
);

oomKills.run();
