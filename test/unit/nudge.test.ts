import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProcWatch } from '../../src/exits/proc-watch.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { event, id, info, snapshot } from '../support/facts.ts';
import { procFolder } from '../support/procfs.ts';

const watch = suite('watch of /proc');

const SUPERVISORD = 4_000;

/** A supervisord with the processes a (101) and b (102), and a clock that the test moves. */
class Scene {
  readonly root = procFolder();
  readonly table = new ProcessTable();
  readonly ended: string[] = [];
  resyncs = 0;
  runs = 0;
  #now = 0;
  #schedstat = 0;
  readonly watch: ProcWatch;

  constructor() {
    this.table.applySnapshotAt(
      snapshot([info('a', 'RUNNING', { pid: 101 }), info('b', 'RUNNING', { pid: 102 })]),
      0,
    );
    this.write('self/stat', `4001 (node) S ${SUPERVISORD} 1`);
    this.supervisordRuns();
    this.setChildren([101, 102]);
    for (const pid of [101, 102]) this.setState(pid, 'S');
    this.watch = new ProcWatch({
      table: this.table,
      supervisorPid: SUPERVISORD,
      root: this.root,
      now: () => this.#now,
      onRun: () => {
        this.runs += 1;
      },
      onEnded: (ended) => {
        for (const { process, remains } of ended) this.ended.push(`${process.id.name} ${remains}`);
      },
      requestResync: () => {
        this.resyncs += 1;
      },
    });
  }

  write(file: string, text: string): void {
    mkdirSync(join(this.root, file, '..'), { recursive: true });
    writeFileSync(join(this.root, file), text);
  }

  supervisordRuns(): void {
    this.#schedstat += 1;
    this.write(`${SUPERVISORD}/schedstat`, `${this.#schedstat} 0 1\n`);
  }

  setChildren(pids: readonly number[]): void {
    this.write(
      `${SUPERVISORD}/task/${SUPERVISORD}/children`,
      pids.map((pid) => `${pid} `).join(''),
    );
  }

  setState(pid: number, state: string): void {
    this.write(`${pid}/stat`, `${pid} (a ) b) ${state} ${SUPERVISORD} 1\n`);
  }

  /** Ticks for so long; `isRunning`: supervisord runs before each tick. */
  pass(ms: number, isRunning = true, tickMs = 100): void {
    for (let passed = 0; passed < ms; passed += tickMs) {
      if (isRunning) this.supervisordRuns();
      this.#now += tickMs;
      this.watch.tick();
    }
  }

  isUnreported(name: string): boolean | undefined {
    const process = this.table.get(id(name));
    return process && this.watch.isUnreported(process);
  }
}

function inScene(body: (scene: Scene) => void): () => void {
  return () => {
    const scene = new Scene();
    try {
      assert.is(scene.watch.start(), true);
      body(scene);
    } finally {
      scene.watch.stop();
      rmSync(scene.root, { recursive: true });
    }
  };
}

watch(
  'a zombie and a reaped process are each reported once',
  inScene((scene) => {
    scene.pass(500);
    assert.equal(scene.ended, []);
    scene.setState(101, 'Z');
    scene.pass(500);
    assert.equal(scene.ended, ['a zombie']);
    scene.setChildren([102]);
    scene.pass(500);
    assert.equal(scene.ended, ['a zombie', 'a gone']);
  }),
);

watch(
  'nothing is looked at while supervisord does not run, except now and then',
  inScene((scene) => {
    scene.pass(200);
    scene.setState(101, 'Z');
    scene.pass(1_000, false);
    assert.equal(scene.ended, []);
    assert.is(scene.runs, 2);
    scene.pass(1_000, false);
    assert.equal(scene.ended, ['a zombie']);
  }),
);

watch(
  'an exit is unreported after 2 s and a resync that has not corrected the table',
  inScene((scene) => {
    scene.pass(200);
    assert.is(scene.isUnreported('a'), false);
    scene.setChildren([102]);
    scene.pass(1_800);
    assert.is(scene.resyncs, 0);
    scene.pass(1_000);
    assert.is(scene.resyncs, 1);
    assert.is(scene.isUnreported('a'), false);
    scene.pass(2_000);
    assert.is(scene.isUnreported('a'), true);
    assert.is(scene.isUnreported('b'), false);
    assert.is(scene.resyncs, 1);
    scene.table.apply(event(1, 'a', 'RUNNING>EXITED', { expected: false, pid: 101 }), 1);
    assert.is(scene.isUnreported('a'), false);
  }),
);

watch(
  'supervisord is stalled after 5 s without a change, our own pauses excluded',
  inScene((scene) => {
    scene.pass(300);
    assert.is(scene.watch.isStalled, false);
    scene.pass(4_500, false);
    assert.is(scene.watch.isStalled, false);
    scene.pass(600, false);
    assert.is(scene.watch.isStalled, true);
    scene.pass(100);
    assert.is(scene.watch.isStalled, false);
    scene.pass(60_000, false, 20_000);
    assert.is(scene.watch.isStalled, false);
  }),
);

watch(
  'a schedstat that never changes establishes nothing',
  inScene((scene) => {
    scene.pass(20_000, false);
    assert.is(scene.watch.isStalled, undefined);
  }),
);

watch(
  'without the list of children nothing is reported as unreported',
  inScene((scene) => {
    rmSync(join(scene.root, `${SUPERVISORD}/task`), { recursive: true });
    scene.pass(5_000);
    assert.is(scene.isUnreported('a'), undefined);
    assert.equal(scene.ended, []);
  }),
);

watch('a /proc of another PID namespace is not watched', () => {
  const scene = new Scene();
  try {
    scene.write('self/stat', '77 (node) S 76 1');
    assert.is(scene.watch.start(), false);
    assert.is(scene.watch.isStalled, undefined);
  } finally {
    rmSync(scene.root, { recursive: true });
  }
});

watch.run();
