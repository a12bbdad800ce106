import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CpuAccount } from '../../src/resources/account.ts';
import type { ProcStat } from '../../src/resources/formats.ts';
import { findTree, type Kinship, type Tree } from '../../src/resources/tree.ts';

const account = suite('CPU account');

/** pid, parent, own and waited user time; a start other than the pid's own is another process. */
type Row = readonly [pid: number, parent: number, own: number, waited: number, start?: number];
type Reading = readonly [
  what: string,
  members: readonly Row[],
  total: number,
  departed?: readonly number[],
];

const HISTORIES: Readonly<Record<string, readonly Reading[]>> = {
  'a worker ends and its time comes back': [
    [
      'two at work',
      [
        [1, 0, 10, 0],
        [2, 1, 5, 0],
      ],
      15,
    ],
    ['the worker went on a little, ended and was waited for', [[1, 0, 10, 7]], 17],
    ['nothing happens', [[1, 0, 10, 7]], 17],
  ],
  'children that had ended before the first look': [['', [[1, 0, 10, 90]], 100]],
  'a worker ends between the reading of its parent and its own': [
    [
      'two at work',
      [
        [1, 0, 10, 0],
        [2, 1, 5, 0],
      ],
      15,
    ],
    ['it is on no account', [[1, 0, 11, 0]], 16],
    ['it has come back, with what it used at last', [[1, 0, 11, 6]], 17],
    ['and so have others since', [[1, 0, 11, 9]], 20],
  ],
  'a worker comes back while another one is missing': [
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
      'it is back with something more, which could be of the other that is missing now',
      [[1, 0, 0, 6]],
      12,
    ],
    ['both are back', [[1, 0, 0, 14]], 14],
  ],
  'short-lived children are counted though nobody has seen them': [
    [
      'a worker',
      [
        [1, 0, 1, 0],
        [2, 1, 5, 0],
      ],
      6,
    ],
    ['it has ended, and so have others', [[1, 0, 1, 25]], 26],
  ],
  'a daemon leaves the tree: what it had used stays counted, and no more of it': [
    [
      'with its parent',
      [
        [1, 0, 1, 0],
        [2, 1, 2, 0],
        [3, 2, 40, 3],
      ],
      46,
    ],
    ['its parent has ended', [[1, 0, 1, 2]], 46, [3]],
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
  'a daemon leaves, and its own child has ended by then': [
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
  'children that nobody waits for (SIGCHLD ignored)': [
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
  'a whole branch ends at once': [
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
  'a branch ends while it is read': [
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
    ['all is back', [[1, 0, 1, 7]], 8],
  ],
  'a pid is used again': [
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
  account(title, () => {
    const subject = new CpuAccount();
    for (const [step, [what, rows, total, departed = []]] of readings.entries()) {
      const members = new Map(
        rows.map(([pid, parent, own, waited, start = pid]) => [
          pid,
          stat({ parent, start, own: cpu(own), waited: cpu(waited) }),
        ]),
      );
      const shown = subject.take({ members, departed: new Set(departed) });
      assert.equal(shown, cpu(total), `step ${step} ${what}`);
    }
  });
}

/** User and system time apart, so that one can't pass for the other. */
function cpu(user: number): ProcStat['own'] {
  return { user, system: 3 * user };
}

function stat(some: Partial<ProcStat>): ProcStat {
  return {
    parent: 0,
    isZombie: false,
    own: cpu(0),
    waited: cpu(0),
    threads: 1,
    start: 0,
    virtualBytes: 0,
    ...some,
  };
}

const MAIN = 2;
const INIT = 1;

/** Processes as Linux has them, in which anything happens between any two looks. */
class World implements Kinship {
  readonly #processes = new Map([[MAIN, stat({ parent: INIT, start: MAIN })]]);
  #next = MAIN + 1;
  /** Of all that ever belonged to the tree of MAIN. */
  burned = 0;

  stat(pid: number): ProcStat | undefined {
    return this.#processes.get(pid);
  }

  *children(pid: number): Generator<undefined, readonly number[]> {
    yield;
    return this.#childrenOf(pid);
  }

  /** Does what the numbers say. Tidy: only what has no children ends, and all are waited for. */
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
        this.burned += what;
        this.#processes.set(pid, { ...process, own: cpu(process.own.user + what) });
        break;
      case 3:
        if (mayEnd) this.#end(pid, process);
        break;
      default:
        if (mayEnd && !isTidy) this.#processes.delete(pid);
    }
  }

  /** All that has ended is waited for. */
  settle(): void {
    for (const [pid, process] of [...this.#processes].reverse()) {
      if (process.isZombie) this.#reap(pid, process);
    }
  }

  #childrenOf(parent: number): number[] {
    return [...this.#processes].filter(([, stat]) => stat.parent === parent).map(([pid]) => pid);
  }

  #end(pid: number, process: ProcStat): void {
    this.#processes.set(pid, { ...process, isZombie: true });
    for (const child of this.#childrenOf(pid)) {
      const orphan = this.#processes.get(child);
      if (orphan !== undefined) this.#processes.set(child, { ...orphan, parent: INIT });
    }
  }

  #reap(pid: number, { parent, own, waited }: ProcStat): void {
    this.#processes.delete(pid);
    const by = this.#processes.get(parent);
    if (by === undefined) return;
    const total = cpu(by.waited.user + own.user + waited.user);
    this.#processes.set(parent, { ...by, waited: total });
  }
}

const ACTS = fc.array(fc.tuple(fc.nat(40), fc.nat(1_000)), {
  minLength: 50,
  maxLength: 300,
  size: 'max',
});

for (const isTidy of [true, false]) {
  account(
    `whatever happens while it is read, it never falls${isTidy ? ', and all is counted once' : ' and counts nothing twice'}`,
    () => {
      fc.assert(
        fc.property(ACTS, fc.integer({ min: 1, max: 6 }), (acts, pace) => {
          const world = new World();
          const subject = new CpuAccount();
          const waiting = [...acts];
          const live = () => {
            for (const [what, whom] of waiting.splice(0, pace)) world.act(what, whom, isTidy);
          };
          let last = 0;
          const read = () => {
            const { user, system } = subject.take(finish(world, subject, live));
            assert.ok(user >= last, `${user} after ${last}`);
            assert.ok(user <= world.burned, `${user} of ${world.burned}`);
            assert.is(system, 3 * user);
            last = user;
          };
          while (waiting.length > 0) read();
          world.settle();
          read();
          if (isTidy) assert.is(last, world.burned);
        }),
        { numRuns: 1_000 },
      );
    },
  );
}

/** Reads the tree, and lives on at each step of that. */
function finish(world: World, subject: CpuAccount, live: () => void): Tree {
  const steps = findTree(MAIN, subject.members, world);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    live();
  }
}

account.run();
