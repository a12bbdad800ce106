import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATE_CODES } from '../../src/supervisor/states.ts';
import { type Panel, queriesOf, readDashboard } from '../support/dashboard.ts';

const dashboard = suite('dashboard');

const board = readDashboard();
const queries = queriesOf(board);
const charts = board.panels.filter(({ type }) => type !== 'row');

const WIDTH = 24;
/** Grafana's own, which are there without a definition. */
const BUILT_IN = ['__interval', '__rate_interval', '__range'];
/** Metrics of a program, which have to follow the variables group and name. */
const PER_PROCESS =
  /^supervisord_(?:up|state|exit_status|exit_signal|start_time_seconds|process_\w+)$/;

/** A variable offers what there is for those to the left of it. */
const FOLLOWED: Readonly<Record<string, readonly string[]>> = {
  'variable instance': ['job'],
  'variable group': ['job', 'instance'],
  'variable name': ['job', 'instance', 'group'],
};

dashboard('it can be imported and provisioned as it is', () => {
  assert.is(board.id, null);
  assert.match(board.uid, /^[a-z-]{1,40}$/);
  assert.not.ok('__inputs' in board);
});

dashboard('everything asks the data source that is chosen', () => {
  const chosen = { type: 'prometheus', uid: '$' + '{datasource}' };
  for (const { title, datasource } of charts) assert.equal(datasource, chosen, title);
  for (const { name, type, datasource } of board.templating.list) {
    if (type === 'query') assert.equal(datasource, chosen, name);
  }
  for (const { name, builtIn, datasource } of board.annotations.list) {
    if (builtIn === undefined) assert.equal(datasource, chosen, name);
  }
});

dashboard('each panel has a number of its own, and each of its queries a letter', () => {
  assertUnique(board.panels.map(({ id }) => id));
  assertUnique(board.panels.map(({ title }) => title));
  for (const { targets } of charts) assertUnique((targets ?? []).map(({ refId }) => refId));
});

dashboard('no panel lies on another or over the edge', () => {
  for (const [index, panel] of board.panels.entries()) {
    const { x, w } = panel.gridPos;
    assert.ok(x >= 0 && w > 0 && x + w <= WIDTH, panel.title);
    for (const other of board.panels.slice(index + 1)) {
      assert.not.ok(overlap(panel, other), `${panel.title} and ${other.title}`);
    }
  }
});

dashboard('each panel says what it shows, in which unit, and what each line is', () => {
  for (const { title, type, description, fieldConfig, targets } of charts) {
    assert.match(description ?? '', /^[A-Za-z].*\.$/, title);
    assert.ok(fieldConfig?.defaults.unit, `${title} has a unit`);
    assert.ok(targets?.length, `${title} asks something`);
    for (const { legendFormat } of targets ?? []) {
      assert.is(legendFormat === undefined, type === 'table', `${title} has a legend`);
    }
  }
});

dashboard('only variables that are there are used, and all that are there are', () => {
  const used = new Set(
    queries.flatMap(({ expr }) => [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name)),
  );
  const defined = board.templating.list.map(({ name }) => name);
  assert.equal(
    [...used].filter((name) => !BUILT_IN.includes(name ?? '')).sort(),
    defined.filter((name) => name !== 'datasource').sort(),
  );
});

dashboard('every selector follows the variables that are chosen', () => {
  for (const { where, expr } of queries) {
    if (where === 'variable job') continue;
    const selectors = [...expr.matchAll(/([a-zA-Z_]\w*)\{([^}]*)\}/g)];
    const bare = [...expr.matchAll(/\b(?:supervisord|process)_\w+\b(?!\{)/g)];
    assert.ok(selectors.length > 0 && bare.length === 0, `${where}: ${bare}`);
    for (const [, metric = '', matchers = ''] of selectors) {
      const wanted = followedBy(where, metric);
      for (const name of wanted) assert.match(matchers, `${name}=~"$${name}"`, where);
    }
  }
});

dashboard('a rate is taken over what Grafana says is long enough', () => {
  for (const { where, expr } of queries) {
    for (const [, range] of expr.matchAll(/\b(?:rate|increase)\([^[]*\[([^\]]*)\]/g)) {
      assert.ok(['$__rate_interval', '$__range'].includes(range ?? ''), where);
    }
  }
});

dashboard('the states have the names that Supervisor gives them', () => {
  const timeline = board.panels.find(({ title }) => title === 'States');
  const [mapping] = timeline?.fieldConfig?.defaults.mappings ?? [];
  const named = Object.entries(mapping?.options ?? {}).map(([code, { text }]) => [text, +code]);
  assert.equal(Object.fromEntries(named), STATE_CODES);
});

/** The variables that a selector of a metric has to have. */
function followedBy(where: string, metric: string): readonly string[] {
  const ofPanel = ['job', 'instance', ...(PER_PROCESS.test(metric) ? ['group', 'name'] : [])];
  return FOLLOWED[where] ?? ofPanel;
}

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

function assertUnique(values: readonly unknown[]): void {
  assert.is(new Set(values).size, values.length, String(values));
}

dashboard.run();
