import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PROCESS_STATES } from '../../src/supervisor/states.ts';
import {
  type Arrangement,
  arrange,
  COLUMNS,
  type Column,
  DEFAULT,
  formatQuery,
  isTrouble,
  parseQuery,
  sortedBy,
  withStateToggled,
} from '../../src/web/page/arrange.ts';
import type { Row } from '../../src/web/page/view.ts';
import { row } from '../support/page.ts';

const page = suite('page arrangement');
const NOW = 100_000;

/** The worst first: the order that nobody asked for. */
const BY_TROUBLE: readonly (readonly [row: Row, isTrouble: boolean])[] = [
  [row('given-up', { state: 'FATAL' }), true],
  [row('lost-sight-of', { state: 'UNKNOWN' }), true],
  [row('trying', { state: 'BACKOFF', tries: 2 }), true],
  [row('trying-again', { state: 'STARTING', tries: 2 }), true],
  [
    row('zz-down', { state: 'EXITED', ended: 1000, lastUnexpected: 1000, exits: 1, unexpected: 1 }),
    true,
  ],
  [row('zz-looping', { state: 'RUNNING', lastUnexpected: NOW - 3599 }), true],
  [row('a-starting', { state: 'STARTING' }), false],
  [row('b-stopping', { state: 'STOPPING' }), false],
  [row('c-long-ago', { state: 'RUNNING', lastUnexpected: NOW - 3600 }), false],
  [row('d-well', { state: 'RUNNING' }), false],
  [row('a-done', { state: 'EXITED', ended: 1000, exits: 1 }), false],
  [row('a-off', { state: 'STOPPED' }), false],
];

page('what needs somebody comes first, and the rest in the order of names', () => {
  const rows = BY_TROUBLE.map(([row]) => row);
  assert.equal(names(arrange([...rows].reverse(), DEFAULT, NOW)), names(rows));
  for (const [row, expected] of BY_TROUBLE) assert.is(isTrouble(row, NOW), expected, row.name);
});

page('a program that goes round in circles keeps its place', () => {
  const rest = [row('a', { state: 'STARTING' }), row('z', { state: 'FATAL' })];
  const circle: Partial<Row>[] = [
    { state: 'EXITED', ended: NOW },
    { state: 'STARTING' },
    { state: 'RUNNING' },
  ];
  for (const turn of circle) {
    const looping = row('m', { lastUnexpected: NOW, unexpected: 1, ...turn });
    assert.equal(names(arrange([looping, ...rest], DEFAULT, NOW)), ['z', 'm', 'a']);
  }
});

/** Three processes, and their order by each column. */
const TRIO = [
  row('b', { since: 1, start: 30, exits: 2, unexpected: 0, ended: 1, cpu: 0, memory: 9, pid: 3 }),
  row('A', { since: 3, start: 10, exits: 9, unexpected: 1, ended: 2, cpu: 1, memory: 5, pid: 2 }),
  row('c:1', { exits: 10, unexpected: 2, state: 'FATAL' }),
];
const SORTED: Readonly<Record<Column, string>> = {
  process: 'A b 1',
  state: '1 A b',
  since: 'b A 1',
  // The one that began last has the shortest.
  uptime: 'b A 1',
  exits: 'b A 1',
  unexpected: 'b A 1',
  exit: 'b A 1',
  cpu: 'b A 1',
  memory: 'A b 1',
  pid: 'A b 1',
};

for (const sort of COLUMNS) {
  page(`sorted by ${sort}`, () => {
    const expected = SORTED[sort].split(' ');
    assert.equal(names(arrange(TRIO, { ...DEFAULT, sort }, NOW)), expected);
    const descending = names(arrange(TRIO, { ...DEFAULT, sort, isDescending: true }, NOW));
    // What has no value stays last.
    const hasValues = ['process', 'state', 'exits', 'unexpected'].includes(sort);
    const [one = '', two = '', three = ''] = expected;
    if (sort === 'state') assert.equal(descending, ['A', 'b', '1']);
    else assert.equal(descending, hasValues ? [three, two, one] : [two, one, three]);
  });
}

