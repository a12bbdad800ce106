import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chartsOf, readDashboard } from '../support/dashboard.ts';

const dashboard = suite('dashboard');

const charts = chartsOf(readDashboard());

const of = (metric: string, instance = 'i') => `${metric}{job="j", instance="${instance}"}`;
const process = (name: string) =>
  `supervisord_state{job="j", instance="i", name="${name}", group="g"}`;

const UP = { [of('up')]: '1x4', [of('supervisord_exporter_rpc_up')]: '1x4' };
const SYNCED = { ...UP, [of('supervisord_exporter_synced')]: '1x4' };
const UNSYNCED = { ...UP, [of('supervisord_exporter_synced')]: '0x4' };
const RUNNING = { [process('b')]: '20x4', [process('c')]: '0x4' };
const FATAL = { [process('a')]: '200x4' };
const ABSENT = {
  'ALERTS{job="j", alertname="SupervisorExporterAbsent", alertstate="firing"}': '1x4',
};

type Shown = Readonly<Record<string, number>>;
const UNKNOWN = { FATAL: -1, 'Down unexpectedly': -1, Running: -1, 'Exited unexpectedly': -1 };

/** Series, and what the panels then show; -1 is "unknown". */
const SHOWN: ReadonlyArray<
  readonly [title: string, series: Readonly<Record<string, string>>, shown: Shown]
> = [
  ['no exporter', {}, { ...UNKNOWN, 'Alerts firing': -1, 'Exporters down': -1, 'Not synced': -1 }],
  ['no exporter, and the alert on that', ABSENT, { ...UNKNOWN, 'Alerts firing': 1 }],
  [
    'an exporter that is synced',
    { ...SYNCED, ...RUNNING },
    { FATAL: 0, Running: 1, 'Not synced': 0, 'Exporters down': 0, 'Alerts firing': 0 },
  ],
  [
    'an exporter without the gauge',
    { ...UP, ...RUNNING },
    { ...UNKNOWN, 'Not synced': -1, 'Exporters down': 1 },
  ],
  [
    'one that is not synced',
    { ...UNSYNCED, ...RUNNING },
    { ...UNKNOWN, 'Not synced': 1, 'Exporters down': 0, 'Alerts firing': -1 },
  ],
  ['one that is not synced and knows of FATAL', { ...UNSYNCED, ...FATAL }, { FATAL: 1 }],
  [
    'one of two that has never answered',
    { ...SYNCED, ...RUNNING, [of('up', 'k')]: '0x4' },
    { ...UNKNOWN, 'Not synced': -1, 'Exporters down': 1, 'XML-RPC failing': -1 },
  ],
  [
    'one of two that is gone',
    { ...SYNCED, ...RUNNING, [of('supervisord_exporter_synced', 'k')]: '1 stale' },
    { ...UNKNOWN, 'Not synced': -1, 'Exporters down': 1 },
  ],
];

for (const [title, series, shown] of SHOWN) {
  dashboard(`what the panels show with ${title}`, () => {
    const promql_expr_test = Object.entries(shown).map(([panel, value]) => {
      const [target] = charts.find((chart) => chart.title === panel)?.targets ?? [];
      const expr = (target?.expr ?? '')
        .replaceAll('$__range', '60s')
        .replaceAll(/\$\{__from\S*\}/g, '0')
        .replaceAll(/\$\w+/g, '.+');
      const all = value < 0 ? '?' : String(Object.keys(RUNNING).length);
      const labels = panel === 'Running' ? `{of="${all}"}` : '{}';
      return { eval_time: '60s', expr, exp_samples: [{ labels, value }] };
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

dashboard.run();
