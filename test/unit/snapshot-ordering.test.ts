import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SequenceTracker } from '../../src/listener/sequence.ts';
import type { Process } from '../../src/processes/process.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { SnapshotOrdering } from '../../src/resync/ordering.ts';
import type { ProcessStateEvent } from '../../src/supervisor/events.ts';
import { displayName } from '../../src/supervisor/process-id.ts';
import type { Snapshot } from '../../src/supervisor/snapshot.ts';
import { endsOf, isAlive, type ProcessState, TRANSITIONS } from '../../src/supervisor/states.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const ordering = suite('snapshot ordering');

ordering('marker, then reply: the snapshot is applied at its serial at once', () => {
  const { table, subject } = requested('a');
  subject.markerReceived('a', 4);
  table.apply(event(5, 'cat', 'RUNNING>STOPPING'), 1);
  subject.replyReceived(snapshot([info('cat', 'RUNNING')]));
  assert.is(table.get(id('cat'))?.state, 'STOPPING');
});

ordering('reply, then marker: the snapshot is applied unordered and at its serial later', () => {
  const { table, subject } = requested('a');
  subject.replyReceived(snapshot([info('cat', 'RUNNING')]));
  assert.is(table.get(id('cat'))?.state, 'RUNNING');
  table.apply(event(3, 'cat', 'STOPPED>STARTING'), 1);
  assert.is(table.get(id('cat'))?.state, 'RUNNING');
  assert.is(subject.markerReceived('a', 4).corrections, 1, 'events alone would have it STARTING');
  assert.is(table.get(id('cat'))?.state, 'RUNNING');
});

ordering('an unordered snapshot is later than what was received before its request', () => {
  const table = new ProcessTable();
  const subject = new SnapshotOrdering(table);
  table.apply(event(4, 'cat', 'STARTING>RUNNING', { pid: 7 }), 1);
  table.apply(event(3, 'dog', 'STARTING>RUNNING', { pid: 8 }), 1);
  subject.requested('a');
  table.apply(event(6, 'dog', 'RUNNING>STOPPING', { pid: 8 }), 2);
  subject.replyReceived(snapshot([info('cat', 'FATAL'), info('dog', 'FATAL')]));
  assert.is(table.get(id('cat'))?.state, 'FATAL');
  assert.is(table.get(id('dog'))?.state, 'STOPPING', 'its event may be later than the snapshot');
});

ordering("another exporter's marker and that of an earlier request are ignored", () => {
  const { table, subject } = requested('a');
  subject.requested('b');
  subject.markerReceived('a', 1);
  subject.markerReceived('z', 2);
  subject.replyReceived(snapshot([info('cat', 'RUNNING')]));
  table.apply(event(3, 'cat', 'STOPPING>STOPPED'), 1);
  assert.is(table.get(id('cat'))?.state, 'RUNNING', 'unordered: an event counts by its from_state');
});

ordering('a reply without a request is ignored', () => {
  const table = new ProcessTable();
  new SnapshotOrdering(table).replyReceived(snapshot([info('cat', 'RUNNING')]));
  assert.is(table.size, 0);
});

ordering('a later tick before the first marker shows that markers are not received', () => {
  const { subject } = requested('a');
  subject.tickReceived(1_000);
  assert.is(subject.areMarkersUnavailable, false, 'there is no reply yet');
  subject.replyReceived(snapshot([info('cat', 'RUNNING')], 100));
  subject.tickReceived(100);
  assert.is(subject.areMarkersUnavailable, false, 'a tick of the same second may be older');
  subject.tickReceived(101);
  assert.is(subject.areMarkersUnavailable, true);
});

ordering('where a marker was received before, a missing one was discarded', () => {
  const { subject } = requested('a');
  subject.markerReceived('a', 0);
  subject.replyReceived(snapshot([], 100));
  subject.requested('b');
  subject.replyReceived(snapshot([], 200));
  assert.is(subject.isMarkerDue, true);
  subject.tickReceived(300);
  assert.is(subject.areMarkersUnavailable, false);
  assert.is(subject.isMarkerDue, false);
});

