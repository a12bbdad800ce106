import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PROCESS_STATES } from '../../src/supervisor/states.ts';
import { arrange } from '../../src/web/page/arrange.ts';
import {
  COLUMNS,
  type Column,
  DEFAULT_QUERY,
  formatQuery,
  ONLY,
  parseQuery,
  processLinks,
  type TableQuery,
  withSort,
  withStateToggled,
} from '../../src/web/page/table-query.ts';
import type { Row } from '../../src/web/page/view.ts';
import { anyText } from '../support/any-text.ts';
import { row } from '../support/page.ts';

const page = suite('page table query');
const NOW = 100_000;

/** In the default order: the most severe first. */
const BY_SEVERITY: readonly Row[] = [
  row('fatal', { state: 'FATAL', trouble: 'fatal' }),
  row('gone', { state: 'RUNNING', trouble: 'unreported exit' }),
  row('lost', { state: 'UNKNOWN', trouble: 'unknown' }),
  row('backing-off', { state: 'BACKOFF', trouble: 'backoff', tries: 2 }),
  row('retrying', { state: 'STARTING', trouble: 'starting again', tries: 2 }),
  row('zz-down', { state: 'EXITED', trouble: 'down', lastUnexpectedExit: 1000 }),
  row('zz-looping', { state: 'RUNNING', lastUnexpectedExit: NOW - 3599 }),
  row('a-starting', { state: 'STARTING' }),
  row('b-stopping', { state: 'STOPPING' }),
  row('c-exited-long-ago', { state: 'RUNNING', lastUnexpectedExit: NOW - 3600 }),
  row('d-running', { state: 'RUNNING' }),
  row('a-done', { state: 'EXITED', exitedAt: 1000, exits: 1 }),
  row('a-off', { state: 'STOPPED' }),
];

page('the default order puts processes in trouble first and sorts equal severity by name', () => {
  assert.equal(names(sorted([...BY_SEVERITY].reverse(), DEFAULT_QUERY)), names(BY_SEVERITY));
});

page('a process in a crash loop keeps its place in the default order', () => {
  const rest = [row('a', { state: 'STARTING' }), row('z', { state: 'FATAL', trouble: 'fatal' })];
  const loop: Partial<Row>[] = [
    { state: 'EXITED', exitedAt: NOW },
    { state: 'STARTING' },
    { state: 'RUNNING' },
  ];
  for (const turn of loop) {
    const looping = row('m', { lastUnexpectedExit: NOW, unexpected: 1, ...turn });
    assert.equal(names(sorted([looping, ...rest], DEFAULT_QUERY)), ['z', 'm', 'a']);
  }
});

/** Three processes, and their order by each column. */
const TRIO = [
  row('b', {
    since: 1,
    start: 30,
    exits: 2,
    unexpected: 0,
    exitedAt: 1,
    cpu: 0,
    memory: 9,
    pid: 3,
  }),
  row('A', {
    since: 3,
    start: 10,
    exits: 9,
    unexpected: 1,
    exitedAt: 2,
    cpu: 1,
    memory: 5,
    pid: 2,
  }),
  row('c:1', { exits: 10, unexpected: 2, state: 'FATAL', trouble: 'fatal' }),
];
const SORTED: Readonly<Record<Column, string>> = {
  process: 'A b 1',
  state: '1 A b',
  since: 'b A 1',
  exits: 'b A 1',
  unexpected: 'b A 1',
  exit: 'b A 1',
  cpu: 'b A 1',
  memory: 'A b 1',
  pid: 'A b 1',
};

for (const sort of COLUMNS) {
  page(`the table is sorted by ${sort} in both directions`, () => {
    const expected = SORTED[sort].split(' ');
    assert.equal(names(sorted(TRIO, { ...DEFAULT_QUERY, sort })), expected);
    const descending = names(sorted(TRIO, { ...DEFAULT_QUERY, sort, isDescending: true }));
    // A row without a value stays last.
    const hasValues = ['process', 'state', 'exits', 'unexpected'].includes(sort);
    const [one = '', two = '', three = ''] = expected;
    if (sort === 'state') assert.equal(descending, ['A', 'b', '1']);
    else assert.equal(descending, hasValues ? [three, two, one] : [two, one, three]);
  });
}

