import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Serials } from '../../src/listener/sequence.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { Reconciler } from '../../src/resync/ordering.ts';
import type { ProcessStateEvent } from '../../src/supervisor/events.ts';
import type { Snapshot } from '../../src/supervisor/snapshot.ts';
import { endsOf, type ProcessState, TRANSITIONS } from '../../src/supervisor/states.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const reconciler = suite('reconciler');

reconciler('token, then reply: the snapshot is placed at once', () => {
  const { table, subject } = begun('a');
  subject.token('a', 4);
  table.transition(event(5, 'cat', 'RUNNING>STOPPING'), 1);
  subject.reply(snapshot([info('cat', 'RUNNING')]));
  assert.is(table.get(id('cat'))?.state, 'STOPPING');
});

reconciler('reply, then token: the snapshot is taken at once and placed later', () => {
  const { table, subject } = begun('a');
  subject.reply(snapshot([info('cat', 'RUNNING')]));
  assert.is(table.get(id('cat'))?.state, 'RUNNING');
  table.transition(event(3, 'cat', 'STOPPED>STARTING'), 1);
  assert.is(table.get(id('cat'))?.state, 'RUNNING');
  assert.is(subject.token('a', 4), 1, 'events alone would have it STARTING');
  assert.is(table.get(id('cat'))?.state, 'RUNNING');
});

reconciler("another exporter's token and that of a request gone by are nothing", () => {
  const { table, subject } = begun('a');
  subject.begin('b');
  subject.token('a', 1);
  subject.token('z', 2);
  subject.reply(snapshot([info('cat', 'RUNNING')]));
  table.transition(event(3, 'cat', 'STOPPING>STOPPED'), 1);
  assert.is(
    table.get(id('cat'))?.state,
    'RUNNING',
    'not placed: an event counts by its from_state',
  );
});

reconciler('a reply that nobody waits for is dropped', () => {
  const table = new ProcessTable();
  new Reconciler(table).reply(snapshot([info('cat', 'RUNNING')]));
  assert.is(table.size, 0);
});

reconciler('a later tick before the first token tells that tokens do not come', () => {
  const { subject } = begun('a');
  subject.tick(1_000);
  assert.is(subject.isDeaf, false, 'there is no reply yet');
  subject.reply(snapshot([info('cat', 'RUNNING')], 100));
  subject.tick(100);
  assert.is(subject.isDeaf, false, 'a tick of the same second may be older');
  subject.tick(101);
  assert.is(subject.isDeaf, true);
});

reconciler('where a token has come before, one that does not come was lost', () => {
  const { subject } = begun('a');
  subject.token('a', 0);
  subject.reply(snapshot([], 100));
  subject.begin('b');
  subject.reply(snapshot([], 200));
  assert.is(subject.isAwaitingToken, true);
  subject.tick(300);
  assert.is(subject.isDeaf, false);
  assert.is(subject.isAwaitingToken, false);
});

reconciler('a token is awaited from the request until it comes, or the request fails', () => {
  const { subject } = begun('a');
  assert.is(subject.isAwaitingToken, true);
  subject.token('a', 0);
  assert.is(subject.isAwaitingToken, false);
  subject.begin('b');
  subject.fail();
  assert.is(subject.isAwaitingToken, false);
  subject.reply(snapshot([info('cat', 'RUNNING')]));
  assert.is(subject.isAwaitingToken, false, 'a reply to a request that has failed is dropped');
});

/** Where a legal step leads from each state. */
const NEXT = new Map<ProcessState, ProcessState[]>();
for (const transition of TRANSITIONS) {
  const [from, to] = endsOf(transition) as readonly [ProcessState, ProcessState];
  NEXT.set(from, [...(NEXT.get(from) ?? []), to]);
}

const PROCESSES = ['cat', 'dog', 'web:a', 'web:b'];

type Queued =
  | { readonly kind: 'event'; readonly event: ProcessStateEvent }
  | { readonly kind: 'token'; readonly token: string; readonly serial: number };

/** A supervisord with its processes and our queue, and an exporter's account at the other end of it. */
class World {
  readonly states = new Map<string, ProcessState>(PROCESSES.map((name) => [name, 'STOPPED']));
  readonly queue: Queued[] = [];
  readonly delivered = new Set<ProcessStateEvent>();
  corrections = 0;
  #serial = 0;
  #reply: Snapshot | undefined;

  readonly table = new ProcessTable();
  readonly serials = new Serials();
  readonly reconciler = new Reconciler(this.table);

  step(choice: number): void {
    const process = PROCESSES[choice % PROCESSES.length] ?? 'cat';
    const from = this.states.get(process) ?? 'STOPPED';
    const next = NEXT.get(from) ?? [];
    const to = next[Math.floor(choice / PROCESSES.length) % next.length] ?? 'STOPPED';
    this.states.set(process, to);
    const serial = this.#serial++;
    this.queue.push({
      kind: 'event',
      event: event(
        serial,
        process,
        `${from}>${to}`,
        to === 'EXITED' ? { expected: choice % 2 === 0 } : {},
      ),
    });
  }

