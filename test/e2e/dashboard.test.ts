import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Query, queriesOf, readDashboard } from '../support/dashboard.ts';
import { eventually, timed } from '../support/deadline.ts';
import { freePort } from '../support/ports.ts';
import { type Prometheus, withShippedPrometheus } from '../support/prometheus.ts';
import { play } from '../support/supervisord.ts';

const dashboard = suite('dashboard');

/** What Grafana puts in for its own variables, at a scrape a second and the shortest of ranges. */
const BUILT_IN: Readonly<Record<string, string>> = {
  __rate_interval: '4s',
  __interval: '1s',
  __range: '60s',
};

dashboard(
  'each query of the dashboard, and each that docs/migration.md shows, returns data',
  timed(120_000, () =>
    withStory(async (prometheus) => {
      let due: readonly Query[] = [...queriesOf(readDashboard()), ...queriesToMoveTo()];
      // Some have something to show only while it is fresh: each has to answer once.
      await eventually(45_000, async () => {
        due = await emptyOf(prometheus, due);
        assert.equal(due, []);
      });
    }),
  ),
);

/** Those of the queries that return nothing now. */
async function emptyOf(prometheus: Prometheus, queries: readonly Query[]): Promise<Query[]> {
  const empty: Query[] = [];
  for (const query of queries) {
    if ((await prometheus.query(substitute(query.expr))).length === 0) empty.push(query);
  }
  return empty;
}

/** As Grafana does while "All" is chosen for each variable. */
function substitute(expr: string): string {
  const { list } = readDashboard().templating;
  const all = Object.fromEntries(list.map(({ name, allValue }) => [name, allValue]));
  return expr.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = BUILT_IN[name] ?? all[name];
    if (value === undefined) throw new Error(`no variable ${name}`);
    return value;
  });
}

/** The column "here" of docs/migration.md. */
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
    const target = `127.0.0.1:${supervisord.port}`;
    await withShippedPrometheus({ target, alertmanagers: ['127.0.0.1:9'] }, body);
  });
}

dashboard.run();
