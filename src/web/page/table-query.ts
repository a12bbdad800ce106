/** What a reader chooses to see, stored in the query of the page's URL. */

import type { ProcessId } from '../../supervisor/process-id.ts';
import { PROCESS_STATES, type ProcessState, stateOfName } from '../../supervisor/states.ts';
import type { Row } from './view.ts';

export interface TableQuery {
  /** The process to show in detail, as `group:name`; undefined for the table. */
  readonly process: string | undefined;
  readonly sort: Column;
  readonly isDescending: boolean;
  /** The states to show; empty for all. */
  readonly states: ReadonlySet<ProcessState>;
  readonly only: Only | undefined;
  /** Words that a row must all contain. */
  readonly text: string;
  /** Groups that are opened or closed by hand. */
  readonly open: ReadonlySet<string>;
  readonly closed: ReadonlySet<string>;
  /** Whether processes are listed without their groups. */
  readonly isFlat: boolean;
  /** Unexpected exits up to this time, in epoch seconds, are no longer announced. */
  readonly seen: number | undefined;
}

export const COLUMNS = [
  'process',
  'state',
  'since',
  'exits',
  'unexpected',
  'exit',
  'cpu',
  'memory',
  'pid',
] as const;

export type Column = (typeof COLUMNS)[number];

/** Selections of rows that are not a state. */
export const ONLY = ['trouble', 'unreported', 'unexpected'] as const;

export type Only = (typeof ONLY)[number];

/** Sorted by state, the most severe first. */
export const DEFAULT_QUERY: TableQuery = {
  process: undefined,
  sort: 'state',
  isDescending: false,
  states: new Set(),
  only: undefined,
  text: '',
  open: new Set(),
  closed: new Set(),
  isFlat: false,
  seen: undefined,
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
  switch (row.trouble) {
    case 'fatal':
      return 0;
    case 'unknown':
    case 'unreported exit':
      return 1;
    case 'backoff':
    case 'starting again':
      return 2;
    case 'down':
      return 3;
    case undefined:
      break;
    default: {
      const unhandled: never = row.trouble;
      throw new Error(`unhandled trouble ${unhandled}`);
    }
  }
  if (isRecent(row.lastUnexpectedExit, now)) return 4;
  return SEVERITIES[row.state];
}

const SEVERITIES: Readonly<Record<ProcessState, number>> = {
  FATAL: 0,
  UNKNOWN: 1,
  BACKOFF: 2,
  STARTING: 5,
  STOPPING: 5,
  RUNNING: 6,
  EXITED: 7,
  STOPPED: 8,
};

/** Parses the output of formatQuery. Unknown values are replaced by the default. */
export function parseQuery(query: string): TableQuery {
  const parameters = new URLSearchParams(query);
  const sort = parameters.get('sort') ?? '';
  const column = COLUMNS.find((name) => name === sort.replace(/^-/, ''));
  const seen = Number(parameters.get('seen'));
  return {
    process: parameters.get('process') ?? undefined,
    sort: column ?? DEFAULT_QUERY.sort,
    isDescending: column !== undefined && sort.startsWith('-'),
    states: new Set(
      (parameters.get('state') ?? '').split(',').flatMap((name) => stateOfName(name) ?? []),
    ),
    only: ONLY.find((name) => name === parameters.get('only')),
    text: (parameters.get('q') ?? '').slice(0, 200),
    open: new Set(parameters.getAll('open')),
    closed: new Set(parameters.getAll('close')),
    isFlat: parameters.has('flat'),
    seen: Number.isFinite(seen) && seen > 0 ? seen : undefined,
  };
}

/** The default is `?`, since an empty link would lead to the current query. */
export function formatQuery(query: TableQuery): string {
  // encodeURIComponent would throw for a lone surrogate; URLSearchParams replaces it.
  const text = parametersOf(query)
    .map(([name, value]) => String(new URLSearchParams({ [name]: value })))
    .join('&');
  // Both are allowed in a query and easier to read.
  return `?${text.replaceAll('%2C', ',').replaceAll('%3A', ':')}`;
}

/** Returns a function that writes the link to a process in detail: for many rows. */
export function processLinks(query: TableQuery): (id: ProcessId) => string {
  const rest = formatQuery({ ...query, process: undefined }).replace(/^\?(?=.)/, '&');
  return ({ group, name }) => {
    const value = `${group}:${name}`;
    const text = /^[\w.:-]*$/.test(value)
      ? `process=${value}`
      : String(new URLSearchParams({ process: value }));
    return `?${text}${rest === '?' ? '' : rest}`;
  };
}