  ask(): void {
    if (this.#reply !== undefined) return;
    const serial = this.#serial++;
    const token = `token ${serial}`;
    this.reconciler.begin(token);
    this.queue.push({ kind: 'token', token, serial });
    this.#reply = snapshot([...this.states].map(([name, state]) => info(name, state)));
  }

  answer(): void {
    if (this.#reply !== undefined) this.corrections += this.reconciler.reply(this.#reply);
    this.#reply = undefined;
  }

  /** Delivers what stands at a place in the queue; with `again` it stays there and comes once more. */
  deliver(place: number, again: boolean): void {
    const index = place % this.queue.length;
    const [queued] = again ? this.queue.slice(index, index + 1) : this.queue.splice(index, 1);
    if (queued === undefined) return;
    const serial = queued.kind === 'event' ? queued.event.serial : queued.serial;
    if (!this.serials.note(serial, 0).isFirst) return;
    if (queued.kind === 'token') {
      this.corrections += this.reconciler.token(queued.token, queued.serial);
    } else {
      this.delivered.add(queued.event);
      this.table.transition(queued.event, 0);
    }
  }

  lose(place: number): void {
    this.queue.splice(place % this.queue.length, 1);
  }

  assertStates(): void {
    const held = PROCESSES.map((name) => [name, this.table.get(id(name))?.state]);
    // A process that nothing was ever heard of is not known, and has not moved.
    const truth = [...this.states].map(([name, state]) => [
      name,
      this.table.get(id(name)) ? state : undefined,
    ]);
    assert.equal(held, truth);
  }

  assertCounts(): void {
    for (const process of this.table.values()) {
      const name = `${process.id.group}:${process.id.name}`;
      const events = [...this.delivered].filter(
        ({ process: { group, name: own } }) => `${group}:${own}` === name,
      );
      assert.is(
        [...process.transitions.values()].reduce((a, b) => a + b, 0),
        events.length,
        name,
      );
      assert.is(process.exits, events.filter(({ to }) => to === 'EXITED').length, name);
      assert.is(
        process.unexpectedExits,
        events.filter(({ expected }) => expected === false).length,
        name,
      );
    }
  }
}

type Act = readonly ['step' | 'ask' | 'answer' | 'deliver' | 'again' | 'lose', number];

function acts(...kinds: readonly Act[0][]): fc.Arbitrary<Act[]> {
  const act = fc.tuple(fc.constantFrom(...kinds), fc.nat(1_000));
  return fc.array(act, { maxLength: 150, size: 'max' });
}

function play(world: World, sequence: readonly Act[], place: (choice: number) => number): void {
  for (const [kind, choice] of sequence) {
    if (kind === 'step') world.step(choice);
    else if (kind === 'ask') world.ask();
    else if (kind === 'answer') world.answer();
    else if (kind === 'lose') world.lose(choice);
    else world.deliver(place(choice), kind === 'again');
  }
  world.answer();
  for (let left = world.queue.length; left > 0; left--)
    world.deliver(place(sequence.length * 31 + left), false);
}

reconciler(
  'in any order, with any repeats and snapshots anywhere, it ends in the true state and counts each event once',
  () => {
    fc.assert(
      fc.property(
        acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver', 'again'),
        (sequence) => {
          const world = new World();
          play(world, sequence, (choice) => choice);
          world.assertCounts();
          world.assertStates();
        },
      ),
      { numRuns: 3_000 },
    );
  },
);

reconciler(
  'with losses, one more snapshot ends in the true state, and what came is counted once',
  () => {
    fc.assert(
      fc.property(
        acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver', 'again', 'lose'),
        fc.boolean(),
        (sequence, tokenFirst) => {
          const world = new World();
          play(world, sequence, (choice) => choice);
          world.ask();
          if (tokenFirst) world.deliver(0, false);
          world.answer();
          if (!tokenFirst) world.deliver(0, false);
          world.assertCounts();
          world.assertStates();
          assert.is(world.table.size, PROCESSES.length);
        },
      ),
      { numRuns: 3_000 },
    );
  },
);

reconciler(
  'in order and without losses nothing is ever corrected, whenever the snapshots come',
  () => {
    fc.assert(
      fc.property(acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver'), (sequence) => {
        const world = new World();
        play(world, sequence, () => 0);
        world.assertStates();
        assert.is(world.corrections, 0);
      }),
      { numRuns: 3_000 },
    );
  },
);

reconciler('where tokens never come, from_state alone ends in the true state', () => {
  fc.assert(
    fc.property(
      acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver'),
      fc.boolean(),
      (sequence, settles) => {
        const world = new World();
        const deaf = world.reconciler;
        deaf.token = () => 0;
        play(world, sequence, () => 0);
        if (settles) deaf.tick(1_000);
        world.step(7);
        world.deliver(0, false);
        world.assertCounts();
        world.assertStates();
      },
    ),
    { numRuns: 3_000 },
  );
});

function begun(token: string): { table: ProcessTable; subject: Reconciler } {
  const table = new ProcessTable();
  const subject = new Reconciler(table);
  subject.begin(token);
  return { table, subject };
}

reconciler.run();
