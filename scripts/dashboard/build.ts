/** The whole dashboard: variables, annotations, links, and the panels in their order. */

import {
  type AnnotationQuery,
  AnnotationQueryBuilder,
  CustomVariableBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { ownerOf } from '../package-info.ts';
import { DATA_SOURCE } from './panels.ts';
import { ofProcess } from './queries.ts';
import { exporter, numbers, processes, reasons, resources, transitions } from './sections.ts';

/** The schema version of Grafana 10.3, which later versions migrate. The SDK's default is that of 9.0. */
const SCHEMA_VERSION = 39;

const RUNBOOK = `https://github.com/${ownerOf()}/supervisor-exporter/blob/main/prometheus-rules/RUNBOOK.md`;

/** Fields that Grafana's data source for Prometheus reads, and the schemas of 10 and 11 lack. */
interface PrometheusAnnotation extends AnnotationQuery {
  readonly step?: string;
  readonly tagKeys: string;
  readonly titleFormat: string;
  readonly textFormat: string;
  /** Whether the value is the time, in milliseconds. */
  readonly useValueForTime?: boolean;
}

const annotation = (name: string, color: string, expr: string) =>
  new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATA_SOURCE)
    .enable(true)
    .hide(false)
    .iconColor(color)
    .expr(expr)
    .build();

const ALERTS: PrometheusAnnotation = {
  ...annotation(
    'Alerts',
    'red',
    'ALERTS{job=~"$job", instance=~"$instance|", alertname=~"Supervisor.+", alertstate="firing"}',
  ),
  step: '10s',
  tagKeys: 'severity',
  titleFormat: '{{alertname}}',
  textFormat: '{{instance}} {{group}} {{name}}',
};

const STARTS: PrometheusAnnotation = {
  ...annotation(
    'Starts',
    'blue',
    `1000 * ${ofProcess('supervisord_start_time_seconds')} >= $__from`,
  ),
  tagKeys: 'group,name',
  titleFormat: 'start of {{group}}:{{name}}',
  textFormat: '{{instance}}',
  useValueForTime: true,
};

const built = <T>(value: T) => ({ build: () => value });

const ALL = { selected: true, text: ['All'], value: ['$__all'] };

/** A variable whose values Prometheus knows, all of which are chosen at first. */
const queried = (name: string, query: string) =>
  new QueryVariableBuilder(name)
    .label(name)
    .datasource(DATA_SOURCE)
    .query({ query, refId: `PrometheusVariableQueryEditor-${name}` })
    .current(ALL)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .includeAll(true)
    .multi(true);

/** The first of the values is chosen at first. */
function choice(name: string, label: string, values: Readonly<Record<string, string>>) {
  const options = Object.entries(values).map(([text, value], index) => {
    return { text, value, selected: index === 0 };
  });
  const [current = { text: '', value: '' }] = options;
  const query = options.map(({ text, value }) => `${text} : ${value}`).join(',');
  return new CustomVariableBuilder(name)
    .label(label)
    .values(query)
    .options(options)
    .current(current);
}

/**
 * "All" of `job` has to be the jobs that were found, since `up` exists for every job. A target of the
 * shipped job counts also if no scrape of it ever succeeded.
 */
const VARIABLES = [
  new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
  queried(
    'job',
    'query_result(count by (job) (last_over_time(supervisord_exporter_build_info[$__range]) or up{job="supervisor"}))',
  ).regex('/job="([^"]+)"/'),
  queried(
    'instance',
    'label_values({__name__=~"up|supervisord_exporter_build_info", job=~"$job"}, instance)',
  ).allValue('.+'),
  queried(
    'group',
    'label_values(supervisord_state{job=~"$job", instance=~"$instance"}, group)',
  ).allValue('.+'),
  queried(
    'name',
    'label_values(supervisord_state{job=~"$job", instance=~"$instance", group=~"$group"}, name)',
  ).allValue('.+'),
  // As regular expressions for the names of further processes: none, and every one.
  choice('show', 'States of', { 'processes with trouble': '^$', 'all processes': '.+' }),
  choice('scheme', 'Pages by', { http: 'http', https: 'https' }),
];

export function buildDashboard(): Dashboard {
  const builder = new DashboardBuilder('Supervisor')
    .id(null)
    .uid('supervisor-exporter')
    .description(
      'Every process of Supervisor, as supervisor-exporter reports it: states, transitions, exits, resources, and the exporter itself.',
    )
    .tags(['supervisor', 'supervisord'])
    .timezone('browser')
    .editable()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('10s')
    .variables(VARIABLES)
    .annotations([built(ALERTS), built(STARTS)])
    .link(
      new DashboardLinkBuilder('Runbook')
        .type(DashboardLinkType.Link)
        .icon('doc')
        .url(RUNBOOK)
        .targetBlank(true),
    );
  for (const panel of [...numbers(), ...reasons()]) builder.withPanel(panel);
  for (const [title, panels] of [
    ['Processes', processes()],
    ['Transitions and exits', transitions()],
  ] as const) {
    builder.withRow(new RowBuilder(title));
    for (const panel of panels) builder.withPanel(panel);
  }
  for (const [title, panels] of [
    ['Resources', resources()],
    ['Exporter', exporter()],
  ] as const) {
    const row = new RowBuilder(title).collapsed(true);
    for (const panel of panels) row.withPanel(panel);
    builder.withRow(row);
  }
  return number({ ...builder.build(), schemaVersion: SCHEMA_VERSION });
}

/** Gives each panel the number by which a link finds it. */
function number(dashboard: Dashboard): Dashboard {
  let id = 0;
  for (const panel of dashboard.panels ?? []) {
    panel.id = ++id;
    if (!('panels' in panel)) continue;
    for (const inner of panel.panels) inner.id = ++id;
  }
  return dashboard;
}

/** The text of grafana/supervisor-exporter.json. */
export const dashboardText = () => `${JSON.stringify(buildDashboard(), undefined, 2)}\n`;
