/** The kinds of panel that the dashboard has, each with the settings that all of its kind share. */

import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TableCellHeight,
  TableSortByFieldStateBuilder,
  TimelineValueAlignment,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as ChartBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { variable } from './queries.ts';

export const DATA_SOURCE = { type: 'prometheus', uid: variable('datasource') };

export const GREY = '#808080';

/** Texts and colors by value. */
export type Values = Readonly<
  Record<number, { readonly text: string; readonly color?: string } | undefined>
>;

export function mapping(values: Values): ValueMapping {
  const options = Object.entries(values).map(([value, result], index) => [
    value,
    { ...result, index },
  ]);
  return { type: MappingType.ValueToText, options: Object.fromEntries(options) };
}

/** The first step has no value: it is the color of everything below the next one, and of no data. */
function thresholds(...steps: readonly (readonly [value: number, color: string])[]) {
  const all: Threshold[] = [
    { value: null, color: GREY },
    ...steps.map(([value, color]) => ({ value, color })),
  ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(all);
}

const byThresholds = () => new FieldColorBuilder().mode(FieldColorModeId.Thresholds);
const letter = (index: number) => String.fromCharCode(65 + index);

/** The exporter's page, opened at a process where the panel names one. */
const pageUrl = (instance: string, query = '') =>
  `${variable('scheme')}://${variable(instance)}/${query}`;

const link = (title: string, url: string) =>
  new DashboardLinkBuilder(title).url(url).targetBlank(true);

const LABELS_OF_PROCESS = `?process=${variable('__field.labels.group:percentencode')}:${variable('__field.labels.name:percentencode')}`;
const FIELDS_OF_PROCESS = `?process=${variable('__data.fields.group:percentencode')}:${variable('__data.fields.name:percentencode')}`;

export type Of = 'exporter' | 'process';

interface Common {
  readonly title: string;
  readonly description: string;
}

interface StatOptions extends Common {
  readonly expr: string;
  readonly legend: string;
  /** From 1 on. */
  readonly color?: string;
  /** Of 0. */
  readonly none?: string;
  /** What -1 means. */
  readonly unknown?: { readonly text: string; readonly color: string };
  readonly withName?: boolean;
}

/** The present number of something that should not exist. */
export function stat(options: StatOptions): StatBuilder {
  const { color = 'red', none = 'green', unknown = { text: 'unknown', color: GREY } } = options;
  return new StatBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATA_SOURCE)
    .height(4)
    .span(4)
    .unit('none')
    .decimals(0)
    .noValue('unknown')
    .colorScheme(byThresholds())
    .mappings([mapping({ [-1]: unknown })])
    .thresholds(thresholds([0, none], [1, color]))
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .textMode(options.withName ? BigValueTextMode.ValueAndName : BigValueTextMode.Auto)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .withTarget(
      new DataqueryBuilder().refId('A').expr(options.expr).legendFormat(options.legend).instant(),
    );
}

interface TimelineOptions extends Common {
  readonly expr: string;
  readonly legend: string;
  readonly values: Values;
  readonly of: Of | 'group';
}

/** One bar for each series, whose color is its value. Where there is no value there is no bar. */
export function timeline(options: TimelineOptions): TimelineBuilder {
  const query = options.of === 'process' ? LABELS_OF_PROCESS : '';
  return new TimelineBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATA_SOURCE)
    .unit('none')
    .noValue('unknown')
    .colorScheme(byThresholds())
    .mappings([mapping(options.values)])
    .thresholds(thresholds())
    .dataLinks([link("The exporter's page", pageUrl('__field.labels.instance', query))])
    .fillOpacity(70)
    .lineWidth(0)
    .mergeValues(true)
    .rowHeight(0.9)
    .showValue(VisibilityMode.Auto)
    .alignValue(TimelineValueAlignment.Left)
    .legend(legend(false))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Single).sort(SortOrder.None))
    .withTarget(
      new DataqueryBuilder().refId('A').expr(options.expr).legendFormat(options.legend).range(),
    );
}

export type Line = readonly [expr: string, legend: string];

interface ChartOptions extends Common {
  readonly unit: string;
  readonly lines: readonly Line[];
  readonly drawn?: 'lines' | 'bars' | 'areas';
}

/** Lines, stacked bars or stacked areas over time. */
export function chart({ drawn = 'lines', ...options }: ChartOptions): ChartBuilder {
  const stacked = drawn === 'lines' ? StackingMode.None : StackingMode.Normal;
  const builder = new ChartBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATA_SOURCE)
    .height(8)
    .span(12)
    .unit(options.unit)
    .min(0)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .drawStyle(drawn === 'bars' ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .fillOpacity(drawn === 'lines' ? 10 : 70)
    .lineWidth(drawn === 'bars' ? 0 : 1)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .stacking(new StackingConfigBuilder().group('A').mode(stacked))
    .legend(legend(true))
    .tooltip(
      new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
    );
  for (const [index, [expr, legendFormat]] of options.lines.entries()) {
    builder.withTarget(
      new DataqueryBuilder().refId(letter(index)).expr(expr).legendFormat(legendFormat).range(),
    );
  }
  return builder;
}

function legend(shown: boolean): VizLegendOptionsBuilder {
  return new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(shown)
    .calcs([]);
}

/** A column with the values of a query. Without a title it is hidden, and only adds rows. */
export interface Column {
  readonly title?: string;
  readonly expr: string;
  readonly properties?: readonly DynamicConfigValue[];
}

interface TableOptions extends Common {
  /** In this order, before the columns. */
  readonly labels: readonly string[];
  readonly columns: readonly Column[];
  readonly sortBy?: string;
  readonly of: Of | 'group';
}

/** One row for each set of labels. */
export function table({ labels, columns, ...options }: TableOptions): TableBuilder {
  const value = (index: number) => (columns.length === 1 ? 'Value' : `Value #${letter(index)}`);
  const values = columns.map((column, index) => [value(index), column.title] as const);
  const shown = values.flatMap(([name, title]) => (title === undefined ? [] : [[name, title]]));
  const hidden = values.flatMap(([name, title]) => (title === undefined ? [[name, true]] : []));
  const order = [...labels, ...values.map(([name]) => name)].map((name, index) => [name, index]);
  const builder = new TableBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATA_SOURCE)
    .height(8)
    .unit('none')
    .colorScheme(byThresholds())
    .thresholds(thresholds())
    .filterable(true)
    .cellHeight(TableCellHeight.Sm)
    .showHeader(true)
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: { Time: true, ...Object.fromEntries(hidden) },
        indexByName: Object.fromEntries(order),
        renameByName: Object.fromEntries(shown),
      },
    });
  if (options.sortBy !== undefined) {
    builder.sortBy([new TableSortByFieldStateBuilder().displayName(options.sortBy).desc(true)]);
  }
  const query = options.of === 'process' ? FIELDS_OF_PROCESS : '';
  const page = link("The exporter's page", pageUrl('__data.fields.instance', query));
  const linked = options.of === 'process' ? 'name' : 'instance';
  builder.overrideByName(linked, [{ id: 'links', value: [page.build()] }]);
  for (const { title, properties } of columns) {
    if (title === undefined || properties === undefined) continue;
    builder.overrideByName(title, [...properties]);
  }
  for (const [index, { expr }] of columns.entries()) {
    builder.withTarget(
      new DataqueryBuilder()
        .refId(letter(index))
        .expr(expr)
        .format(PromQueryFormat.Table)
        .instant(),
    );
  }
  return builder;
}
