import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { childrenByScan } from '../../src/resources/children.ts';
import { CounterAccumulator, type Member } from '../../src/resources/counter-accumulator.ts';
import type { ProcStat } from '../../src/resources/formats.ts';
import { findTree, type ProcessLookup, type Tree } from '../../src/resources/tree.ts';
import type { PausableWork } from '../../src/util/time-slice.ts';

const NAMES = ['user', 'system'] as const;

const accumulator = suite('counter accumulator');

/** A `start` that differs from the pid is another process with that pid. CPU times are user time. */
type Row = readonly [pid: number, parent: number, own: number, reaped: number, start?: number];
type Reading = readonly [
  what: string,
  members: readonly Row[],
  total: number,
  reparented?: readonly number[],
];

const HISTORIES: Readonly<Record<string, readonly Reading[]>> = {
  'a worker exits and is reaped': [
    [
      'two at work',
      [
        [1, 0, 10, 0],
        [2, 1, 5, 0],
      ],
      15,
    ],
    ['the worker used some more, exited and was reaped', [[1, 0, 10, 7]], 17],
    ['nothing happens', [[1, 0, 10, 7]], 17],
  ],
  'children that exited before the first reading': [['', [[1, 0, 10, 90]], 100]],
  'a worker exits after its parent was read and before it is read': [
    [
      'two at work',
      [
        [1, 0, 10, 0],
        [2, 1, 5, 0],
      ],
      15,
    ],
    ['its time is in no file', [[1, 0, 11, 0]], 16],
    ['its parent includes it, with what it used at the end', [[1, 0, 11, 6]], 17],
    ['the parent has reaped others since', [[1, 0, 11, 9]], 20],
  ],
  'one worker is included in its parent while another is missing': [
    [
      'three at work',
      [
        [1, 0, 0, 0],
        [2, 1, 5, 0],
        [3, 1, 7, 0],
      ],
      12,
    ],
    [
      'one is missing',
      [
        [1, 0, 0, 0],
        [3, 1, 7, 0],
      ],
      12,
    ],
    [
      'it is included with something more, which could be of the other that is missing now',
      [[1, 0, 0, 6]],
      12,
    ],
    ['both are included', [[1, 0, 0, 14]], 14],
  ],
  'children that exit between two readings are counted': [
    [
      'a worker',
      [
        [1, 0, 1, 0],
        [2, 1, 5, 0],
      ],
      6,
    ],
    ['it has exited, and so have others', [[1, 0, 1, 25]], 26],
  ],
  'a daemon leaves the tree: what it had used stays counted, and later use is not': [
    [
      'with its parent',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 0],
        [3, 2, 40, 3],
      ],
      46,
    ],
    ['its parent has exited', [[1, 0, 1, 2]], 46, [3]],
    ['the rest goes on', [[1, 0, 5, 2]], 50],
  ],
  'a daemon leaves while the rest uses more than it had': [
    [
      '',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 0],
        [3, 2, 4, 0],
      ],
      7,
    ],
    ['', [[1, 0, 100, 2]], 106, [3]],
  ],
  'a daemon leaves after its own child has exited': [
    [
      '',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 0],
        [3, 2, 4, 0],
        [4, 3, 8, 0],
      ],
      15,
    ],
    ['', [[1, 0, 1, 2]], 15, [3]],
  ],
  'children whose parent ignores SIGCHLD': [
    [
      '',
      [
        [1, 0, 1, 0],
        [2, 1, 50, 0],
      ],
      51,
    ],
    [
      '',
      [
        [1, 0, 1, 0],
        [3, 1, 1, 0],
      ],
      52,
    ],
    ['', [[1, 0, 2, 0]], 53],
    ['', [[1, 0, 3, 0]], 54],
  ],
  'a whole branch exits at once': [
    [
      '',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 10],
        [3, 2, 4, 20],
        [4, 3, 8, 40],
      ],
      85,
    ],
    ['', [[1, 0, 1, 84]], 85],
  ],
  'a branch exits while it is read': [
    [
      '',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 0],
        [3, 2, 4, 0],
      ],
      7,
    ],
    [
      'the last one is missing from its parent',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 0],
      ],
      7,
    ],
    ['its parent is missing from its own', [[1, 0, 1, 0]], 7],
    ['the main process includes both', [[1, 0, 1, 7]], 8],
  ],
  'a pid is reused': [
    [
      '',
      [
        [1, 0, 1, 0],
        [2, 1, 50, 0],
      ],
      51,
    ],
    [
      'by another child',
      [
        [1, 0, 1, 50],
        [2, 1, 3, 0, 99],
      ],
      54,
    ],
  ],
};

for (const [title, readings] of Object.entries(HISTORIES)) {
  accumulator(title, () => {
    const subject = new CounterAccumulator(NAMES);
    for (const [step, [what, rows, total, reparented = []]] of readings.entries()) {
      const members = new Map(
        rows.map(([pid, parent, own, reaped, start = pid]) => [
          pid,
          stat({ parent, start, own: cpu(own), reaped: cpu(reaped) }),
        ]),
      );
      const shown = subject.add(members, new Set(reparented));
      assert.equal(shown, cpu(total), `step ${step} ${what}`);
    }
  });
}

/** User and system time differ, so that a mix-up is noticed. */
function cpu(user: number) {
  return { user, system: 3 * user };
}

/** CPU time alone: the other counters of a stat file are accumulated in the same way. */
type Stat = Omit<ProcStat, 'own' | 'reaped'> & Member<(typeof NAMES)[number]>;

