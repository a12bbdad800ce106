import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Choices,
  chartsOf,
  colorOf,
  columnColorOf,
  type Panel,
  type Query,
  queriesOf,
  readDashboard,
  substitute,
} from '../support/dashboard.ts';
import { eventually, timed } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';
import { type Prometheus, runPrometheus, shippedWith } from '../support/prometheus.ts';
import { play, type Story, type Supervisord } from '../support/supervisord.ts';

const dashboard = suite('dashboard');

const board = readDashboard();
const charts = chartsOf(board);

/** As "All" of the variable `job`: the values that its query finds. */
const JOB = { job: 'supervisor' };

dashboard(
  'each query of the dashboard, and each that docs/migration.md shows, returns data',
  timed(120_000, () =>
    withStory(async (prometheus) => {
      let due: readonly Query[] = [...queriesOf(board), ...queriesToMoveTo()];
      // Some have something to show only while it is fresh: each has to answer once.
      await eventually(60_000, async () => {
        due = await emptyOf(prometheus, due);
        assert.equal(due.filter(needsData), []);
      });
    }),
  ),
);

/** Nothing here is killed for lack of memory, and the host may have no limit. */
const needsData = ({ expr }: Query) => !/oom_kill|stop_kills|cgroup_memory_limit/.test(expr);

/** Those of the queries that return nothing now. Prometheus answers an error to one that is wrong. */
async function emptyOf(prometheus: Prometheus, queries: readonly Query[]): Promise<Query[]> {
  const empty: Query[] = [];
  for (const query of queries) {
    if ((await prometheus.query(substitute(board, query.expr, JOB))).length === 0) {
      empty.push(query);
    }
  }
  return empty;
}