ordering('a marker is due from the request until it is received, or the request fails', () => {
  const { subject } = requested('a');
  assert.is(subject.isMarkerDue, true);
  subject.markerReceived('a', 0);
  assert.is(subject.isMarkerDue, false);
  subject.requested('b');
  subject.requestFailed();
  assert.is(subject.isMarkerDue, false);
  subject.replyReceived(snapshot([info('cat', 'RUNNING')]));
  assert.is(subject.isMarkerDue, false, 'a reply to a failed request is ignored');
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
  | { readonly kind: 'marker'; readonly marker: string; readonly serial: number }
  | { readonly kind: 'removed'; readonly group: string; readonly serial: number };

/** A supervisord with its processes and the event pool, and an exporter that receives from it. */
class World {
  /** What the table holds if each event is received at once, and no snapshot. */
  readonly truth = new ProcessTable();
  /** Epoch seconds; each transition takes one. */
  #clock = 1_000;
  /** The last run of each process. */
  readonly #pids = new Map<string, number>();
  readonly states = new Map<string, ProcessState>(PROCESSES.map((name) => [name, 'STOPPED']));
  readonly queue: Queued[] = [];
  readonly delivered = new Set<ProcessStateEvent>();
  corrections = 0;
  hasRemoved = false;
  #serial = 0;
  #reply: Snapshot | undefined;

  readonly table = new ProcessTable();
  readonly sequence = new SequenceTracker();
  readonly ordering = new SnapshotOrdering(this.table);

  step(choice: number): void {
    const process = PROCESSES[choice % PROCESSES.length] ?? 'cat';
    const from = this.states.get(process);
    if (from === undefined) return;
    const next = NEXT.get(from) ?? [];
    const to = next[Math.floor(choice / PROCESSES.length) % next.length] ?? 'STOPPED';
    this.states.set(process, to);
    this.#clock += 1;
    if (to === 'STARTING') this.#pids.set(process, this.#clock);
    const hasPid = to === 'RUNNING' || to === 'STOPPING' || to === 'EXITED' || from === 'STOPPING';
    const news = event(this.#serial++, process, `${from}>${to}`, {
      ...(hasPid ? { pid: this.#pids.get(process) ?? 0 } : {}),
      ...(to === 'EXITED' ? { expected: choice % 2 === 0 } : {}),
      ...(to === 'STARTING' || to === 'BACKOFF' ? { tries: choice % 3 } : {}),
    });
    this.truth.apply(news, this.#clock);
    this.queue.push({ kind: 'event', event: news });
  }

  /** `update` removes a group, once its processes are stopped, or adds it back. */
  update(choice: number): void {
    const group = choice % 2 === 0 ? 'web' : 'cat';
    const members = PROCESSES.filter((name) => id(name).group === group);
    if (members.some((name) => !this.states.has(name))) {
      for (const name of members) this.states.set(name, 'STOPPED');
    } else {
      for (const name of members) this.states.delete(name);
      this.queue.push({ kind: 'removed', group, serial: this.#serial++ });
      this.hasRemoved = true;
    }
  }

  ask(): void {
    if (this.#reply !== undefined) return;
    const serial = this.#serial++;
    const marker = `marker ${serial}`;
    this.ordering.requested(marker);
    this.queue.push({ kind: 'marker', marker, serial });
    const infos = [...this.states].map(([name, state]) => {
      const process = this.truth.get(id(name));
      const stop = process?.failedStart?.finishedAt ?? process?.termination?.finishedAt;
      return info(name, state, {
        start: process?.startTime ?? 0,
        stop: stop ?? 0,
        pid: isAlive(state) ? (this.#pids.get(name) ?? 0) : 0,
        exitStatus: state === 'EXITED' ? Number(process?.termination?.expected === false) : 0,
      });
    });
    this.#reply = snapshot(infos);
  }

  answer(): void {
    if (this.#reply !== undefined)
      this.corrections += this.ordering.replyReceived(this.#reply).corrections;
    this.#reply = undefined;
  }

  /** Delivers what is at a place in the queue; with `again` it stays there and is delivered once more. */
  deliver(place: number, again: boolean): void {
    const index = place % this.queue.length;
    const [queued] = again ? this.queue.slice(index, index + 1) : this.queue.splice(index, 1);
    if (queued === undefined) return;
    const serial = queued.kind === 'event' ? queued.event.serial : queued.serial;
    if (!this.sequence.observe(serial, 0).isFirst) return;
    if (queued.kind === 'marker') {
      this.corrections += this.ordering.markerReceived(queued.marker, queued.serial).corrections;
    } else if (queued.kind === 'removed') {
      this.table.removeGroup(queued.group, queued.serial);
    } else {
      this.delivered.add(queued.event);
      this.table.apply(queued.event, this.#clock + 0.5);
    }
  }

  lose(place: number): void {
    this.queue.splice(place % this.queue.length, 1);
  }

  assertStates(): void {
    for (const name of PROCESSES) {
      const held = this.table.get(id(name))?.state;
      const truth = this.states.get(name);
      // A process of which nothing was received is not known, and has not moved.
      if (held !== undefined || truth === undefined) assert.is(held, truth, name);
    }
  }

  /** What events alone report about the last run; `isAllKnown`: or nothing, where several snapshots were late. */
  assertRuns(isAllKnown: boolean): void {
    for (const process of this.table.values()) {
      const truth = this.truth.get(process.id);
      if (truth === undefined) continue;
      const shown = runOf(process);
      for (const [fact, value] of Object.entries(runOf(truth))) {
        const stated = shown[fact as keyof typeof shown];
        // The event of a start reports no pid; a snapshot may have.
        if (value === undefined && fact !== 'expected') continue;
        if (stated === undefined && !isAllKnown) continue;
        assert.equal(stated, value, `${displayName(process.id)} ${fact}`);
      }
    }
  }

  assertCounts(): void {
    // Counters begin at 0 again when a process is added back.
    if (this.hasRemoved) return;
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

function runOf({ state, pid, backoffTries, termination, failedStart }: Readonly<Process>) {
  const last = failedStart ?? termination;
  return { state, pid, backoffTries, endedPid: last?.pid, expected: last?.expected };
}

type Act = readonly ['step' | 'update' | 'ask' | 'answer' | 'deliver' | 'again' | 'lose', number];

function acts(...kinds: readonly Act[0][]): fc.Arbitrary<Act[]> {
  const act = fc.tuple(fc.constantFrom(...kinds), fc.nat(1_000));
  return fc.array(act, { maxLength: 150, size: 'max' });
}

function play(world: World, sequence: readonly Act[], place: (choice: number) => number): void {
  for (const [kind, choice] of sequence) {
    if (kind === 'step') world.step(choice);
    else if (kind === 'update') world.update(choice);
    else if (kind === 'ask') world.ask();
    else if (kind === 'answer') world.answer();
    else if (kind === 'lose') world.lose(choice);
    else world.deliver(place(choice), kind === 'again');
  }
  world.answer();
  for (let left = world.queue.length; left > 0; left--)
    world.deliver(place(sequence.length * 31 + left), false);
}

ordering(
  'in any order, with any repeats and snapshots anywhere, it ends in the true state and counts each event once',
  () => {
    fc.assert(
      fc.property(
        acts('step', 'step', 'step', 'update', 'ask', 'answer', 'deliver', 'deliver', 'again'),
        (sequence) => {
          const world = new World();
          play(world, sequence, (choice) => choice);
          world.assertCounts();
          world.assertStates();
        },
      ),
      { numRuns: 300 },
    );
  },
);

ordering(
  'with losses, one more snapshot ends in the true state, and what came is counted once',
  () => {
    fc.assert(
      fc.property(
        acts('step', 'step', 'update', 'ask', 'answer', 'deliver', 'deliver', 'again', 'lose'),
        fc.boolean(),
        (sequence, markerFirst) => {
          const world = new World();
          play(world, sequence, (choice) => choice);
          world.ask();
          if (markerFirst) world.deliver(0, false);
          world.answer();
          if (!markerFirst) world.deliver(0, false);
          world.assertCounts();
          world.assertStates();
          assert.is(world.table.size, world.states.size);
        },
      ),
      { numRuns: 300 },
    );
  },
);

ordering(
  'in order and without losses nothing is ever corrected, whenever the snapshots come',
  () => {
    fc.assert(
      fc.property(acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver'), (sequence) => {
        const world = new World();
        play(world, sequence, () => 0);
        world.assertStates();
        world.assertRuns(false);
        assert.is(world.corrections, 0);
      }),
      { numRuns: 300 },
    );
  },
);

ordering('in order and with one snapshot, each run is known as its events report it', () => {
  fc.assert(
    fc.property(acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver'), (sequence) => {
      const first = sequence.findIndex(([kind]) => kind === 'ask');
      const world = new World();
      play(
        world,
        sequence.filter(([kind], at) => kind !== 'ask' || at === first),
        () => 0,
      );
      world.assertRuns(true);
    }),
    { numRuns: 300 },
  );
});

ordering('where markers are never received, from_state alone ends in the true state', () => {
  fc.assert(
    fc.property(
      acts('step', 'step', 'ask', 'answer', 'deliver', 'deliver'),
      fc.boolean(),
      (sequence, settles) => {
        const world = new World();
        world.ordering.markerReceived = () => ({ changes: [], corrections: 0 });
        play(world, sequence, () => 0);
        if (settles) world.ordering.tickReceived(1_000);
        world.step(7);
        world.deliver(0, false);
        world.assertCounts();
        world.assertStates();
      },
    ),
    { numRuns: 300 },
  );
});

function requested(marker: string): { table: ProcessTable; subject: SnapshotOrdering } {
  const table = new ProcessTable();
  const subject = new SnapshotOrdering(table);
  subject.requested(marker);
  return { table, subject };
}

ordering.run();