function stat(some: Partial<Stat>): Stat {
  return {
    pid: 0,
    parent: 0,
    isZombie: false,
    own: cpu(0),
    reaped: cpu(0),
    threads: 1,
    start: 0,
    virtualBytes: 0,
    ...some,
  };
}

const MAIN = 2;
const INIT = 1;

/** Simulates processes as Linux has them; anything may happen between any two readings of a file. */
class World implements ProcessLookup<Stat> {
  readonly #processes = new Map([[MAIN, stat({ parent: INIT, start: MAIN })]]);
  #next = MAIN + 1;
  /** Of all that ever belonged to the tree of MAIN. */
  used = 0;

  stat(pid: number): Stat | undefined {
    return this.#processes.get(pid);
  }

  *children(pid: number): Generator<undefined, readonly number[]> {
    yield;
    return this.#childrenOf(pid);
  }

  /** Of all processes: children before their parents, as pids are when they begin again at 1. */
  pids(): number[] {
    return [...this.#processes.keys()].reverse();
  }

  /** Tidy: only processes without children exit, and each one is reaped. */
  act(what: number, whom: number, isTidy: boolean): void {
    const pids = [...this.#processes.keys()];
    const pid = pids[whom % pids.length] ?? MAIN;
    const process = this.#processes.get(pid);
    if (process === undefined) return;
    if (process.isZombie) {
      this.#reap(pid, process);
      return;
    }
    const mayEnd = pid !== MAIN && !(isTidy && this.#childrenOf(pid).length > 0);
    switch (what % 5) {
      case 0:
        this.#processes.set(this.#next, stat({ parent: pid, start: this.#next }));
        this.#next += 1;
        break;
      case 1:
      case 2:
        this.used += what;
        this.#processes.set(pid, { ...process, own: cpu(process.own.user + what) });
        break;
      case 3:
        if (mayEnd) this.#end(pid, process);
        break;
      default:
        if (mayEnd && !isTidy) this.#processes.delete(pid);
    }
  }

  /** Reaps all zombies. */
  settle(): void {
    for (const [pid, process] of [...this.#processes].reverse()) {
      if (process.isZombie) this.#reap(pid, process);
    }
  }

  #childrenOf(parent: number): number[] {
    return [...this.#processes].filter(([, stat]) => stat.parent === parent).map(([pid]) => pid);
  }

  #end(pid: number, process: Stat): void {
    this.#processes.set(pid, { ...process, isZombie: true });
    for (const child of this.#childrenOf(pid)) {
      const orphan = this.#processes.get(child);
      if (orphan !== undefined) this.#processes.set(child, { ...orphan, parent: INIT });
    }
  }

  #reap(pid: number, { parent, own, reaped }: Stat): void {
    this.#processes.delete(pid);
    const by = this.#processes.get(parent);
    if (by === undefined) return;
    const total = cpu(by.reaped.user + own.user + reaped.user);
    this.#processes.set(parent, { ...by, reaped: total });
  }
}

const ACTS = fc.array(fc.tuple(fc.nat(40), fc.nat(1_000)), {
  minLength: 50,
  maxLength: 300,
  size: 'max',
});

/** The counters of a process in one number, as in /proc/PID/io. */
function inOneNumber(members: ReadonlyMap<number, Stat>): Map<number, Stat> {
  return new Map(
    [...members].map(([pid, { own, reaped, ...rest }]) => [
      pid,
      { ...rest, own: cpu(0), reaped: cpu(own.user + reaped.user) },
    ]),
  );
}

for (const isTidy of [true, false]) {
  for (const isOneNumber of [false, true]) {
    for (const isScan of [false, true]) describeReadings(isTidy, isOneNumber, isScan);
  }
}

function describeReadings(isTidy: boolean, isOneNumber: boolean, isScan: boolean): void {
  const counts = isTidy ? 'counts everything once' : 'counts nothing twice';
  const how = isOneNumber ? 'in one number' : 'own and reaped apart';
  const by = isScan ? 'scan' : 'lists of children';
  accumulator(
    `the counter never decreases, whatever happens during a reading, and ${counts} (${how}, ${by})`,
    () => {
      fc.assert(
        fc.property(ACTS, fc.integer({ min: 1, max: 6 }), (acts, pace) => {
          const world = new World();
          const subject = new CounterAccumulator(NAMES);
          const waiting = [...acts];
          const live = () => {
            for (const [what, whom] of waiting.splice(0, pace)) world.act(what, whom, isTidy);
          };
          let last = 0;
          const read = () => {
            const { members, reparented } = finish(readTree(world, subject, isScan), live);
            const { user, system } = subject.add(
              isOneNumber ? inOneNumber(members) : members,
              reparented,
            );
            assert.ok(user >= last, `${user} after ${last}`);
            assert.ok(user <= world.used, `${user} of ${world.used}`);
            assert.is(system, 3 * user);
            last = user;
          };
          while (waiting.length > 0) read();
          world.settle();
          read();
          if (isTidy) assert.is(last, world.used);
        }),
        { numRuns: 200 },
      );
    },
  );
}

function* readTree(
  world: World,
  { members }: Pick<CounterAccumulator<'user' | 'system'>, 'members'>,
  isScan: boolean,
): PausableWork<Tree<Stat>> {
  const lookup = isScan ? yield* childrenByScan(world, world.pids()) : world;
  const main = lookup.stat(MAIN);
  if (main === undefined) throw new Error('the main process is gone');
  return yield* findTree(MAIN, main, members, lookup);
}

/** Does all of the work; the simulation goes on at each step. */
function finish<Result>(steps: PausableWork<Result>, live: () => void): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    live();
  }
}

accumulator.run();