page('numbers in names are compared as numbers', () => {
  const rows = ['w-10', 'w-9', 'w-1'].map((name) => row(`w:${name}`));
  assert.equal(names(sorted(rows, { ...DEFAULT_QUERY, sort: 'process' })), ['w-1', 'w-9', 'w-10']);
});

const FILTERS: readonly (readonly [text: string, states: TableQuery['states'], shown: string])[] = [
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
  page(
    `the filter "${text}" with ${[...states].join(' or ') || 'any state'} shows "${shown}"`,
    () => {
      const rows = [
        row('shop:web'),
        row('shop:web-2', { state: 'FATAL' }),
        row('db', { state: 'STOPPED', reason: 'SIGKILL' }),
      ];
      const query: TableQuery = { ...DEFAULT_QUERY, sort: 'process', text, states };
      const expected = shown.split(' ').filter(Boolean);
      assert.equal(names(sorted(rows, query)).sort(), expected.sort());
    },
  );
}

page('a query is unchanged after formatting and parsing', () => {
  const queries = fc.record(
    {
      process: fc.option(anyText({ maxLength: 20 }), { nil: undefined }),
      sort: fc.constantFrom(...COLUMNS),
      isDescending: fc.boolean(),
      states: fc.subarray([...PROCESS_STATES]).map((states) => new Set(states)),
      only: fc.option(fc.constantFrom(...ONLY), { nil: undefined }),
      text: anyText({ maxLength: 50 }),
      open: fc.array(anyText()).map((groups) => new Set(groups)),
      closed: fc.array(anyText()).map((groups) => new Set(groups)),
      isFlat: fc.boolean(),
      seen: fc.option(fc.double({ min: 1, max: 2e9, noNaN: true }), { nil: undefined }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(queries, (query) => {
      const search = formatQuery(query);
      assert.match(search, /^\?[\w=&,:%.*+-]*$/);
      assert.equal(parseQuery(search), query);
    }),
  );
  assert.is(formatQuery(DEFAULT_QUERY), '?');
});

page('a link to a process keeps the rest of the query', () => {
  const query = parseQuery('?sort=-memory&q=web');
  for (const name of ['web:web-0', 'a b:ü&=?#%', 'x:🚀']) {
    const [group = '', process = ''] = name.split(':');
    const link = processLinks(query)({ group, name: process });
    assert.equal(parseQuery(link), { ...query, process: name });
  }
  assert.is(processLinks(DEFAULT_QUERY)({ group: 'a', name: 'b' }), '?process=a:b');
});

page('invalid values in a URL are replaced by the default', () => {
  for (const query of [
    '',
    '?',
    '?sort=size',
    '?sort=-',
    '?state=DEAD',
    '?%ff=%zz&&&',
    '?sort=constructor',
    '?only=x',
    '?seen=x',
    '?seen=-1',
  ]) {
    assert.equal(parseQuery(query), DEFAULT_QUERY, query);
  }
  assert.is(parseQuery(`?q=${'x'.repeat(100_000)}`).text.length, 200);
  // The text is cut in the middle of a surrogate pair.
  assert.match(formatQuery(parseQuery(`?q=${'x'.repeat(199)}🚀`)), /^\?q=x{199}%EF%BF%BD$/);
});

page('a click on a column header sorts by it, and a second click reverses the order', () => {
  const once = withSort(DEFAULT_QUERY, 'memory');
  assert.is(formatQuery(once), '?sort=-memory');
  assert.is(formatQuery(withSort(once, 'memory')), '?sort=memory');
  assert.is(formatQuery(withSort(once, 'process')), '?sort=process');
  assert.is(formatQuery(withSort(DEFAULT_QUERY, 'state')), '?sort=-state');
});

page('a click on a state adds it to the filter, and a second click removes it', () => {
  const one = withStateToggled(DEFAULT_QUERY, 'RUNNING');
  const two = withStateToggled(one, 'FATAL');
  assert.is(formatQuery(two), '?state=RUNNING,FATAL');
  assert.equal(withStateToggled(withStateToggled(two, 'FATAL'), 'RUNNING'), DEFAULT_QUERY);
});

/** Without groups. */
function sorted(rows: readonly Row[], query: TableQuery): Row[] {
  const { items } = arrange(rows, { ...query, isFlat: true }, NOW);
  return items.flatMap((item) => (item.kind === 'process' ? [item.row] : []));
}

function names(rows: readonly Row[]): string[] {
  return rows.map(({ name }) => name);
}

page.run();
