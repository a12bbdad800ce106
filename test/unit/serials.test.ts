import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOST_AFTER_SECONDS, LOST_UNPROVEN_SECONDS, Serials } from '../../src/listener/sequence.ts';

const serials = suite('serials');

/** Where nothing can show that the queue is past a serial, time alone decides. */
const BY_TIME = Number.POSITIVE_INFINITY;

type Step =
  | readonly [serial: number, at: number, outcome: 'first' | 'first, gap' | 'repeated']
  | readonly ['expire', at: number, lost: number, passed?: number]
  | readonly ['from zero'];

const HISTORIES: Readonly<Record<string, readonly Step[]>> = {
  'in order, nothing is missing': [
    [0, 0, 'first'],
    [1, 0, 'first'],
    [2, 0, 'first'],
    ['expire', 9, 0],
  ],
  'a life that begins in the middle misses nothing': [
    [800, 0, 'first'],
    [801, 0, 'first'],
    ['expire', 9, 0],
  ],
  'a first life that does not begin at 0 misses what is before': [
    ['from zero'],
    [42, 0, 'first, gap'],
    [43, 0, 'first'],
    ['expire', 9, 42],
  ],
  'a first life that begins at 0 misses nothing': [
    ['from zero'],
    [0, 0, 'first'],
    [1, 0, 'first'],
    ['expire', 9, 0],
  ],
  'that it is a first life is learned too late': [
    [42, 0, 'first'],
    ['from zero'],
    [43, 0, 'first'],
    ['expire', 9, 0],
  ],
  'what was not acknowledged comes again': [
    [5, 0, 'first'],
    [6, 0, 'first'],
    [6, 0, 'repeated'],
    [5, 0, 'repeated'],
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
    ['expire', 80, 0, -1],
    ['expire', 80, 0, 6],
    ['expire', 80, 1, 7],
    [8, 81, 'first'],
    ['expire', 89, 1, 20],
  ],
  'it is lost in the end, though nothing shows that the queue is past it': [
    [5, 0, 'first'],
    [9, 0, 'first, gap'],
    ['expire', LOST_UNPROVEN_SECONDS - 1, 0, -1],
    ['expire', LOST_UNPROVEN_SECONDS, 3, -1],
  ],
  'one that comes late, ahead of which a newer one came, is not lost': [
    [5, 0, 'first'],
    [8, 0, 'first, gap'],
    [6, 1, 'first'],
    [7, 1.4, 'first'],
    [8, 1.4, 'repeated'],
    [9, 1.4, 'first'],
    ['expire', 99, 0],
  ],
  'a late one shows that the queue is still being worked off: those behind it are awaited anew': [
    [0, 0, 'first'],
    [100, 0, 'first, gap'],
    [1, 1.4, 'first'],
    ['expire', 1.6, 0],
    ['expire', 1.4 + LOST_AFTER_SECONDS, 98],
  ],
  'a late one shows that those before it are not to come: they are not awaited anew': [
    [0, 0, 'first'],
    [10, 0, 'first, gap'],
    [9, 1.4, 'first'],
    ['expire', LOST_AFTER_SECONDS, 8],
    ['expire', 99, 0],
  ],
  'a lost one that comes after all is still a first delivery, once': [
    [0, 0, 'first'],
    [2, 0, 'first, gap'],
    ['expire', 9, 1],
    [1, 9, 'first'],
    [1, 9, 'repeated'],
    ['expire', 99, 0],
  ],
  'a life that begins with an event put ahead awaits none of those before it': [
    [12, 0, 'first'],
    [9, 0, 'first'],
    [10, 0, 'first'],
    ['expire', 99, 0],
    [11, 99, 'first'],
    [12, 99, 'repeated'],
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
  serials(title, () => {
    const account = new Serials();
    for (const step of steps) {
      const story = JSON.stringify(step);
      if (step[0] === 'from zero') account.expectFromZero();
      else if (step[0] === 'expire')
        assert.is(account.expire(step[1], step[3] ?? BY_TIME), step[2], story);
      else {
        const [serial, at, outcome] = step;
        const { isFirst, opensGap } = account.note(serial, at);
        assert.is(`${isFirst ? 'first' : 'repeated'}${opensGap ? ', gap' : ''}`, outcome, story);
      }
    }
  });
}

serials('what is awaited, and where', () => {
  const account = new Serials();
  account.note(0, 0);
  assert.is(account.isAwaiting, false);
  account.note(5, 0);
  assert.is(account.isAwaiting, true);
  assert.is(account.isAwaitingBehind(3), true);
  assert.is(account.isAwaitingBehind(4), false);
  account.expire(9, BY_TIME);
  assert.is(account.isAwaiting, false);
});

serials(
  'in any order, with any repeats, each serial is first once and the lost are those that never came',
  () => {
    const deliveries = fc
      .tuple(fc.nat(50), fc.array(fc.nat(60), { minLength: 1, maxLength: 120 }))
      .map(([first, more]) => [first, ...more]);
    fc.assert(
      fc.property(deliveries, (sequence) => {
        const account = new Serials();
        const seen = new Set<number>();
        for (const serial of sequence) {
          assert.is(account.note(serial, 0).isFirst, !seen.has(serial));
          seen.add(serial);
        }
        const [first = 0] = sequence;
        const missing =
          Math.max(...sequence) - first + 1 - [...seen].filter((serial) => serial >= first).length;
        assert.is(account.expire(99, BY_TIME), missing);
      }),
      { numRuns: 2_000 },
    );
  },
);

serials('what is remembered does not grow with the losses', () => {
  const account = new Serials();
  for (let serial = 0; serial < 20_000; serial += 2) {
    account.note(serial, serial);
    account.expire(serial + 9, BY_TIME);
  }
  assert.is(account.note(19_997, 0).isFirst, true);
  assert.is(account.note(1, 0).isFirst, false);
  assert.is(account.gapCount, 1023, 'one of 1024 was filled');
});

serials.run();
