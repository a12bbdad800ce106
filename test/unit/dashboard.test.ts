import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

const STATS = charts.filter(({ type }) => type === 'stat');

dashboard('a number that is not known is not green', () => {
  for (const { title, fieldConfig } of STATS) {
    const [lowest] = fieldConfig?.defaults.thresholds?.steps ?? [];
    assert.not.equal(lowest?.color, 'green', title);
  }
});

const UP = { 'supervisord_exporter_rpc_up{job="j", instance="i"}': '1x4' };
const SYNCED = { ...UP, 'supervisord_exporter_synced{job="j", instance="i"}': '1x4' };
const UNSYNCED = { ...UP, 'supervisord_exporter_synced{job="j", instance="i"}': '0x4' };
const fatal = { 'supervisord_state{job="j", instance="i", name="a", group="g"}': '200x4' };
const running = { 'supervisord_state{job="j", instance="i", name="b", group="g"}': '20x4' };
const ABSENT = {
  'ALERTS{job="j", alertname="SupervisorExporterAbsent", alertstate="firing"}': '1x4',
};

/** Series, and what the panels then show; -1 is "unknown". */
const SHOWN: ReadonlyArray<
  readonly [
    title: string,
    series: Readonly<Record<string, string>>,
    shown: Readonly<Record<string, number>>,
  ]
> = [
  ['no exporter', {}, { Alerts: -1, FATAL: -1, BACKOFF: -1, Running: -1, 'Unexpected exits': -1 }],
  ['no exporter, and the alert on that', ABSENT, { Alerts: 1, FATAL: -1 }],
  ['an exporter that is synced', { ...SYNCED, ...running }, { Alerts: 0, FATAL: 0, Running: 1 }],
  ['an exporter without the gauge', { ...UP, ...running }, { Alerts: 0, FATAL: 0, Running: 1 }],
  ['one that is not synced', { ...UNSYNCED, ...running }, { Alerts: -1, FATAL: -1, Running: -1 }],
  ['one that is not synced and knows of FATAL', { ...UNSYNCED, ...fatal }, { FATAL: 1 }],
  [
    'one of two that is gone',
    { ...SYNCED, ...running, 'supervisord_exporter_rpc_up{job="j", instance="k"}': '1 stale' },
    { Alerts: -1, FATAL: -1, Running: -1 },
  ],
];

for (const [title, series, shown] of SHOWN) {
  dashboard(`what the panels show with ${title}`, () => {
    const promql_expr_test = Object.entries(shown).map(([panel, value]) => {
      const [target] = STATS.find((stat) => stat.title === panel)?.targets ?? [];
      const expr = (target?.expr ?? '').replaceAll('$__range', '60s').replaceAll(/\$\w+/g, '.+');
      return { eval_time: '60s', expr, exp_samples: [{ labels: '{}', value }] };
    });
    const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    const test = { interval: '15s', input_series, promql_expr_test };
    promtoolTest({ rule_files: [], evaluation_interval: '15s', tests: [test] });
  });
}

/** Throws unless promtool finds that the tests hold. */
function promtoolTest(tests: unknown): void {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-dashboard-'));
  try {
    // JSON is YAML.
    writeFileSync(join(dir, 'test.yml'), JSON.stringify(tests));
    const { status, stdout, stderr } = spawnSync(
      'promtool',
      ['test', 'rules', join(dir, 'test.yml')],
      { encoding: 'utf8', timeout: 20_000 },
    );
    assert.is(status, 0, stdout + stderr);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

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
