import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { atMost, type Goal } from '../../bench/report.ts';
import { BENCHES, benchTable } from '../../scripts/benches.ts';
import { blockOf, withBlock } from '../../scripts/document-block.ts';
import { areReached, FIGURES_HEAD, figureRows, RUN_OF_ALL } from '../../scripts/figures.ts';
import { ROOT } from '../../scripts/setup.ts';

const figures = suite('figures');

const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const seconds = (value: number) => `${value} s`;

/** The cells of a Markdown table, without its ruler. */
function cellsOf(table: string): string[][] {
  const rows = table.split('\n').map((line) => line.slice(2, -2).split(' | '));
  return rows.filter(([first = '']) => !/^-+:?$/.test(first));
}

figures('docs/performance.md has a row for each figure, as npm run bench writes it', () => {
  const block = blockOf(textOf('docs/performance.md'), 'figures');
  const [circumstances = '', table = ''] = block.split('\n\n');
  assert.match(
    circumstances,
    /^On \d{4}-\d\d-\d\d, \d+ cores, Node \d+\.\d+\.\d+, load average \d+\.\d before\.$/,
  );
  const [head, ...rows] = cellsOf(table);
  assert.equal(head, FIGURES_HEAD);
  const expected = RUN_OF_ALL.flatMap(({ figures: names, command }) =>
    names.map((name) => [name, `\`${command}\``]),
  );
  const names = expected.map(([name]) => name);
  const found = rows.filter(([name]) => names.includes(name));
  assert.equal(
    found.map((row) => [row[0], row.at(-1)]),
    expected,
  );
});

figures(
  'docs/performance.md and docs/reliability.md have the blocks that other benches write',
  () => {
    for (const [file, name] of [
      ['docs/performance.md', 'growth'],
      ['docs/reliability.md', 'thousands'],
    ] as const) {
      assert.match(blockOf(textOf(file), name), /^\|.*\|$/m);
    }
  },
);

figures('bench/README.md lists every bench, and every bench has a file', () => {
  assert.is(blockOf(textOf('bench/README.md'), 'benches'), benchTable());
  for (const name of Object.keys(BENCHES)) assert.ok(existsSync(join(ROOT, `bench/${name}.ts`)));
  const files = readdirSync(join(ROOT, 'bench')).filter(
    (file) => file.endsWith('.ts') && /^await cleaningUp\(/m.test(textOf(`bench/${file}`)),
  );
  assert.equal(
    files.sort(),
    Object.keys(BENCHES)
      .map((name) => `${name}.ts`)
      .sort(),
  );
});

figures('a bench that reports nothing has failed', () => {
  const rows = figureRows(new Map());
  assert.is(rows.length, RUN_OF_ALL.flatMap(({ figures: names }) => names).length);
  assert.ok(rows.every(([, , result]) => result === 'failed'));
  assert.not(areReached(rows));
});

figures('rows show goals that are reached, and goals that are missed', () => {
  const reported = new Map<string, Goal[]>(
    RUN_OF_ALL.map(({ name, figures: names }) => [
      name,
      names.map((what) => atMost(what, 1, 2, seconds, 'a peer: 3 s')),
    ]),
  );
  assert.ok(areReached(figureRows(reported)));
  reported
    .get('unit-tests')
    ?.push(atMost('another', 1, 2, seconds), atMost('one more', 3, 2, seconds));
  const rows = figureRows(reported);
  assert.equal(rows.slice(-2), [
    [
      'duration of the unit tests',
      'a peer: 3 s',
      '1 s',
      'at most 2 s',
      'yes',
      'npm run bench unit-tests',
    ],
    ['one more', '', '3 s', 'at most 2 s', 'no', 'npm run bench unit-tests'],
  ]);
  assert.not(areReached(rows));
});

figures('a block of a document is replaced, and what surrounds it is kept', () => {
  const before = 'a\n<!-- one: written by x -->\nold $1\n<!-- end of one -->\nb\n';
  const after = withBlock(before, 'one', 'new $1');
  assert.is(after, 'a\n<!-- one: written by x -->\n\nnew $1\n\n<!-- end of one -->\nb\n');
  assert.is(withBlock(after, 'one', 'new $1'), after);
  assert.is(blockOf(after, 'one'), 'new $1');
  assert.throws(() => withBlock(before, 'two', ''), /no block "two"/);
});

figures.run();
