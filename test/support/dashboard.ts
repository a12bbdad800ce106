/** The shipped dashboard, as Grafana's classic JSON model has it. */

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
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly mappings?: readonly Mapping[];
      readonly thresholds?: { readonly steps: readonly Step[] };
    };
  };
  readonly targets?: readonly Target[];
}

/** The color from this value on; the first step has none and is also the color of no data. */
export interface Step {
  readonly color: string;
  readonly value: number | null;
}

export interface Mapping {
  readonly options: Readonly<Record<string, { readonly text: string }>>;
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  /** `label_values(SELECTOR, LABEL)` where it is a query. */
  readonly definition?: string;
  readonly allValue?: string;
  readonly datasource?: unknown;
}

export interface Dashboard {
  readonly id: unknown;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: {
    readonly list: ReadonlyArray<{
      readonly name: string;
      readonly builtIn?: number;
      readonly datasource?: unknown;
      readonly expr?: string;
    }>;
  };
}

export function readDashboard(): Dashboard {
  const file = new URL('../../grafana/supervisor-exporter.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
}

/** A query of the dashboard, and where in it that is. */
export interface Query {
  readonly where: string;
  readonly expr: string;
}

/** Every query that Grafana sends for the dashboard, its variables still in it. */
export function queriesOf({ panels, templating, annotations }: Dashboard): readonly Query[] {
  return [
    ...panels.flatMap(({ title, targets }) =>
      (targets ?? []).map(({ refId, expr }) => ({ where: `${title}, ${refId}`, expr })),
    ),
    ...annotations.list.flatMap(({ name, expr }) =>
      expr === undefined ? [] : [{ where: `annotation ${name}`, expr }],
    ),
    ...templating.list.flatMap(({ name, definition }) =>
      definition === undefined
        ? []
        : [{ where: `variable ${name}`, expr: labelValues(definition) }],
    ),
  ];
}

/** `label_values(SELECTOR, LABEL)`, which is Grafana's own, as a query of Prometheus. */
function labelValues(definition: string): string {
  const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? [];
  if (selector === undefined) throw new Error(`no label_values: ${definition}`);
  return `count by (${label}) (${selector})`;
}
