import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOST_AFTER_SECONDS, SequenceTracker } from '../../src/listener/sequence.ts';

const sequence = suite('sequence of serials');

/** Where no marker shows that the queue is past a serial, time alone decides. */
const BY_TIME = Number.POSITIVE_INFINITY;

type Step =
  | readonly [serial: number, at: number, outcome: 'first' | 'first, gap' | 'redelivery']
  | readonly ['expire', at: number, lost: number, passed?: number]
  | readonly ['from zero', at: number];

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'in order, nothing is missing': [
    [0, 0, 'first'],
    [1, 0, 'first'],
    [2, 0, 'first'],
    ['expire', 9, 0],
  ],
  'a later life begins in the middle: nothing is missing': [
    [800, 0, 'first'],
    [801, 0, 'first'],
    ['expire', 9, 0],
  ],
  'a first life does not begin at 0: what is before is lost': [
    ['from zero', 0],
    [42, 0, 'first, gap'],
    [43, 0, 'first'],
    ['expire', 9, 42],
  ],
  'a first life begins at 0: nothing is missing': [
    ['from zero', 0],
    [0, 0, 'first'],
    [1, 0, 'first'],
    ['expire', 9, 0],
  ],
  'it is learned after the first event that this is the first life': [
    [42, 0, 'first'],
    ['from zero', 1],
    [43, 1, 'first'],
    ['expire', 1 + LOST_AFTER_SECONDS - 0.01, 0],
    ['expire', 1 + LOST_AFTER_SECONDS, 42],
    ['expire', 99, 0],
  ],
  'it is learned after an event that was put ahead that this is the first life': [
    [12, 0, 'first'],
    [9, 0, 'first'],
    ['from zero', 1],
    [10, 1, 'first'],
    ['expire', 9, 10],
    [11, 10, 'first'],
    ['expire', 99, 0],
  ],
  'the first life is learned while a gap is pending': [
    [3, 0, 'first'],
    [6, 0, 'first, gap'],
    ['from zero', 1],
    ['expire', 9, 5],
  ],
  'an event that was not acknowledged is delivered again': [
    [5, 0, 'first'],
    [6, 0, 'first'],
    [6, 0, 'redelivery'],
    [5, 0, 'redelivery'],
    [7, 0, 'first'],
  ],
  'a skipped serial is lost, once, when it has not come in time': [
    [5, 0, 'first'],
    [9, 1, 'first, gap'],
    ['expire', 1 + LOST_AFTER_SECONDS - 0.01, 0],
    ['expire', 1 + LOST_AFTER_SECONDS, 3],
    ['expire', 99, 0],
  ],
  'it is not lost before the queue is known to be past it': [
    [5, 0, 'first'],
    [9, 0, 'first, gap'],
    ['expire', 10, 0, -1],
    ['expire', 10, 0, 6],
    ['expire', 10, 1, 7],
    [8, 11, 'first'],
    ['expire', 14, 1, 20],
  ],
  'an event that is received late, after a newer one, is not lost': [
    [5, 0, 'first'],
    [8, 0, 'first, gap'],
    [6, 1, 'first'],
    [7, 1.4, 'first'],
    [8, 1.4, 'redelivery'],
    [9, 1.4, 'first'],
    ['expire', 99, 0],
  ],
  'a late event shows progress of the queue: later ones stay pending for longer': [
    [0, 0, 'first'],
    [100, 0, 'first, gap'],
    [1, 1.4, 'first'],
    ['expire', 1.6, 0],
    ['expire', 1.4 + LOST_AFTER_SECONDS, 98],
  ],
  'a late event shows no progress for earlier ones: they do not stay pending for longer': [
    [0, 0, 'first'],
    [10, 0, 'first, gap'],
    [9, 1.4, 'first'],
    ['expire', LOST_AFTER_SECONDS, 8],
    ['expire', 99, 0],
  ],
  'a lost event that is received after all is a first delivery, once': [
    [0, 0, 'first'],
    [2, 0, 'first, gap'],
    ['expire', 9, 1],
    [1, 9, 'first'],
    [1, 9, 'redelivery'],
    ['expire', 99, 0],
  ],
  'a later life begins with an event put ahead: none before it is pending': [
    [12, 0, 'first'],
    [9, 0, 'first'],
    [10, 0, 'first'],
    ['expire', 99, 0],
    [11, 99, 'first'],
    [12, 99, 'redelivery'],
    [13, 99, 'first'],
  ],
  'gaps are counted each on its own': [
    [0, 0, 'first'],
    [2, 0, 'first, gap'],
    [4, 1, 'first, gap'],
    ['expire', 1.5, 1],
    ['expire', 2.5, 1],
  ],
};

for (const [title, steps] of Object.entries(HISTORIES)) {
  sequence(title, () => {
    const tracker = new SequenceTracker();
    for (const step of steps) {
      const story = JSON.stringify(step);
      if (step[0] === 'from zero') tracker.expectFromZero(step[1]);
      else if (step[0] === 'expire')
        assert.is(tracker.expire(step[1], step[3] ?? BY_TIME).count, step[2], story);
      else {
        const [serial, at, outcome] = step;
        const { isFirst, opensGap } = tracker.observe(serial, at);
        assert.is(`${isFirst ? 'first' : 'redelivery'}${opensGap ? ', gap' : ''}`, outcome, story);
      }
    }
  });
}

sequence('what is pending, and where', () => {
  const tracker = new SequenceTracker();
  tracker.observe(0, 0);
  assert.is(tracker.hasPending, false);
  tracker.observe(5, 0);
  assert.is(tracker.hasPending, true);
  assert.is(tracker.hasPendingAfter(3), true);
  assert.is(tracker.hasPendingAfter(4), false);
  assert.is(tracker.hasPendingBefore(1), false);
  assert.is(tracker.hasPendingBefore(2), true);
  tracker.expire(9, BY_TIME);
  assert.is(tracker.hasPending, false);
});

sequence(
  'in any order, with any redeliveries, each serial is first once and the lost ones are those never received',
  () => {
    const deliveries = fc
      .tuple(fc.nat(50), fc.array(fc.nat(60), { minLength: 1, maxLength: 120 }))
      .map(([first, more]) => [first, ...more]);
    fc.assert(
      fc.property(deliveries, (serials) => {
        const tracker = new SequenceTracker();
        const seen = new Set<number>();
        for (const serial of serials) {
          assert.is(tracker.observe(serial, 0).isFirst, !seen.has(serial));
          seen.add(serial);
        }
        const [first = 0] = serials;
        const missing =
          Math.max(...serials) - first + 1 - [...seen].filter((serial) => serial >= first).length;
        assert.is(tracker.expire(99, BY_TIME).count, missing);
      }),
      { numRuns: 1_000 },
    );
  },
);

sequence('memory does not grow with the losses', () => {
  const tracker = new SequenceTracker();
  for (let serial = 0; serial < 4_000; serial += 2) {
    tracker.observe(serial, serial);
    tracker.expire(serial + 9, BY_TIME);
  }
  assert.is(tracker.observe(3_997, 0).isFirst, true);
  assert.is(tracker.observe(1, 0).isFirst, false);
  assert.is(tracker.gapCount, 1023, 'one of 1024 was filled');
});

sequence.run();
