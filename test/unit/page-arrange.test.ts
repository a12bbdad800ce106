import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { arrange, type Item } from '../../src/web/page/arrange.ts';
import { parseQuery } from '../../src/web/page/table-query.ts';
import type { Row } from '../../src/web/page/view.ts';
import { row } from '../support/page.ts';

const page = suite('page arrange');
const NOW = 10_000;

const FATAL: Partial<Row> = { state: 'FATAL', trouble: 'fatal' };

function group(name: string, size: number, fatal: readonly number[] = []): Row[] {
  return Array.from({ length: size }, (_, index) =>
    row(`${name}:${name}-${index}`, { memory: 1, ...(fatal.includes(index) ? FATAL : {}) }),
  );
}

const LINES: readonly (readonly [
  title: string,
  rows: readonly Row[],
  query: string,
  expected: string,
])[] = [
  ['a group of three is no group', group('a', 3), '', 'a-0 a-1 a-2'],
  ['a group of four is one line', group('a', 4), '', '+a/4'],
  ['a large group is one line', [...group('a', 480), row('b')], '', '+a/480 b'],
  ['a group that is opened by hand', group('a', 4), '?open=a', '-a/4 a-0 a-1 a-2 a-3'],
  ['a small group with trouble is open', group('a', 4, [2]), '', '-a/4 a-2 a-0 a-1 a-3'],
  ['a group with trouble is closed by hand', group('a', 4, [2]), '?close=a', '+a/4'],
  [
    'a large group shows those in trouble, and how many more there are',
    group('a', 20, [7, 3]),
    '',
    '-a/20 a-3 a-7 18more',
  ],
  [
    'no more than ten of a large group in trouble',
    group(
      'a',
      30,
      Array.from({ length: 30 }, (_, index) => index),
    ),
    '',
    '-a/30 a-0 a-1 a-2 a-3 a-4 a-5 a-6 a-7 a-8 a-9 20more',
  ],
  ['trouble comes first', [...group('a', 4), ...group('z', 4, [0])], '?close=z', '+z/4 +a/4'],
  ['a filter that leaves few opens the group', group('a', 480), '?q=a-47+9', '-a/480 a-479'],
  ['a filter that leaves many does not', group('a', 480), '?q=a-', '+a/480'],
  ['the filter for a state', group('a', 20, [3]), '?state=FATAL', '-a/20 a-3'],
  ['without groups', group('a', 4), '?flat=1&sort=-process', 'a-3 a-2 a-1 a-0'],
  [
    'groups are sorted by their sums',
    [...group('a', 4), row('big', { memory: 3 }), row('huge', { memory: 5 })],
    '?sort=-memory',
    'huge +a/4 big',
  ],
  [
    'groups are sorted by name',
    [row('b'), ...group('a', 4), row('c')],
    '?sort=-process',
    'c b +a/4',
  ],
];

for (const [title, rows, query, expected] of LINES) {
  page(`${title}: ${expected}`, () => {
    const { items } = arrange(rows, parseQuery(query), NOW);
    assert.is(items.map(textOf).join(' '), expected);
  });
}

page('a filter counts the processes that match, shown or not', () => {
  const rows = [...group('a', 480), row('b')];
  assert.is(arrange(rows, parseQuery('?q=a-'), NOW).matching, 480);
  assert.is(arrange(rows, parseQuery('?q=nothing'), NOW).matching, 0);
  assert.equal(arrange(rows, parseQuery('?q=nothing'), NOW).items, []);
});

page('the selections show trouble, unreported exits and unexpected exits', () => {
  const rows = [
    row('fatal', FATAL),
    row('gone', { trouble: 'unreported exit' }),
    row('crashed', { lastUnexpectedExit: NOW - 10 }),
    row('well'),
  ];
  const shown = (only: string) => arrange(rows, parseQuery(`?only=${only}`), NOW).items.map(textOf);
  assert.equal(shown('trouble'), ['fatal', 'gone']);
  assert.equal(shown('unreported'), ['gone']);
  assert.equal(shown('unexpected'), ['crashed']);
});

function textOf(item: Item): string {
  switch (item.kind) {
    case 'process':
      return item.row.name;
    case 'group':
      return `${item.isOpen ? '-' : '+'}${item.group}/${item.rows.length}`;
    case 'more':
      return `${item.hidden}more`;
    default: {
      const unhandled: never = item;
      throw new Error(`unhandled item ${unhandled}`);
    }
  }
}

page.run();
