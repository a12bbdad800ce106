/** Filter and sort order of the process table, stored in the query of the page's URL. */

import { PROCESS_STATES, type ProcessState, stateOfName } from '../../supervisor/states.ts';
import type { Row } from './view.ts';

export interface TableQuery {
  readonly sort: Column;
  readonly isDescending: boolean;
  /** The states to show; empty for all. */
  readonly states: ReadonlySet<ProcessState>;
  /** Words that a row must all contain. */
  readonly text: string;
}

export const COLUMNS = [
  'process',
  'state',
  'since',
  'uptime',
  'exits',
  'unexpected',
  'exit',
  'cpu',
  'memory',
  'pid',
] as const;

export type Column = (typeof COLUMNS)[number];

/** Sorted by state, the most severe first. */
export const DEFAULT_QUERY: TableQuery = {
  sort: 'state',
  isDescending: false,
  states: new Set(),
  text: '',
};

/** For how many seconds an unexpected exit is highlighted. */
export const RECENT_SECONDS = 3600;

export function isRecent(at: number | undefined, now: number): boolean {
  return at !== undefined && now - at < RECENT_SECONDS;
}

/**
 * 0 is the most severe. An unexpected exit counts for an hour whatever the state, so that a
 * process in a crash loop keeps its place.
 */
export function severityOf(row: Row, now: number): number {
  if (row.state === 'FATAL') return 0;
  if (row.state === 'UNKNOWN') return 1;
  if (row.state === 'BACKOFF' || (row.state === 'STARTING' && row.tries > 0)) return 2;
  if (isRecent(row.lastUnexpectedExit, now) || isDownUnexpectedly(row)) return 3;
  switch (row.state) {
    case 'STARTING':
    case 'STOPPING':
      return 4;
    case 'RUNNING':
      return 5;
    case 'EXITED':
      return 6;
    case 'STOPPED':
      return 7;
    default: {
      const unhandled: never = row.state;
      throw new Error(`unhandled state ${unhandled}`);
    }
  }
}

/** Whether the process needs attention. */
export function isInTrouble(row: Row, now: number): boolean {
  return severityOf(row, now) <= 3;
}

export function isDownUnexpectedly(row: Row): boolean {
  const { state, exitedAt, lastUnexpectedExit } = row;
  return (
    state === 'EXITED' && lastUnexpectedExit !== undefined && (exitedAt ?? 0) <= lastUnexpectedExit
  );
}

/** Parses the output of formatQuery. Unknown values are replaced by the default. */
export function parseQuery(query: string): TableQuery {
  const parameters = new URLSearchParams(query);
  const sort = parameters.get('sort') ?? '';
  const column = COLUMNS.find((name) => name === sort.replace(/^-/, ''));
  return {
    sort: column ?? DEFAULT_QUERY.sort,
    isDescending: column !== undefined && sort.startsWith('-'),
    states: new Set(
      (parameters.get('state') ?? '').split(',').flatMap((name) => stateOfName(name) ?? []),
    ),
    text: (parameters.get('q') ?? '').slice(0, 200),
  };
}

/** The default is `?`, since an empty link would lead to the current query. */
export function formatQuery({ sort, isDescending, states, text }: TableQuery): string {
  const parameters: string[] = [];
  if (sort !== DEFAULT_QUERY.sort || isDescending) {
    parameters.push(`sort=${isDescending ? '-' : ''}${sort}`);
  }
  if (states.size > 0) {
    parameters.push(`state=${PROCESS_STATES.filter((state) => states.has(state)).join(',')}`);
  }
  // encodeURIComponent would throw for a lone surrogate; URLSearchParams replaces it.
  if (text !== '') parameters.push(String(new URLSearchParams({ q: text })));
  return `?${parameters.join('&')}`;
}

/** The query after a click on a column header; a second click reverses the order. */
export function withSort(query: TableQuery, sort: Column): TableQuery {
  const isDescending = query.sort === sort ? !query.isDescending : startsDescending(sort);
  return { ...query, sort, isDescending };
}

/** For numbers, large values come first. */
function startsDescending(column: Column): boolean {
  return column !== 'process' && column !== 'state' && column !== 'pid';
}

export function withStateToggled(query: TableQuery, state: ProcessState): TableQuery {
  const states = new Set(query.states);
  if (!states.delete(state)) states.add(state);
  return { ...query, states };
}

/** The rows to show, sorted. Rows without a value come last in either direction. */
export function applyQuery(rows: readonly Row[], query: TableQuery, now: number): Row[] {
  const { sort, isDescending } = query;
  const direction = isDescending ? -1 : 1;
  return filterRows(rows, query)
    .map((row) => ({ row, value: sortValue(row, sort, now), name: naturalKey(row) }))
    .sort((one, other) => {
      if (one.value !== other.value) {
        if (one.value === undefined) return 1;
        if (other.value === undefined) return -1;
        return one.value < other.value ? -direction : direction;
      }
      return one.name === other.name ? 0 : one.name < other.name ? -1 : 1;
    })
    .map(({ row }) => row);
}

function filterRows(rows: readonly Row[], { states, text }: TableQuery): readonly Row[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (states.size === 0 && words.length === 0) return rows;
  return rows.filter((row) => {
    if (states.size > 0 && !states.has(row.state)) return false;
    const content =
      `${row.group}:${row.name} ${row.state} ${row.reason ?? ''} ${row.spawnError ?? ''}`.toLowerCase();
    return words.every((word) => content.includes(word));
  });
}

function sortValue(row: Row, column: Column, now: number): number | string | undefined {
  switch (column) {
    case 'process':
      return naturalKey(row);
    case 'state':
      return severityOf(row, now);
    case 'since':
      return row.since;
    case 'uptime':
      return row.start === undefined ? undefined : -row.start;
    case 'exits':
      return row.exits;
    case 'unexpected':
      return row.unexpected;
    case 'exit':
      return row.exitedAt;
    case 'cpu':
      return row.cpu;
    case 'memory':
      return row.memory;
    case 'pid':
      return row.pid;
    default: {
      const unhandled: never = column;
      throw new Error(`unhandled column ${unhandled}`);
    }
  }
}

/** Sorts worker-2 before worker-10. A separating space sorts web before web-2. */
function naturalKey({ group, name }: Row): string {
  return `${group} ${name}`.toLowerCase().replaceAll(/\d+/g, (digits) => digits.padStart(12, '0'));
}
