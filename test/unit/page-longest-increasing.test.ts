import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { longestIncreasing } from '../../src/web/page/client/longest-increasing.ts';

const page = suite('page');

const CASES: ReadonlyArray<readonly [string, readonly (number | undefined)[], readonly number[]]> =
  [
    ['no row', [], []],
    ['rows in order', [0, 1, 2], [0, 1, 2]],
    ['the last row comes first', [2, 0, 1], [1, 2]],
    ['the first row comes last', [1, 2, 0], [0, 1]],
    ['a new row in between', [0, undefined, 1], [0, 2]],
    ['new rows only', [undefined, undefined], []],
  ];

for (const [title, values, stay] of CASES) {
  page(`${title}: only rows that have to move are moved`, () => {
    assert.equal(
      [...longestIncreasing(values)].sort((one, other) => one - other),
      stay,
    );
  });
}

page('the rows that stay are in order, and no other choice leaves more of them', () => {
  const places = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 9 });
  fc.assert(
    fc.property(places, (values) => {
      const stay = [...longestIncreasing(values)].sort((one, other) => one - other);
      assert.ok(isIncreasing(stay.map((index) => values[index] ?? Number.NaN)));
      assert.is(stay.length, mostByTrying(values));
    }),
  );
});

function isIncreasing(values: readonly number[]): boolean {
  return values.every((value, at) => at === 0 || value > (values[at - 1] ?? Number.NaN));
}

/** Of every subset. */
function mostByTrying(values: readonly number[]): number {
  let most = 0;
  for (let subset = 0; subset < 2 ** values.length; subset++) {
    const chosen = values.filter((_, at) => subset & (1 << at));
    if (isIncreasing(chosen)) most = Math.max(most, chosen.length);
  }
  return most;
}

page.run();
