import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Death, Nudge } from '../../src/exits/detector.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { event, info, snapshot } from '../support/facts.ts';

const nudge = suite('nudge');

nudge.before.each(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  // Looking takes no time, so that the pauses are the shortest, however busy the machine is.
  mock.method(performance, 'now', () => 0);
});
nudge.after.each(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Two programs that run, as pids 7 and 8; a third one that does not. */
function begin() {
  const table = new ProcessTable();
  table.takeAt(
    snapshot([
      info('cat', 'RUNNING', { pid: 7 }),
      info('dog', 'RUNNING', { pid: 8 }),
      info('cow', 'STOPPED'),
    ]),
    0,
  );
  const alive = new Set([7, 8]);
  const zombies = new Set<number>();
  const deaths: Death[] = [];
  const world = { table, alive, zombies, deaths, looks: 0, knocks: 0 };
  const subject = new Nudge({
    table,
    lookAt: (pid, closely) => {
      world.looks += 1;
      if (!alive.has(pid)) return 'gone';
      return closely && zombies.has(pid) ? 'zombie' : 'alive';
    },
    wake: (deaths) => {
      world.knocks += 1;
      world.deaths.push(...deaths);
    },
  });
  subject.start();
  return { world, subject };
}

nudge('while all live, nobody is woken', () => {
  const { world } = begin();
  pass(1_000);
  assert.ok(world.looks >= 4);
  assert.is(world.knocks, 0);
});

nudge('one death is one knock, however long its event takes', () => {
  const { world } = begin();
  world.alive.delete(7);
  pass(2_000);
  assert.is(world.knocks, 1);
});

nudge('two deaths at once are one knock, two in a row are two', () => {
  const { world } = begin();
  world.alive.clear();
  pass(1_000);
  assert.is(world.knocks, 1);

  const { world: other } = begin();
  other.alive.delete(7);
  pass(1_000);
  other.alive.delete(8);
  pass(1_000);
  assert.is(other.knocks, 2);
});

nudge('a zombie is a knock to have it reaped, and one more to have it told of', () => {
  const { world } = begin();
  world.zombies.add(7);
  pass(1_000);
  assert.is(world.knocks, 1);
  world.alive.delete(7);
  pass(1_000);
  assert.is(world.knocks, 2);
});

nudge('among many, each is looked at closely in its turn', () => {
  const { world } = begin();
  const pids = Array.from({ length: 70 }, (_, number) => 100 + number);
  world.table.takeAt(snapshot(pids.map((pid) => info(`many:${pid}`, 'RUNNING', { pid }))), 1);
  for (const pid of pids) world.alive.add(pid);
  for (const [told, pid] of [100, 135, 169].entries()) {
    world.zombies.add(pid);
    pass(1_000);
    assert.is(world.knocks, told + 1, `pid ${pid}`);
  }
});

nudge('of very many, some are looked at in each turn, and all in a round', () => {
  const { world } = begin();
  const pids = Array.from({ length: 1_700 }, (_, number) => 100 + number);
  world.table.takeAt(snapshot(pids.map((pid) => info(`many:${pid}`, 'RUNNING', { pid }))), 1);
  for (const pid of pids) world.alive.add(pid);
  let most = 0;
  for (let turn = 0; turn < 200; turn++) {
    const before = world.looks;
    mock.timers.tick(10);
    most = Math.max(most, world.looks - before);
  }
  assert.is(most, 500);
  for (const [told, pid] of [1_799, 100, 900].entries()) {
    world.alive.delete(pid);
    pass(1_000);
    assert.is(world.knocks, told + 1, `pid ${pid}`);
  }
  assert.equal(
    world.deaths.map(({ pid }) => pid),
    [1_799, 100, 900],
  );
});

nudge('the next life of a program is looked at anew', () => {
  const { world } = begin();
  world.alive.delete(7);
  pass(1_000);
  world.table.transition(event(1, 'cat', 'RUNNING>EXITED', { expected: false, pid: 7 }), 1);
  world.table.transition(event(2, 'cat', 'EXITED>STARTING', { tries: 0 }), 1);
  world.alive.add(9);
  world.table.transition(event(3, 'cat', 'STARTING>RUNNING', { pid: 9 }), 2);
  pass(1_000);
  assert.is(world.knocks, 1);
  world.alive.delete(9);
  pass(1_000);
  assert.is(world.knocks, 2);
});

nudge('a pid that was given to another process is taken for alive: later, and not wrong', () => {
  const { world } = begin();
  world.table.transition(event(1, 'cat', 'RUNNING>STOPPING', { pid: 7 }), 1);
  pass(1_000);
  assert.is(world.knocks, 0);
  assert.is(world.table.get({ group: 'cat', name: 'cat' })?.state, 'STOPPING');
});

nudge('once stopped, it looks no more', () => {
  const { world, subject } = begin();
  subject.stop();
  pass(2_000);
  assert.is(world.looks, 0);
});

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) mock.timers.tick(10);
}

nudge.run();
