/** Arranges rows in groups: which of them are shown, and in which order. */

import type { ProcessState } from '../../supervisor/states.ts';
import {
  type Column,
  filterRows,
  isFiltered,
  naturalKey,
  severityOf,
  sortValue,
  type TableQuery,
} from './table-query.ts';
import type { Row } from './view.ts';

/** A line of the table. */
export type Item =
  | { readonly kind: 'process'; readonly row: Row; readonly isMember: boolean }
  | {
      readonly kind: 'group';
      readonly group: string;
      /** All processes of the group, whether or not they match the filter. */
      readonly rows: readonly Row[];
      readonly isOpen: boolean;
    }
  /** Processes of an open group that are not shown, unless it is opened by hand. */
  | { readonly kind: 'more'; readonly group: string; readonly hidden: number };

export interface Arrangement {
  readonly items: readonly Item[];
  /** How many processes match the filter, shown or in a closed group. */
  readonly matching: number;
}

/** A group of fewer processes is not worth a line of its own. */
const MIN_GROUP = 4;
/** An open group shows all of its processes up to this number, and else those in trouble. */
const MAX_OPEN = 10;

export function arrange(rows: readonly Row[], query: TableQuery, now: number): Arrangement {
  const matching = filterRows(rows, query, now);
  const units = query.isFlat ? matching.map(single) : unitsOf(rows, matching);
  const sorted = sortUnits(units, query, now);
  return {
    matching: matching.length,
    items: sorted.flatMap((unit) => itemsOf(unit, query, now)),
  };
}

/** What is sorted: a process, or a group with its processes. */
interface Unit {
  readonly group: string | undefined;
  readonly all: readonly Row[];
  readonly matching: readonly Row[];
}

function single(row: Row): Unit {
  return { group: undefined, all: [row], matching: [row] };
}

function unitsOf(rows: readonly Row[], matching: readonly Row[]): Unit[] {
  const all = byGroup(rows);
  return [...byGroup(matching)].flatMap(([group, members]) => {
    const whole = all.get(group) ?? members;
    return whole.length < MIN_GROUP
      ? members.map(single)
      : [{ group, all: whole, matching: members }];
  });
}

function byGroup(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const members = groups.get(row.group);
    if (members === undefined) groups.set(row.group, [row]);
    else members.push(row);
  }
  return groups;
}

/** Units without a value come last in either direction. */
function sortUnits(units: readonly Unit[], query: TableQuery, now: number): Unit[] {
  const direction = query.isDescending ? -1 : 1;
  return units
    .map((unit) => ({ unit, value: unitValue(unit, query, now), name: unitName(unit) }))
    .sort((one, other) => {
      if (one.value !== other.value) {
        if (one.value === undefined) return 1;
        if (other.value === undefined) return -1;
        return one.value < other.value ? -direction : direction;
      }
      return one.name === other.name ? 0 : one.name < other.name ? -1 : 1;
    })
    .map(({ unit }) => unit);
}

function unitName({ matching }: Unit): string {
  const [first] = matching;
  return first === undefined ? '' : naturalKey(first);
}

const SUMMED: ReadonlySet<Column> = new Set(['exits', 'unexpected', 'cpu', 'memory']);

/** The sum where the group shows one, else the value of the process that comes first. */
function unitValue(
  { all, matching }: Unit,
  { sort, isDescending }: TableQuery,
  now: number,
): number | string | undefined {
  const rows = SUMMED.has(sort) ? all : matching;
  const values = rows.flatMap((row) => sortValue(row, sort, now) ?? []);
  if (SUMMED.has(sort)) return sum(values);
  let best: number | string | undefined;
  for (const value of values) {
    if (best === undefined || (isDescending ? value > best : value < best)) best = value;
  }
  return best;
}

function sum(values: readonly (number | string)[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce<number>((total, value) => total + Number(value), 0);
}

function itemsOf({ group, all, matching }: Unit, query: TableQuery, now: number): Item[] {
  if (group === undefined) {
    return matching.map((row) => ({ kind: 'process', row, isMember: false }));
  }
  const shown = membersToShow(group, matching, query, now);
  const sorted = sortUnits(shown.map(single), query, now).flatMap((unit) => unit.matching);
  const hidden = shown.length === 0 ? 0 : matching.length - shown.length;
  return [
    { kind: 'group', group, rows: all, isOpen: shown.length > 0 },
    ...sorted.map((row) => ({ kind: 'process', row, isMember: true }) as const),
    ...(hidden > 0 ? [{ kind: 'more', group, hidden } as const] : []),
  ];
}

/** A group is open by itself if it has trouble, or if few of its processes match the filter. */
function membersToShow(
  group: string,
  matching: readonly Row[],
  { open, closed, ...query }: TableQuery,
  now: number,
): readonly Row[] {
  if (closed.has(group)) return [];
  if (open.has(group)) return matching;
  const inTrouble = matching.filter(({ trouble }) => trouble !== undefined);
  const isSmall = matching.length <= MAX_OPEN;
  if (inTrouble.length === 0)
    return isSmall && isFiltered({ ...query, open, closed }) ? matching : [];
  if (isSmall) return matching;
  return inTrouble
    .map((row) => ({ row, severity: severityOf(row, now) }))
    .sort((one, other) => one.severity - other.severity)
    .map(({ row }) => row)
    .slice(0, MAX_OPEN);
}

/** How many processes are in each state, the most severe first. */
export function countStates(rows: readonly Row[]): ReadonlyMap<ProcessState, number> {
  const counts = new Map<ProcessState, number>();
  for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
  return new Map(
    STATES_BY_SEVERITY.flatMap((state) => {
      const count = counts.get(state);
      return count === undefined ? [] : [[state, count] as const];
    }),
  );
}

export const STATES_BY_SEVERITY: readonly ProcessState[] = [
  'FATAL',
  'UNKNOWN',
  'BACKOFF',
  'STARTING',
  'STOPPING',
  'RUNNING',
  'EXITED',
  'STOPPED',
];
