import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type EndedProcess, ProcWatch } from '../../src/exits/proc-watch.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { id, info, snapshot } from '../support/facts.ts';
import { procFolder } from '../support/procfs.ts';

const watch = suite('watch of supervisord and its processes');

const SUPERVISORD = 10;
const FIRST_PID = 100;

/** A /proc of supervisord and its processes, which run as FIRST_PID and so on. */
class World {
  readonly root = procFolder();
  readonly table = new ProcessTable();
  readonly subject: ProcWatch;
  readonly ended: string[] = [];
  resyncs = 0;
  #now = 0;
  #slices = 1;
  #children: number[];

  constructor(count: number) {
    const names = Array.from({ length: count }, (_, index) => `p${index}`);
    this.table.applySnapshotAt(
      snapshot(
        names.map((name, index) => info(name, 'RUNNING', { pid: FIRST_PID + index, start: 1 })),
      ),
      0,
    );
    this.#children = names.map((_, index) => FIRST_PID + index);
    mkdirSync(join(this.root, `${SUPERVISORD}/task/${SUPERVISORD}`), { recursive: true });
    this.#writeStat('self', 'R');
    for (const pid of this.#children) this.#writeStat(String(pid), 'S');
    this.#writeChildren();
    this.#writeSchedstat();
    this.subject = new ProcWatch({
      table: this.table,
      supervisorPid: SUPERVISORD,
      root: this.root,
      now: () => this.#now,
      onRun() {},
      onEnded: (ended) => this.ended.push(...ended.map(describe)),
      requestResync: () => {
        this.resyncs += 1;
      },
    });
    assert.ok(this.subject.start());
    this.pass(100);
  }

  /** Time passes, with a tick each 100 ms. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.#now += 100;
      this.subject.tick();
    }
  }

  /** supervisord is scheduled so many times. */
  runs(times: number): void {
    this.#slices += times;
    this.#writeSchedstat();
  }

  becomesZombie(index: number): void {
    this.#writeStat(String(FIRST_PID + index), 'Z');
  }

  isReaped(index: number): void {
    this.#children = this.#children.filter((pid) => pid !== FIRST_PID + index);
    this.#writeChildren();
    rmSync(join(this.root, String(FIRST_PID + index)), { recursive: true });
  }

  process(index: number) {
    const process = this.table.get(id(`p${index}`));
    if (process === undefined) throw new Error(`p${index} is missing`);
    return process;
  }

  close(): void {
    this.subject.stop();
    rmSync(this.root, { recursive: true, force: true });
  }

  #writeStat(folder: string, state: string): void {
    mkdirSync(join(this.root, folder), { recursive: true });
    writeFileSync(join(this.root, folder, 'stat'), `1 (a) b) ${state} ${SUPERVISORD} 1`);
  }

  #writeChildren(): void {
    const file = join(this.root, `${SUPERVISORD}/task/${SUPERVISORD}/children`);
    writeFileSync(file, this.#children.map((pid) => `${pid} `).join(''));
  }

  #writeSchedstat(): void {
    writeFileSync(join(this.root, `${SUPERVISORD}/schedstat`), `5 5 ${this.#slices}\n`);
  }
}

function describe({ process, remains }: EndedProcess): string {
  return `${process.id.name} ${remains}`;
}

async function play(count: number, story: (world: World) => void | Promise<void>): Promise<void> {
  const world = new World(count);
  try {
    await story(world);
  } finally {
    world.close();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

watch('one change leads to a look at every process, however many there are', () =>
  play(900, async (world) => {
    world.becomesZombie(899);
    world.runs(1);
    world.pass(100);
    await settle();
    assert.equal(world.ended, ['p899 zombie']);
  }),
);

watch('of many processes a look is put off, and not left out', () =>
  play(2_000, (world) => {
    world.isReaped(1);
    world.runs(2);
    world.pass(100);
    assert.equal(world.ended, [], 'the list was read 100 ms ago');
    world.pass(200);
    assert.equal(world.ended, ['p1 gone']);
  }),
);

watch('a process that is reaped is found gone', () =>
  play(3, async (world) => {
    world.isReaped(1);
    world.runs(2);
    world.pass(100);
    assert.equal(world.ended, ['p1 gone']);
    world.pass(300);
    assert.equal(world.ended, ['p1 gone'], 'reported once');
  }),
);

watch('the timeout of the poll of supervisord leads to no look', () =>
  play(3, async (world) => {
    world.runs(1);
    world.pass(100);
    world.pass(900);
    world.becomesZombie(0);
    world.runs(1);
    world.pass(100);
    await settle();
    assert.equal(world.ended, []);
    world.pass(300);
    world.runs(1);
    world.pass(100);
    await settle();
    assert.equal(world.ended, ['p0 zombie'], 'supervisord ran before its next timeout');
  }),
);

watch('while supervisord is stopped, an exit is found and becomes unreported', () =>
  play(3, async (world) => {
    world.runs(1);
    world.pass(100);
    world.becomesZombie(2);
    world.pass(1_600);
    await settle();
    assert.equal(world.ended, ['p2 zombie']);
    assert.is(world.subject.isUnreported(world.process(2)), false, 'not yet');
    world.pass(2_100);
    assert.is(world.resyncs, 1);
    assert.is(world.subject.isUnreported(world.process(2)), false, 'the resync may correct it');
    world.pass(1_600);
    assert.is(world.subject.isUnreported(world.process(2)), true);
    assert.is(world.subject.isUnreported(world.process(1)), false);
    assert.is(world.subject.isStalled, true);
    world.runs(1);
    world.pass(100);
    assert.is(world.subject.isStalled, false);
  }),
);

watch('a schedstat that never changes is no sample', () =>
  play(1, async (world) => {
    world.pass(9_000);
    assert.is(world.subject.isStalled, undefined);
  }),
);

watch.run();