page('numbers in names count as numbers', () => {
  const rows = ['w-10', 'w-9', 'w-1'].map((name) => row(`w:${name}`));
  assert.equal(names(arrange(rows, { ...DEFAULT, sort: 'process' }, NOW)), ['w-1', 'w-9', 'w-10']);
});

const FILTERS: readonly (readonly [text: string, states: Arrangement['states'], shown: string])[] =
  [
    ['', new Set(), 'web web-2 db'],
    ['WEB', new Set(), 'web web-2'],
    ['shop: 2', new Set(), 'web-2'],
    ['web fatal', new Set(), 'web-2'],
    ['sigkill', new Set(), 'db'],
    ['nothing', new Set(), ''],
    ['', new Set(['FATAL'] as const), 'web-2'],
    ['', new Set(['FATAL', 'STOPPED'] as const), 'web-2 db'],
    ['db', new Set(['FATAL'] as const), ''],
  ];

for (const [text, states, shown] of FILTERS) {
  page(`shows "${shown}" for "${text}" and ${[...states].join(' or ') || 'any state'}`, () => {
    const rows = [
      row('shop:web'),
      row('shop:web-2', { state: 'FATAL' }),
      row('db', { state: 'STOPPED', reason: 'SIGKILL' }),
    ];
    const arrangement: Arrangement = { ...DEFAULT, sort: 'process', text, states };
    const expected = shown.split(' ').filter(Boolean);
    assert.equal(names(arrange(rows, arrangement, NOW)).sort(), expected.sort());
  });
}

page('an arrangement survives the address', () => {
  const arrangements = fc.record(
    {
      sort: fc.constantFrom(...COLUMNS),
      isDescending: fc.boolean(),
      states: fc.subarray([...PROCESS_STATES]).map((states) => new Set(states)),
      text: fc.string({ unit: 'binary', maxLength: 50 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(arrangements, (arrangement) => {
      const query = formatQuery(arrangement);
      assert.match(query, /^\?[\w=&,%.*+-]*$/);
      assert.equal(parseQuery(query), arrangement);
    }),
  );
  assert.is(formatQuery(DEFAULT), '?');
});

page('an address that somebody has written is taken for what can be made of it', () => {
  for (const query of [
    '',
    '?',
    '?sort=size',
    '?sort=-',
    '?state=DEAD',
    '?%ff=%zz&&&',
    '?sort=constructor',
  ]) {
    assert.equal(parseQuery(query), DEFAULT, query);
  }
  assert.is(parseQuery(`?q=${'x'.repeat(100_000)}`).text.length, 200);
  // What is left over is half an emoji.
  assert.match(formatQuery(parseQuery(`?q=${'x'.repeat(199)}🚀`)), /^\?q=x{199}%EF%BF%BD$/);
});

page('a click on the head of a column sorts by it, and another one the other way round', () => {
  const once = sortedBy(DEFAULT, 'memory');
  assert.is(formatQuery(once), '?sort=-memory');
  assert.is(formatQuery(sortedBy(once, 'memory')), '?sort=memory');
  assert.is(formatQuery(sortedBy(once, 'process')), '?sort=process');
  assert.is(formatQuery(sortedBy(DEFAULT, 'state')), '?sort=-state');
});

page('a click on a state shows it too, and another one no more', () => {
  const one = withStateToggled(DEFAULT, 'RUNNING');
  const two = withStateToggled(one, 'FATAL');
  assert.is(formatQuery(two), '?state=RUNNING,FATAL');
  assert.equal(withStateToggled(withStateToggled(two, 'FATAL'), 'RUNNING'), DEFAULT);
});

function names(rows: readonly Row[]): string[] {
  return rows.map(({ name }) => name);
}

page.run();