/** The column "new" of docs/migration.md. */
function queriesToMoveTo(): readonly Query[] {
  const migration = readFileSync(new URL('../../docs/migration.md', import.meta.url), 'utf8');
  const rows = migration.matchAll(/^\| `[^|]*\| `([^`]+)` \|.*$/gm);
  const queries = [...rows].map(([, expr = '']) => ({ where: 'docs/migration.md', expr }));
  assert.ok(queries.length >= 12, 'the table is found');
  return queries;
}

async function withStory(body: (prometheus: Prometheus) => Promise<void>): Promise<void> {
  // No server listens there, so each alert that is pushed fails.
  const flags = [`--alertmanager.url=http://127.0.0.1:${await freePort()}`];
  // The heartbeat comes each 60 s as shipped; a panel that shows its age would have to wait.
  const section = {
    events:
      'PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_5,TICK_60',
  };
  await play({ conf: 'dashboard', flags, section }, async (supervisord) => {
    await supervisord.until(20_000, (metrics) => {
      assert.is(metrics.value('supervisord_state', { name: 'failing' }), 200);
      assert.is(metrics.value('supervisord_state', { name: 'failed' }), 100);
    });
    await supervisord.ctl('stop', 'stopped');
    await withPrometheusOf([addressOf(supervisord)], body);
  });
}

const GREEN = 'green';
const GREY = '#808080';

type Shown = Readonly<Record<string, readonly [value: number, color: string]>>;

const UNKNOWN: Shown = {
  FATAL: [-1, GREY],
  'Down unexpectedly': [-1, GREY],
  'Groups with a process down': [-1, GREY],
  Running: [-1, GREY],
  'Exited unexpectedly': [-1, GREY],
  'Alerts firing': [-1, GREY],
  'Unreported exits': [-1, GREY],
};

const HEALTHY: Shown = {
  FATAL: [0, GREEN],
  'Down unexpectedly': [0, GREEN],
  'Groups with a process down': [0, GREEN],
  // The exporter itself is one of them.
  Running: [2, 'blue'],
  'Exited unexpectedly': [0, GREEN],
  'Alerts firing': [0, 'text'],
  'Exporters down': [0, GREEN],
  'Not synced': [0, GREEN],
  'XML-RPC failing': [0, GREEN],
  'supervisord hung': [0, GREEN],
  'Unreported exits': [0, GREEN],
  'Collectors failing': [0, GREEN],
  'Exporters and supervisords': [4, GREEN],
};

const WITH_FATAL: Shown = {
  ...HEALTHY,
  FATAL: [1, 'red'],
  'Down unexpectedly': [1, 'red'],
  'Groups with a process down': [1, 'red'],
  'Alerts firing': [1, 'red'],
};

const NOT_SYNCED: Shown = {
  ...UNKNOWN,
  'Exporters down': [0, GREEN],
  'Not synced': [1, 'red'],
  'XML-RPC failing': [1, 'red'],
  'Exporters and supervisords': [2, 'orange'],
};

const UNKNOWN_EXPORTER: Shown = {
  'Not synced': [-1, GREY],
  'XML-RPC failing': [-1, GREY],
  'supervisord hung': [-1, GREY],
  'Collectors failing': [-1, GREY],
};

const DOWN: Shown = {
  ...UNKNOWN,
  ...UNKNOWN_EXPORTER,
  'Exporters down': [1, 'red'],
  'Exporters and supervisords': [0, 'red'],
};

const ABSENT: Shown = { ...UNKNOWN, ...UNKNOWN_EXPORTER, 'Exporters down': [-1, 'red'] };

const FAILING = '[program:failing]\ncommand=/no/such/program\nstartretries=0\n';
/** The exporter does not know it. */
const PASSWORD = '[unix_http_server]\nusername=me\npassword=secret\n';

dashboard(
  'the panels at the top show what is wrong, and nothing is green without an exporter',
  timed(150_000, () =>
    playAll(
      [
        { conf: 'quiet' },
        { conf: 'quiet', files: { 'failing.conf': FAILING } },
        { conf: 'quiet', files: { 'password.conf': PASSWORD } },
        { conf: 'quiet' },
      ],
      async (supervisords) => {
        const [healthy = '', fatal = '', notSynced = '', ended = ''] = supervisords.map(addressOf);
        const never = `127.0.0.1:${await freePort()}`;
        const targets = [healthy, fatal, notSynced, ended, never];
        await withPrometheusOf(targets, async (prometheus) => {
          await untilShown(prometheus, { ...JOB, instance: ended }, HEALTHY);
          await supervisords[3]?.stop();
          await untilShown(prometheus, { ...JOB, instance: ended }, DOWN);
          await nothingIsGreen(prometheus, { ...JOB, instance: ended });

          await untilShown(prometheus, { ...JOB, instance: healthy }, HEALTHY);
          await untilShown(prometheus, { ...JOB, instance: fatal }, WITH_FATAL);
          await untilShown(prometheus, { ...JOB, instance: notSynced }, NOT_SYNCED);
          for (const [choices, shown] of [
            [{ ...JOB, instance: never }, DOWN],
            [{ ...JOB, instance: 'no-such:1' }, ABSENT],
            [{ job: 'no-such' }, ABSENT],
            // While the query of the variable finds no job.
            [{ job: '' }, ABSENT],
          ] as const) {
            await untilShown(prometheus, choices, shown);
            await nothingIsGreen(prometheus, choices);
          }
          // One exporter that is missing is enough.
          await untilShown(prometheus, { ...JOB, instance: `${healthy}|${never}` }, DOWN);

          await supervisords[1]?.stop();
          await untilShown(
            prometheus,
            { ...JOB, instance: fatal },
            {
              FATAL: [1, 'red'],
              'Exporters down': [1, 'red'],
              Running: [-1, GREY],
            },
          );
          await nothingIsGreen(prometheus, { ...JOB, instance: fatal });
        });
      },
    ),
  ),
);

/** Waits until each panel has this one value, and shows it in this color. */
function untilShown(prometheus: Prometheus, choices: Choices, shown: Shown): Promise<void> {
  return eventually(30_000, async () => {
    const seen: Record<string, readonly [number, string | undefined]> = {};
    for (const title of Object.keys(shown)) {
      const panel = charts.find((chart) => chart.title === title);
      if (panel === undefined) throw new Error(`no panel ${title}`);
      const values = await valuesOf(prometheus, panel, choices);
      const value = title === 'Exporters and supervisords' ? Math.min(...values) : one(values);
      seen[title] = [value, colorOf(panel, value)];
    }
    assert.equal(seen, shown, JSON.stringify(choices));
  });
}

function one(values: readonly number[]): number {
  const [value, ...others] = values;
  if (value === undefined || others.length > 0) throw new Error(`values: ${values.join()}`);
  return value;
}

/** Of every panel that colors its values. */
async function nothingIsGreen(prometheus: Prometheus, choices: Choices): Promise<void> {
  for (const panel of charts) {
    const values = await valuesOf(prometheus, panel, choices);
    for (const value of [null, ...values]) {
      assert.is.not(colorOf(panel, value), GREEN, `${panel.title}: ${value}`);
    }
    if (panel.type !== 'table') continue;
    const titles = (panel.fieldConfig?.overrides ?? []).map(({ matcher }) => matcher.options);
    for (const title of titles) {
      for (const value of values) {
        assert.is.not(columnColorOf(panel, title, value), GREEN, `${panel.title}, ${title}`);
      }
    }
  }
}

/** What Prometheus returns now for all queries of a panel. */
async function valuesOf(
  prometheus: Prometheus,
  { targets = [] }: Panel,
  choices: Choices,
): Promise<readonly number[]> {
  const values: number[] = [];
  for (const { expr } of targets) {
    const series = await prometheus.query(substitute(board, expr, choices));
    values.push(...series.map(({ value }) => Number(value[1])));
  }
  return values;
}

/** A Prometheus with the shipped configuration, whose recording rules do not wait for minutes. */
function withPrometheusOf(
  targets: readonly string[],
  body: (prometheus: Prometheus) => Promise<void>,
): Promise<void> {
  const configure = (dir: string) => {
    writeFileSync(join(dir, 'alerts.yml'), shippedWith('alerts.yml', {}));
    const recording = shippedWith('recording.yml', {}).replaceAll(
      /^( +interval: )\d+[sm]$/gm,
      '$11s',
    );
    writeFileSync(join(dir, 'recording.yml'), recording);
    const config = shippedWith('prometheus.yml', {
      // The addresses follow the `- ` of a list.
      'localhost:9876': targets.join('\n          - '),
      'localhost:9093': '127.0.0.1:9',
    });
    writeFileSync(join(dir, 'prometheus.yml'), config);
  };
  return runPrometheus(configure, body);
}

const addressOf = ({ port }: Supervisord) => `127.0.0.1:${port}`;

/** Runs `body` with a supervisord for each story. */
async function playAll(
  [story, ...others]: readonly Story[],
  body: (supervisords: readonly Supervisord[]) => Promise<void>,
  before: readonly Supervisord[] = [],
): Promise<void> {
  if (story === undefined) return body(before);
  await play(story, (supervisord) => playAll(others, body, [...before, supervisord]));
}

dashboard.run();
