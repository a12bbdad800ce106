import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  FIRST_RETRY_MS,
  LONGEST_RETRY_MS,
  Resync,
  type ResyncTrigger,
  STAND_IN_TICK_MS,
} from '../../src/resync/scheduler.ts';

const resync = suite('resync');

resync.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
resync.after.each(() => mock.timers.reset());

/** A supervisord that answers when the test says so. */
class Snapshots {
  readonly taken: ResyncTrigger[] = [];
  #answer: ((succeeded: boolean) => void) | undefined;

  readonly take = (trigger: ResyncTrigger): Promise<boolean> => {
    if (this.#answer !== undefined) throw new Error('two at once');
    this.taken.push(trigger);
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  };

  async answer(succeeded: boolean): Promise<void> {
    this.#answer?.(succeeded);
    this.#answer = undefined;
    // Its continuations run before anything else does.
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
}

resync('a request is served in a later turn, never within the call', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  assert.equal(snapshots.taken, []);
  mock.timers.tick(1);
  assert.equal(snapshots.taken, ['startup']);
});

resync('requests while one is under way are one more, under the trigger of the first', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  subject.request('gap');
  subject.request('group');
  subject.request('gap');
  mock.timers.tick(LONGEST_RETRY_MS);
  assert.equal(snapshots.taken, ['startup']);
  await snapshots.answer(true);
  mock.timers.tick(1);
  assert.equal(snapshots.taken, ['startup', 'gap']);
  await snapshots.answer(true);
  mock.timers.tick(1);
  assert.equal(snapshots.taken, ['startup', 'gap']);
});

resync('while it fails it is tried again, less and less often, up to a ceiling', async () => {
  const { snapshots, subject } = begin();
  subject.request('gap');
  mock.timers.tick(1);
  for (
    let failure = 0, delay = FIRST_RETRY_MS;
    failure < 10;
    failure++, delay = Math.min(delay * 2, LONGEST_RETRY_MS)
  ) {
    await snapshots.answer(false);
    subject.request('group');
    mock.timers.tick(delay - 1);
    assert.is(snapshots.taken.length, failure + 1, `waits ${delay} ms`);
    mock.timers.tick(1);
    assert.is(snapshots.taken.length, failure + 2, `after ${delay} ms`);
  }
  await snapshots.answer(true);
  mock.timers.tick(STAND_IN_TICK_MS);
  assert.is(snapshots.taken.length, 11, 'all is well: no more tries');
  subject.request('gap');
  mock.timers.tick(1);
  assert.is(snapshots.taken.length, 12, 'and the next request is served at once');
});

resync('where no tick comes, a timer stands in for it, again and again', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  await snapshots.answer(true);
  for (let minute = 1; minute <= 3; minute++) {
    mock.timers.tick(STAND_IN_TICK_MS);
    mock.timers.tick(1);
    assert.is(snapshots.taken.length, 1 + minute);
    assert.is(snapshots.taken.at(-1), 'tick');
    await snapshots.answer(true);
  }
});

resync('where ticks come, the timer stays out of it', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  await snapshots.answer(true);
  for (let minute = 1; minute <= 3; minute++) {
    mock.timers.tick(60_000);
    subject.request('tick');
    mock.timers.tick(1);
    await snapshots.answer(true);
    assert.is(snapshots.taken.length, 1 + minute);
  }
});

resync('once stopped, nothing is taken any more', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  subject.stop();
  subject.request('gap');
  await snapshots.answer(false);
  mock.timers.tick(10 * LONGEST_RETRY_MS);
  assert.equal(snapshots.taken, ['startup']);
});

function begin(): { snapshots: Snapshots; subject: Resync } {
  const snapshots = new Snapshots();
  return { snapshots, subject: new Resync(snapshots.take) };
}

resync.run();
