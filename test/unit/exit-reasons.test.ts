import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ExitReasons } from '../../src/exits/reasons.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { RpcCall } from '../../src/rpc/client.ts';
import { createLogger } from '../../src/util/log.ts';
import { eventually, timed } from '../support/deadline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const reasons = suite('exit reasons');

/** web runs as pid 7; a supervisord of which only the log is of any use, and is all read at once. */
function begin() {
  const table = new ProcessTable();
  table.takeAt(snapshot([info('web', 'RUNNING', { pid: 7 })]), 0);
  const world = { table, log: '', calls: 0, changes: 0, isDown: false, answerMs: 0 };
  const multicallSettled = async (calls: readonly RpcCall[]): Promise<unknown[]> => {
    world.calls += 1;
    await sleep(world.answerMs);
    if (world.isDown) throw new Error('down');
    return calls.map(({ methodName, params }) => {
      if (methodName === 'supervisor.readLog') {
        const [offset, length] = params as [number, number];
        return world.log.slice(offset, offset + length);
      }
      const facts = { name: 'web', group: 'web', state: 20, pid: 8, spawnerr: '' };
      return { ...facts, start: 2, stop: 1, exitstatus: 0 };
    });
  };
  const subject = new ExitReasons({
    client: { multicallSettled, close: () => {} },
    table,
    log: createLogger('error', 'logfmt', () => {}),
    onChange: () => {
      world.changes += 1;
      subject.poke();
    },
  });
  return { world, subject };
}

function line(text: string): string {
  const now = new Date();
  const pad = (number: number, width = 2) => String(number).padStart(width, '0');
  const day = `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
  const time = `${pad(now.getHours())}:${pad(now.getMinutes())}:${pad(now.getSeconds())}`;
  return `${day} ${time},${pad(now.getMilliseconds(), 3)} ${text}\n`;
}

const SPAWNED = (pid: number) => line(`INFO spawned: 'web' with pid ${pid}`);
const KILLED = () => line('WARN exited: web (terminated by SIGKILL; not expected)');

function now(): number {
  return Date.now() / 1000;
}

/** The run as pid 7 is over, as its event tells now. */
function ends({ table }: { table: ProcessTable }): void {
  table.transition(event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 7 }), now());
}

/** So is another one behind it, as pid 8. */
function restartsAndEnds({ table }: { table: ProcessTable }): void {
  table.transition(event(2, 'web', 'EXITED>STARTING'), now());
  table.transition(event(3, 'web', 'STARTING>RUNNING', { pid: 8 }), now());
  table.transition(event(4, 'web', 'RUNNING>EXITED', { expected: false, pid: 8 }), now());
}

function signalOf({ table }: { table: ProcessTable }): number | undefined {
  return table.get(id('web'))?.exitSignal;
}

reasons(
  'an end is asked about behind its event, in one go once the end of the log is known',
  timed(10_000, async () => {
    const { world, subject } = begin();
    world.log = SPAWNED(7) + KILLED();
    ends(world);
    subject.poke();
    assert.is(world.calls, 0, 'not in the turn of the event');
    await eventually(2_000, () => assert.is(signalOf(world), 9));
    assert.ok(world.changes > 0);
    subject.stop();
  }),
);

reasons(
  'what the log has told before its event came is not asked again, and is a change all the same',
  timed(10_000, async () => {
    const { world, subject } = begin();
    world.log = SPAWNED(7) + KILLED() + SPAWNED(8) + KILLED();
    ends(world);
    subject.poke();
    await eventually(2_000, () => assert.is(signalOf(world), 9));
    // Until nothing is to be asked any more.
    await eventually(2_000, () => assert.ok(world.changes >= 1));
    const { calls } = world;
    restartsAndEnds(world);
    const before = world.changes;
    subject.poke();
    await eventually(2_000, () => assert.ok(world.changes > before));
    assert.is(world.table.get(id('web'))?.end?.pid, 8);
    assert.is(world.table.get(id('web'))?.end?.ending?.signal, 9);
    assert.is(world.calls, calls);
    subject.stop();
  }),
);

reasons(
  'of an end that only a snapshot told of, nothing is made before the log is read to its end',
  timed(10_000, async () => {
    const { world, subject } = begin();
    world.log = SPAWNED(7) + KILLED();
    ends(world);
    subject.poke();
    await eventually(2_000, () => assert.is(signalOf(world), 9));
    // All within the second that the snapshot names, and more than is read at a time.
    world.log += SPAWNED(8) + line('WARN exited: web (exit status 3; not expected)');
    world.log += line('DEBG of no matter').repeat(2_000);
    world.log += SPAWNED(9) + line('WARN stopped: web (terminated by SIGTERM)');
    const stop = Math.floor(now());
    world.table.takeAhead(snapshot([info('web', 'STOPPED', { stop, exitStatus: -1 })]), 1);
    subject.poke();
    await eventually(3_000, () => assert.is(signalOf(world), 15));
    subject.stop();
  }),
);

reasons(
  'foretold: asked at once, unless something is being asked',
  timed(10_000, async () => {
    const { world, subject } = begin();
    world.log = SPAWNED(7) + KILLED();
    const deaths = [{ id: id('web'), pid: 7 }];
    assert.ok(subject.foretell(deaths));
    assert.is(world.calls, 1, 'in this very turn');
    assert.not(subject.foretell(deaths));
    await eventually(2_000, () =>
      assert.is(world.table.get(id('web'))?.foretold?.ending?.signal, 9),
    );
    ends(world);
    assert.is(signalOf(world), 9);
    subject.stop();
  }),
);

reasons(
  'deaths in a row are each asked about at once, until that is all that supervisord does',
  timed(20_000, async () => {
    const { world, subject } = begin();
    world.log = SPAWNED(7) + KILLED();
    world.answerMs = 40;
    let asked = 0;
    while (subject.foretell([{ id: id('web'), pid: 7 }]) && asked < 100) {
      asked += 1;
      const { changes } = world;
      await eventually(2_000, () => assert.ok(world.changes > changes), 1);
    }
    // The first takes a few calls, to find the end of the log; half a second may be taken ahead.
    assert.ok(asked > 2 && asked < 20, `${asked}`);
    await sleep(1_500);
    assert.ok(subject.foretell([{ id: id('web'), pid: 7 }]));
    subject.stop();
  }),
);

reasons(
  'no answer: the signal is not known, and the next end is asked about',
  timed(10_000, async () => {
    const { world, subject } = begin();
    world.isDown = true;
    ends(world);
    subject.poke();
    await eventually(2_000, () => assert.ok(world.changes > 0));
    assert.is(signalOf(world), undefined);
    world.isDown = false;
    world.log = SPAWNED(8) + KILLED();
    restartsAndEnds(world);
    subject.poke();
    await eventually(2_000, () => assert.is(signalOf(world), 9));
    subject.stop();
  }),
);

reasons.run();
