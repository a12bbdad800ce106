import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  FIRST_RETRY_MS,
  LONGEST_RETRY_MS,
  ResyncScheduler,
  type ResyncTrigger,
  TICK_TIMEOUT_MS,
} from '../../src/resync/scheduler.ts';

const scheduler = suite('resync scheduler');

scheduler.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
scheduler.after.each(() => mock.timers.reset());

/** A supervisord that answers when the test says so. */
class Snapshots {
  readonly fetched: ResyncTrigger[] = [];
  #answer: ((succeeded: boolean) => void) | undefined;

  readonly fetch = (trigger: ResyncTrigger): Promise<boolean> => {
    if (this.#answer !== undefined) throw new Error('two at once');
    this.fetched.push(trigger);
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

scheduler('a request is served in a later turn, never within the call', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  assert.equal(snapshots.fetched, []);
  mock.timers.tick(1);
  assert.equal(snapshots.fetched, ['startup']);
});

scheduler('requests during a fetch lead to one more, under the trigger of the first', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  subject.request('gap');
  subject.request('group');
  subject.request('gap');
  mock.timers.tick(LONGEST_RETRY_MS);
  assert.equal(snapshots.fetched, ['startup']);
  await snapshots.answer(true);
  mock.timers.tick(1);
  assert.equal(snapshots.fetched, ['startup', 'gap']);
  await snapshots.answer(true);
  mock.timers.tick(1);
  assert.equal(snapshots.fetched, ['startup', 'gap']);
});

scheduler('a failed fetch is repeated with exponential back-off, up to a limit', async () => {
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
    assert.is(snapshots.fetched.length, failure + 1, `waits ${delay} ms`);
    mock.timers.tick(1);
    assert.is(snapshots.fetched.length, failure + 2, `after ${delay} ms`);
  }
  await snapshots.answer(true);
  mock.timers.tick(TICK_TIMEOUT_MS);
  assert.is(snapshots.fetched.length, 11, 'it succeeded: no more tries');
  subject.request('gap');
  mock.timers.tick(1);
  assert.is(snapshots.fetched.length, 12, 'and the next request is served at once');
});

scheduler('without ticks a timer requests snapshots', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  await snapshots.answer(true);
  for (let minute = 1; minute <= 3; minute++) {
    mock.timers.tick(TICK_TIMEOUT_MS);
    mock.timers.tick(1);
    assert.is(snapshots.fetched.length, 1 + minute);
    assert.is(snapshots.fetched.at(-1), 'tick');
    await snapshots.answer(true);
  }
});

scheduler('with ticks the timer requests nothing', async () => {
  const { snapshots, subject } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  await snapshots.answer(true);
  for (let minute = 1; minute <= 3; minute++) {
    mock.timers.tick(60_000);
    subject.request('tick');
    mock.timers.tick(1);
    await snapshots.answer(true);
    assert.is(snapshots.fetched.length, 1 + minute);
  }
});

scheduler('after the abort nothing is fetched', async () => {
  const { snapshots, subject, lifetime } = begin();
  subject.request('startup');
  mock.timers.tick(1);
  lifetime.abort();
  subject.request('gap');
  await snapshots.answer(false);
  mock.timers.tick(10 * LONGEST_RETRY_MS);
  assert.equal(snapshots.fetched, ['startup']);
});

scheduler('a request that was not served before the abort never is', () => {
  const { snapshots, subject, lifetime } = begin();
  subject.request('startup');
  lifetime.abort();
  subject.request('gap');
  mock.timers.tick(10 * LONGEST_RETRY_MS);
  assert.equal(snapshots.fetched, []);
});

scheduler('a request after the abort is ignored', () => {
  const { snapshots, subject, lifetime } = begin();
  lifetime.abort();
  subject.request('gap');
  mock.timers.tick(10 * LONGEST_RETRY_MS);
  assert.equal(snapshots.fetched, []);
});

function begin() {
  const snapshots = new Snapshots();
  const lifetime = new AbortController();
  const { signal } = lifetime;
  return { snapshots, lifetime, subject: new ResyncScheduler({ fetch: snapshots.fetch, signal }) };
}

scheduler.run();
