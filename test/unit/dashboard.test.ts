import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dashboardText } from '../../scripts/dashboard/build.ts';
import { ROOT } from '../../scripts/setup.ts';
import { STATE_CODES } from '../../src/supervisor/states.ts';
import {
  allPanels,
  chartsOf,
  colorOf,
  type Panel,
  queriesOf,
  readDashboard,
} from '../support/dashboard.ts';

const dashboard = suite('dashboard');

const board = readDashboard();
const queries = queriesOf(board);
const panels = allPanels(board);
const charts = chartsOf(board);

const WIDTH = 24;
/** Grafana's own, which are there without a definition. */
const BUILT_IN = ['__interval', '__rate_interval', '__range', '__from'];
/** Metrics of a process, which have to follow the variables group and name. */
const PER_PROCESS =
  /^supervisord_(?:up|state|exit_\w+|start_time_seconds|process_\w+)$|^instance_group_name:/;

/** A variable offers what there is for those to the left of it. */
const FOLLOWED: Readonly<Record<string, readonly string[]>> = {
  'variable instance': ['job'],
  'variable group': ['job', 'instance'],
  'variable name': ['job', 'instance', 'group'],
};

dashboard('the file is what npm run dashboard writes', () => {
  const file = join(ROOT, 'grafana/supervisor-exporter.json');
  assert.is(readFileSync(file, 'utf8'), dashboardText());
});

for (const version of [11, 12]) {
  dashboard(`the dashboard follows the schema of Grafana ${version}`, () => {
    const project = `scripts/dashboard/tsconfig.grafana-${version}.json`;
    const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.is(status, 0, stdout);
  });
}

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
  for (const { name, datasource } of board.annotations.list) {
    assert.equal(datasource, chosen, name);
  }
});

dashboard('each panel has a number of its own, and each of its queries a letter', () => {
  assertUnique(panels.map(({ id }) => id));
  assertUnique(panels.map(({ title }) => title));
  for (const { targets } of charts) assertUnique((targets ?? []).map(({ refId }) => refId));
});

dashboard('no panel lies on another or over the edge', () => {
  for (const shown of [board.panels, ...panels.map(({ panels: inner = [] }) => inner)]) {
    for (const [index, panel] of shown.entries()) {
      const { x, w } = panel.gridPos;
      assert.ok(x >= 0 && w > 0 && x + w <= WIDTH, panel.title);
      for (const other of shown.slice(index + 1)) {
        assert.not.ok(overlap(panel, other), `${panel.title} and ${other.title}`);
      }
    }
  }
});

dashboard(
  'problems are shown first, and the rows of resources and the exporter are collapsed',
  () => {
    const rows = board.panels.filter(({ type }) => type === 'row');
    const closed = rows.filter(({ collapsed }) => collapsed);
    assert.equal(
      closed.map(({ title }) => title),
      ['Resources', 'Exporter'],
    );
    assert.ok(closed.every(({ panels: inner = [] }) => inner.length > 0));
    assert.equal(
      board.panels.slice(0, 4).map(({ title }) => title),
      ['FATAL', 'Down unexpectedly', 'Groups with a process down', 'Running'],
    );
  },
);

dashboard('each process and exporter links to its page, and the dashboard to the runbook', () => {
  const linked = charts.filter(({ type }) => type === 'table' || type === 'state-timeline');
  for (const { title, fieldConfig } of linked) {
    const { defaults, overrides } = fieldConfig ?? { defaults: {}, overrides: [] };
    const urls = JSON.stringify([defaults.links, overrides]);
    assert.match(
      urls,
      /\$\{scheme\}:\/\/\$\{__(?:field\.labels|data\.fields)\.instance\}\//,
      title,
    );
  }
  assert.match(board.links[0]?.url ?? '', /^https:.*\/RUNBOOK\.md$/);
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
    // The others are in data sources and links.
    defined.filter((name) => name !== 'datasource' && name !== 'scheme').sort(),
  );
});

dashboard('every selector follows the variables that are chosen', () => {
  for (const { where, expr } of queries) {
    if (where === 'variable job') continue;
    const selectors = [...expr.matchAll(/([a-zA-Z_][\w:]*)?(?<!\$)\{([^}]*)\}/g)];
    const bare = [
      ...expr.matchAll(/(?<![\w:"|])(?:supervisord|process|instance\w*:)[\w:]+(?![\w:{"])/g),
    ];
    assert.ok(selectors.length > 0 && bare.length === 0, `${where}: ${bare}`);
    for (const [, metric = '', matchers = ''] of selectors) {
      const wanted = followedBy(where, metric);
      for (const name of wanted) {
        // An alert without the label, as SupervisorExporterAbsent, belongs to every instance.
        const value = metric === 'ALERTS' && name === 'instance' ? `$${name}|` : `$${name}`;
        assert.ok(matchers.includes(`${name}=~"${value}"`), where);
      }
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

dashboard('what is not known is not green', () => {
  for (const panel of charts) {
    assert.not.equal(colorOf(panel, null), 'green', panel.title);
    if (panel.type === 'stat') assert.not.equal(colorOf(panel, -1), 'green', panel.title);
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
