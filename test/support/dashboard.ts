/** The shipped dashboard, as Grafana's classic JSON model has it, and what Grafana makes of it. */

import { readFileSync } from 'node:fs';

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat?: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly datasource?: unknown;
  readonly collapsed?: boolean;
  /** Of a collapsed row. */
  readonly panels?: readonly Panel[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly color?: { readonly mode: string };
      readonly mappings?: readonly Mapping[];
      readonly thresholds?: { readonly steps: readonly Step[] };
      readonly links?: ReadonlyArray<{ readonly url: string }>;
    };
    readonly overrides: ReadonlyArray<{
      readonly matcher: { readonly options: string };
      readonly properties: ReadonlyArray<{ readonly id: string; readonly value: unknown }>;
    }>;
  };
  readonly targets?: readonly Target[];
}

/** The color from this value on; the first step has none and is also the color of no data. */
export interface Step {
  readonly color: string;
  readonly value: number | null;
}

export interface Mapping {
  readonly options: Readonly<Record<string, { readonly text: string; readonly color?: string }>>;
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query?: string | { readonly query: string };
  readonly regex?: string;
  readonly allValue?: string;
  readonly current?: { readonly value: string | readonly string[] };
  readonly datasource?: unknown;
}

export interface Dashboard {
  readonly id: unknown;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly links: ReadonlyArray<{ readonly title: string; readonly url: string }>;
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: {
    readonly list: ReadonlyArray<{
      readonly name: string;
      readonly datasource: unknown;
      readonly expr: string;
    }>;
  };
}

export function readDashboard(): Dashboard {
  const file = new URL('../../grafana/supervisor-exporter.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
}

/** The panels, including those of collapsed rows. */
export function allPanels({ panels }: Dashboard): readonly Panel[] {
  return panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
}

/** The panels without the rows. */
export const chartsOf = (board: Dashboard) => allPanels(board).filter(({ type }) => type !== 'row');

/** A query of the dashboard, and where in it that is. */
export interface Query {
  readonly where: string;
  readonly expr: string;
}

/** Every query that Grafana sends for the dashboard, its variables still in it. */
export function queriesOf(board: Dashboard): readonly Query[] {
  return [
    ...chartsOf(board).flatMap(({ title, targets }) =>
      (targets ?? []).map(({ refId, expr }) => ({ where: `${title}, ${refId}`, expr })),
    ),
    ...board.annotations.list.map(({ name, expr }) => ({ where: `annotation ${name}`, expr })),
    ...board.templating.list.flatMap((variable) => {
      const expr = queryOf(variable);
      return expr === undefined ? [] : [{ where: `variable ${variable.name}`, expr }];
    }),
  ];
}

/** The query of a variable, for Prometheus: its result has the label of which the variable has the values. */
function queryOf({ query }: Variable): string | undefined {
  if (typeof query !== 'object') return undefined;
  const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query) ?? [];
  if (selector !== undefined) return `count by (${label}) (${selector})`;
  const [, result] = /^query_result\((.+)\)$/.exec(query.query) ?? [];
  if (result === undefined)
    throw new Error(`neither label_values nor query_result: ${query.query}`);
  return result;
}

/** The values of variables, by name; a variable that is not there is "All", or what is chosen at first. */
export type Choices = Readonly<Record<string, string>>;

/** The values of Grafana's own variables, at one scrape per second and the shortest range. */
function builtIn(nowMs: number): Choices {
  return {
    __rate_interval: '4s',
    __interval: '1s',
    __range: '60s',
    __from: String(nowMs - 60_000),
    '__from:date:seconds': String(Math.floor((nowMs - 60_000) / 1000)),
  };
}

/** The query as Grafana sends it. The job has no value of its own for "All" and has to be chosen. */
export function substitute(board: Dashboard, expr: string, choices: Choices): string {
  const values = { ...builtIn(Date.now()), ...initialChoices(board), ...choices };
  return expr.replaceAll(/\$(?:\{([\w:]+)\}|(\w+))/g, (_, braced: string, bare: string) => {
    const value = values[braced ?? bare];
    if (value === undefined) throw new Error(`no variable ${braced ?? bare}`);
    return value;
  });
}

function initialChoices({ templating }: Dashboard): Choices {
  const chosen = templating.list.flatMap(({ name, allValue, current }) => {
    const value = allValue ?? current?.value;
    return typeof value === 'string' ? [[name, value]] : [];
  });
  return Object.fromEntries(chosen);
}

const NO_DATA = null;

/** The color in which a panel shows a value, or the absence of one. */
export function colorOf(panel: Panel, value: number | typeof NO_DATA): string | undefined {
  const { color, mappings = [], thresholds } = panel.fieldConfig?.defaults ?? {};
  if (color?.mode !== 'thresholds') return undefined;
  const steps = thresholds?.steps ?? [];
  const step = steps.filter(
    ({ value: from }) => from === null || (value !== null && value >= from),
  );
  return mappedColor(mappings, value) ?? step.at(-1)?.color;
}

/** The color in which a table shows a value of a column. */
export function columnColorOf(panel: Panel, title: string, value: number): string | undefined {
  const properties = (panel.fieldConfig?.overrides ?? [])
    .filter(({ matcher }) => matcher.options === title)
    .flatMap((override) => override.properties);
  const mappings = properties.find(({ id }) => id === 'mappings')?.value;
  return mappedColor((mappings ?? []) as readonly Mapping[], value) ?? colorOf(panel, value);
}

function mappedColor(mappings: readonly Mapping[], value: number | null): string | undefined {
  return mappings.map(({ options }) => options[String(value)]?.color).find(Boolean);
}
