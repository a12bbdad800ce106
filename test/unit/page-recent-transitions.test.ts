import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RecentTransitions } from '../../src/web/page/recent-transitions.ts';
import { MAX_TRANSITIONS } from '../../src/web/page/view.ts';
import { event } from '../support/facts.ts';

const page = suite('page recent transitions');

page('the latest transitions are kept, the newest first, up to a maximum', () => {
  const recent = new RecentTransitions();
  assert.equal(recent.values(), []);
  for (let serial = 0; serial < MAX_TRANSITIONS * 2 + 7; serial++) {
    recent.add(event(serial, 'web', 'STOPPED>STARTING'), 1000 + serial);
    const length = Math.min(serial + 1, MAX_TRANSITIONS);
    assert.equal(
      recent.values().map(({ number, at }) => [number, at]),
      Array.from({ length }, (_, index) => [serial - index, 1000 + serial - index]),
    );
  }
});

page('the order is that of arrival, even where serials are not in order', () => {
  const recent = new RecentTransitions();
  for (const serial of [7, 5, 6]) recent.add(event(serial, 'web', 'RUNNING>EXITED'), serial);
  assert.equal(serials(recent), [6, 5, 7]);
});

page('a termination is set on the transition of its serial only', () => {
  const recent = new RecentTransitions();
  const killed = { status: -1, signal: 9 };
  for (const serial of [7, 5, 6]) recent.add(event(serial, 'web', 'RUNNING>EXITED'), serial);
  const before = recent.values();
  recent.setTermination(5, killed);
  recent.setTermination(999, { status: 1, signal: 0 });
  assert.equal(
    recent.values().map(({ termination }) => termination),
    [undefined, killed, undefined],
  );
  assert.ok(
    before.every(({ termination }) => termination === undefined),
    'values that were returned earlier do not change',
  );
});

page('a termination of a transition that is no longer kept is ignored', () => {
  const recent = new RecentTransitions();
  for (let serial = 0; serial <= MAX_TRANSITIONS; serial++) {
    recent.add(event(serial, 'web', 'RUNNING>EXITED'), serial);
  }
  recent.setTermination(0, { status: 1, signal: 0 });
  assert.ok(recent.values().every(({ termination }) => termination === undefined));
  recent.setTermination(1, { status: 1, signal: 0 });
  assert.equal(recent.values().at(-1)?.termination, { status: 1, signal: 0 });
});

function serials(recent: RecentTransitions): number[] {
  return recent.values().map(({ event }) => event.serial);
}

page.run();
