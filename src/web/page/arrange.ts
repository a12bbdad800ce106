/** Which rows are shown, and in which order: kept in the query of the page's address. */

import { PROCESS_STATES, type ProcessState, stateOfName } from '../../supervisor/states.ts';
import type { Row } from './view.ts';

export interface Arrangement {
  readonly sort: Column;
  readonly isDescending: boolean;
  /** Those to show; none for all. */
  readonly states: ReadonlySet<ProcessState>;
  /** Words that a row has to hold, each. */
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

/** By state, the worst first. */
export const DEFAULT: Arrangement = {
  sort: 'state',
  isDescending: false,
  states: new Set(),
  text: '',
};

/** Seconds for which an unexpected exit stands out. */
export const RECENT_SECONDS = 3600;

export function isRecent(at: number | undefined, now: number): boolean {
  return at !== undefined && now - at < RECENT_SECONDS;
}

/** How bad it is, 0 for the worst. What goes round in circles keeps its place meanwhile. */
export function troubleOf(row: Row, now: number): number {
  if (row.state === 'FATAL') return 0;
  if (row.state === 'UNKNOWN') return 1;
  if (row.state === 'BACKOFF' || (row.state === 'STARTING' && row.tries > 0)) return 2;
  if (isRecent(row.lastUnexpected, now) || isDownUnexpectedly(row)) return 3;
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

/** Whether somebody should look at it. */
export function isTrouble(row: Row, now: number): boolean {
  return troubleOf(row, now) <= 3;
}

export function isDownUnexpectedly(row: Row): boolean {
  const { state, ended, lastUnexpected } = row;
  return state === 'EXITED' && lastUnexpected !== undefined && (ended ?? 0) <= lastUnexpected;
}

/** Reads a query as formatQuery writes it. What it does not know it leaves at the default. */
export function parseQuery(query: string): Arrangement {
  const parameters = new URLSearchParams(query);
  const sort = parameters.get('sort') ?? '';
  const column = COLUMNS.find((name) => name === sort.replace(/^-/, ''));
  return {
    sort: column ?? DEFAULT.sort,
    isDescending: column !== undefined && sort.startsWith('-'),
    states: new Set(
      (parameters.get('state') ?? '').split(',').flatMap((name) => stateOfName(name) ?? []),
    ),
    text: (parameters.get('q') ?? '').slice(0, 200),
  };
}

/** `?…`, and `?` alone for the default: a link to nothing would lead to the present query. */
export function formatQuery({ sort, isDescending, states, text }: Arrangement): string {
  const parameters: string[] = [];
  if (sort !== DEFAULT.sort || isDescending) {
    parameters.push(`sort=${isDescending ? '-' : ''}${sort}`);
  }
  if (states.size > 0) {
    parameters.push(`state=${PROCESS_STATES.filter((state) => states.has(state)).join(',')}`);
  }
  // Where encodeURIComponent would throw, at half a surrogate pair, this does not.
  if (text !== '') parameters.push(String(new URLSearchParams({ q: text })));
  return `?${parameters.join('&')}`;
}

/** What a click on a column's head leads to: the other way round if it is sorted by already. */
export function sortedBy(arrangement: Arrangement, sort: Column): Arrangement {
  const isDescending = arrangement.sort === sort ? !arrangement.isDescending : isMostFirst(sort);
  return { ...arrangement, sort, isDescending };
}

/** Of numbers the large ones are what one looks for. */
function isMostFirst(column: Column): boolean {
  return column !== 'process' && column !== 'state' && column !== 'pid';
}

export function withStateToggled(arrangement: Arrangement, state: ProcessState): Arrangement {
  const states = new Set(arrangement.states);
  if (!states.delete(state)) states.add(state);
  return { ...arrangement, states };
}

/** The rows to show, in their order. Rows without a value come last either way. */
export function arrange(rows: readonly Row[], arrangement: Arrangement, now: number): Row[] {
  const { sort, isDescending } = arrangement;
  const direction = isDescending ? -1 : 1;
  return select(rows, arrangement)
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

function select(rows: readonly Row[], { states, text }: Arrangement): readonly Row[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (states.size === 0 && words.length === 0) return rows;
  return rows.filter((row) => {
    if (states.size > 0 && !states.has(row.state)) return false;
    const said =
      `${row.group}:${row.name} ${row.state} ${row.reason ?? ''} ${row.spawnError ?? ''}`.toLowerCase();
    return words.every((word) => said.includes(word));
  });
}

function sortValue(row: Row, column: Column, now: number): number | string | undefined {
  switch (column) {
    case 'process':
      return naturalKey(row);
    case 'state':
      return troubleOf(row, now);
    case 'since':
      return row.since;
    case 'uptime':
      return row.start === undefined ? undefined : -row.start;
    case 'exits':
      return row.exits;
    case 'unexpected':
      return row.unexpected;
    case 'exit':
      return row.ended;
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

/** So that worker-2 comes before worker-10, and web before web-2: names hold no space. */
function naturalKey({ group, name }: Row): string {
  return `${group} ${name}`.toLowerCase().replaceAll(/\d+/g, (digits) => digits.padStart(12, '0'));
}