/** The parameters of the URL, in its order. */
export function parametersOf(query: TableQuery): (readonly [name: string, value: string])[] {
  const { process, sort, isDescending, states, only, text, open, closed, isFlat, seen } = query;
  const isSorted = sort !== DEFAULT_QUERY.sort || isDescending;
  const shown = PROCESS_STATES.filter((state) => states.has(state));
  return [
    ...optional('process', process),
    ...optional('sort', isSorted ? `${isDescending ? '-' : ''}${sort}` : undefined),
    ...optional('state', shown.length > 0 ? shown.join(',') : undefined),
    ...optional('only', only),
    ...optional('q', text === '' ? undefined : text),
    ...[...open].map((group) => ['open', group] as const),
    ...[...closed].map((group) => ['close', group] as const),
    ...optional('flat', isFlat ? '1' : undefined),
    ...optional('seen', seen === undefined ? undefined : String(seen)),
  ];
}

function optional(name: string, value: string | undefined): (readonly [string, string])[] {
  return value === undefined ? [] : [[name, value]];
}

/** The query after a click on a column header; a second click reverses the order. */
export function withSort(query: TableQuery, sort: Column): TableQuery {
  const isDescending = query.sort === sort ? !query.isDescending : startsDescending(sort);
  return { ...query, sort, isDescending };
}

/** For numbers, large values come first. */
export function startsDescending(column: Column): boolean {
  return column !== 'process' && column !== 'state' && column !== 'pid';
}

export function withStateToggled(query: TableQuery, state: ProcessState): TableQuery {
  return { ...query, states: toggled(query.states, state) };
}

/** The query after a click on a group, which is open at the moment or not. */
export function withGroupToggled(query: TableQuery, group: string, isOpen: boolean): TableQuery {
  const open = without(query.open, group);
  const closed = without(query.closed, group);
  (isOpen ? closed : open).add(group);
  return { ...query, open, closed };
}

/** The same query without what hides rows. */
export function withoutFilter(query: TableQuery): TableQuery {
  return { ...query, states: new Set(), only: undefined, text: '' };
}

export function isFiltered({ states, only, text }: TableQuery): boolean {
  return states.size > 0 || only !== undefined || text.trim() !== '';
}

function toggled<T>(set: ReadonlySet<T>, value: T): Set<T> {
  const next = new Set(set);
  if (!next.delete(value)) next.add(value);
  return next;
}

function without<T>(set: ReadonlySet<T>, value: T): Set<T> {
  const next = new Set(set);
  next.delete(value);
  return next;
}

export function filterRows(rows: readonly Row[], query: TableQuery, now: number): readonly Row[] {
  if (!isFiltered(query)) return rows;
  const { states, only, text } = query;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(
    (row) =>
      (states.size === 0 || states.has(row.state)) &&
      (only === undefined || isSelected(row, only, now)) &&
      (words.length === 0 || words.every((word) => contentOf(row).includes(word))),
  );
}

function isSelected(row: Row, only: Only, now: number): boolean {
  switch (only) {
    case 'trouble':
      return row.trouble !== undefined;
    case 'unreported':
      return row.trouble === 'unreported exit';
    case 'unexpected':
      return isRecent(row.lastUnexpectedExit, now);
    default: {
      const unhandled: never = only;
      throw new Error(`unhandled selection ${unhandled}`);
    }
  }
}

function contentOf({ group, name, state, reason, spawnError }: Row): string {
  return `${group}:${name} ${state} ${reason ?? ''} ${spawnError ?? ''}`.toLowerCase();
}

/** What rows are sorted by; undefined where there is no value. */
export function sortValue(row: Row, column: Column, now: number): number | string | undefined {
  switch (column) {
    case 'process':
      return naturalKey(row);
    case 'state':
      return severityOf(row, now);
    case 'since':
      return row.since;
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

const NATURAL_KEYS = new WeakMap<Row, string>();

/** Sorts worker-2 before worker-10. A separating space sorts web before web-2. */
export function naturalKey(row: Row): string {
  const known = NATURAL_KEYS.get(row);
  if (known !== undefined) return known;
  const key = `${row.group} ${row.name}`
    .toLowerCase()
    .replaceAll(/\d+/g, (digits) => digits.padStart(12, '0'));
  NATURAL_KEYS.set(row, key);
  return key;
}
