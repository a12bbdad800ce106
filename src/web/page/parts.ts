/** The parts of the page that change, rendered by the server and by the browser alike. */

import type { ProcessId } from '../../supervisor/process-id.ts';
import type { ProcessState } from '../../supervisor/states.ts';
import {
  ago,
  bytes,
  clock,
  duration,
  fullTime,
  isoTime,
  percent,
  type ZoneOffset,
} from './format.ts';
import { type Child, h, type Markup } from './markup.ts';
import {
  applyQuery,
  type Column,
  DEFAULT_QUERY,
  formatQuery,
  isDownUnexpectedly,
  isInTrouble,
  isRecent,
  severityOf,
  type TableQuery,
  withSort,
  withStateToggled,
} from './table-query.ts';
import type { PageContext, Row, Transition, View } from './view.ts';

/** What a reader chooses: filter, sort order and time zone. */
export interface ViewOptions {
  readonly query: TableQuery;
  readonly zoneOffset: ZoneOffset;
}

interface ColumnSpec {
  readonly column: Column;
  readonly title: string;
  readonly isNumber: boolean;
  readonly cell: (row: Row, now: number, zoneOffset: ZoneOffset) => readonly (Child | undefined)[];
}

const NOTHING = h('span', { class: 'none' }, '–');
const ZERO = h('span', { class: 'none' }, '0');

const COLUMN_SPECS: readonly ColumnSpec[] = [
  { column: 'process', title: 'Process', isNumber: false, cell: (row) => [nameOf(row)] },
  { column: 'state', title: 'State', isNumber: false, cell: stateCell },
  {
    column: 'since',
    title: 'Since',
    isNumber: false,
    cell: ({ since }, now, zoneOffset) => [
      since ? timeOf(since, zoneOffset, clock(since, now, zoneOffset)) : NOTHING,
    ],
  },
  {
    column: 'uptime',
    title: 'Uptime',
    isNumber: true,
    cell: ({ start }, now) => [start ? duration(now - start) : NOTHING],
  },
  {
    column: 'exits',
    title: 'Exits',
    isNumber: true,
    cell: ({ exits }) => [exits ? String(exits) : ZERO],
  },
  { column: 'unexpected', title: 'Unexpected', isNumber: true, cell: unexpectedExitsCell },
  { column: 'exit', title: 'Last exit', isNumber: false, cell: exitCell },
  {
    column: 'cpu',
    title: 'CPU',
    isNumber: true,
    cell: ({ cpu }) => [cpu === undefined ? NOTHING : percent(cpu)],
  },
  {
    column: 'memory',
    title: 'Memory',
    isNumber: true,
    cell: ({ memory }) => [memory === undefined ? NOTHING : bytes(memory)],
  },
  {
    column: 'pid',
    title: 'PID',
    isNumber: true,
    cell: ({ pid }) => [pid === undefined ? NOTHING : String(pid)],
  },
];

const USAGE_COLUMNS: ReadonlySet<Column> = new Set(['cpu', 'memory']);

function columnsOf({ hasUsage }: PageContext): readonly ColumnSpec[] {
  return hasUsage ? COLUMN_SPECS : COLUMN_SPECS.filter(({ column }) => !USAGE_COLUMNS.has(column));
}

/** Each header is a link, so that sorting works without scripts. */
export function tableHead({ context }: View, { query }: ViewOptions): Markup {
  const heads = columnsOf(context).map(({ column, title, isNumber }) => {
    const isSorted = query.sort === column;
    const direction = query.isDescending ? 'descending' : 'ascending';
    return h(
      'th',
      {
        scope: 'col',
        class: `${column}${isNumber ? ' number' : ''}`,
        'aria-sort': isSorted ? direction : undefined,
      },
      h('a', { href: formatQuery(withSort(query, column)) }, title),
    );
  });
  return h('thead', { id: 'head' }, h('tr', {}, ...heads));
}

export function rowsToShow(view: View, { query }: ViewOptions): readonly Row[] {
  return applyQuery(view.rows, query, view.now);
}

/** Returns a function that renders one row, so that the caller can yield between rows. */
export function rowWriter(
  { context, now }: View,
  { zoneOffset }: ViewOptions,
): (row: Row) => Markup {
  const columns = columnsOf(context);
  return (row) => {
    const cells = columns.map(({ column, title, isNumber, cell }) => {
      const children = cell(row, now, zoneOffset);
      if (column === 'process') return h('th', { scope: 'row', class: column }, ...children);
      const isEmpty = children[0] === NOTHING || children[0] === ZERO;
      const name = `${column}${isNumber ? ' number' : ''}${isEmpty ? ' empty' : ''}`;
      return h('td', { class: name, 'data-title': title }, ...children);
    });
    const severity = isInTrouble(row, now) ? `trouble severity-${severityOf(row, now)}` : undefined;
    return h('tr', { class: severity }, ...cells);
  };
}

/** Formatted as by supervisorctl. <bdi> isolates right-to-left names. */
function nameOf({ group, name }: ProcessId): Markup {
  return group === name
    ? h('bdi', {}, name)
    : h('bdi', {}, h('span', { class: 'group' }, `${group}:`), name);
}

function stateCell({ state, tries }: Row): readonly (Child | undefined)[] {
  const isTrying = tries > 0 && (state === 'BACKOFF' || state === 'STARTING');
  return [stateOf(state), isTrying ? small(`try ${tries}`) : undefined];
}

function stateOf(state: ProcessState): Markup {
  return h('span', { class: `badge ${state}` }, state);
}

function unexpectedExitsCell(
  { unexpected, lastUnexpectedExit }: Row,
  now: number,
): readonly Child[] {
  if (unexpected === 0) return [ZERO];
  const text = String(unexpected);
  return [isRecent(lastUnexpectedExit, now) ? h('strong', { class: 'recent' }, text) : text];
}

function exitCell(row: Row, now: number, zoneOffset: ZoneOffset): readonly (Child | undefined)[] {
  const { exitedAt, reason, spawnError, lastUnexpectedExit } = row;
  const isUnexpected =
    exitedAt !== undefined && lastUnexpectedExit !== undefined && exitedAt <= lastUnexpectedExit;
  const isHighlighted = isUnexpected && (isRecent(exitedAt, now) || isDownUnexpectedly(row));
  const details = [reason, isUnexpected ? 'unexpected' : undefined, spawnError].filter(Boolean);
  if (exitedAt === undefined && details.length === 0) return [NOTHING];
  return [
    details.length === 0
      ? undefined
      : h('span', { class: isHighlighted ? 'reason recent' : 'reason' }, details.join(', ')),
    exitedAt === undefined ? undefined : timeOf(exitedAt, zoneOffset, ago(now - exitedAt)),
  ];
}

function timeOf(at: number, zoneOffset: ZoneOffset, text: string): Markup {
  return h('time', { datetime: isoTime(at), title: fullTime(at, zoneOffset) }, text);
}

function small(text: string): Markup {
  return h('small', {}, text);
}

export function transitionRow(
  transition: Transition,
  { now }: View,
  { zoneOffset }: ViewOptions,
): Markup {
  const { at, from, to, expected } = transition;
  const time = clock(at, now, zoneOffset, { millis: true });
  return h(
    'tr',
    { class: expected === false || to === 'FATAL' || to === 'UNKNOWN' ? 'bad' : undefined },
    h('td', { class: 'at' }, timeOf(at, zoneOffset, time)),
    h('th', { scope: 'row', class: 'process' }, nameOf(transition)),
    h('td', { class: 'from' }, stateOf(from)),
    h('td', { class: 'to' }, stateOf(to)),
    h('td', { class: 'details' }, detailsOf(transition)),
  );
}

function detailsOf({ to, expected, tries, reason }: Transition): string {
  const details: string[] = [];
  if (expected !== undefined) details.push(expected ? 'expected' : 'unexpected');
  if (reason !== undefined) details.push(reason);
  if (tries !== undefined && tries > 0 && (to === 'BACKOFF' || to === 'STARTING')) {
    details.push(`try ${tries}`);
  }
  return details.join(', ');
}

/**
 * The number of processes in each state; a click adds the state to the filter or removes it.
 * States without processes keep their place, so that nothing moves under the pointer. UNKNOWN
 * is the exception, as it is very rare.
 */
export function stateFilter({ rows }: View, { query }: ViewOptions): Markup {
  const counts = new Map<ProcessState, number>();
  for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
  const { states } = query;
  const all = h(
    'a',
    {
      href: formatQuery({ ...query, states: DEFAULT_QUERY.states }),
      'aria-current': states.size === 0 ? 'true' : undefined,
    },
    h('b', {}, String(rows.length)),
    ' all',
  );
  const isShown = (state: ProcessState) =>
    state !== 'UNKNOWN' || counts.has(state) || states.has(state);
  const links = STATES_BY_SEVERITY.filter(isShown).map((state) =>
    h(
      'a',
      {
        class: counts.has(state) ? undefined : 'zero',
        href: formatQuery(withStateToggled(query, state)),
        'aria-current': states.has(state) ? 'true' : undefined,
      },
      h('b', {}, String(counts.get(state) ?? 0)),
      ' ',
      stateOf(state),
    ),
  );
  return h('nav', { id: 'states', 'aria-label': 'Filter by state' }, all, ...links);
}

const STATES_BY_SEVERITY: readonly ProcessState[] = [
  'FATAL',
  'UNKNOWN',
  'BACKOFF',
  'STARTING',
  'STOPPING',
  'RUNNING',
  'EXITED',
  'STOPPED',
];

/** Problems that concern more than one process, and the number of recent unexpected exits. */
export function warnings({ context, rows, now }: View): Markup {
  const items: Markup[] = [];
  const warn = (text: string) => items.push(h('li', { class: 'warning' }, text));
  const { rpc, eventsLost } = context;
  if (typeof rpc === 'object') {
    warn(`XML-RPC fails; states are known from events only: ${rpc.failure}`);
  }
  if (rpc === 'none') {
    warn('supervisord has no HTTP server; a process is listed only after its first event.');
  }
  if (eventsLost > 0) {
    warn(
      `supervisord has discarded ${eventsLost} ${eventsLost === 1 ? 'event' : 'events'} before delivery; raise buffer_size.`,
    );
  }
  const recent = rows.filter(({ lastUnexpectedExit }) => isRecent(lastUnexpectedExit, now)).length;
  if (recent > 0) {
    items.push(
      h(
        'li',
        { class: 'recent' },
        `${recent} ${recent === 1 ? 'process has' : 'processes have'} exited unexpectedly within the last hour.`,
      ),
    );
  }
  return h('ul', { id: 'warnings' }, ...items);
}

export function title({ context, rows, now }: View): string {
  const inTrouble = rows.filter((row) => isInTrouble(row, now)).length;
  return `${inTrouble > 0 ? `(${inTrouble}) ` : ''}${context.identifier ?? 'supervisord'} – Supervisor`;
}

export function heading({ context }: View): Markup {
  const { identifier, supervisordVersion, supervisordState } = context;
  const server = `supervisord ${supervisordVersion ?? ''}`.trim();
  return h(
    'h1',
    { id: 'heading' },
    h('bdi', {}, identifier ?? 'supervisord'),
    ' ',
    h('small', {}, supervisordState === undefined ? server : `${server}, ${supervisordState}`),
  );
}

/** The status of the exporter, in the footer. */
export function health({ context }: View): Markup {
  const { exporterVersion, rpc, eventsLost } = context;
  const items = [
    `supervisor-exporter ${exporterVersion}`,
    `XML-RPC ${typeof rpc === 'object' ? 'fails' : RPC_WORDS[rpc]}`,
    `${eventsLost} ${eventsLost === 1 ? 'event' : 'events'} lost`,
  ];
  return h('span', { id: 'health' }, items.join(' · '));
}

const RPC_WORDS = { works: 'works', pending: 'not tried yet', none: 'not configured' } as const;

/** Shown below the table when the filter hides rows. */
export function rowCount(shown: number, all: number): Markup {
  const text =
    all === 0
      ? 'No process is known yet.'
      : shown === all
        ? ''
        : `${shown} of ${all} processes shown.`;
  return h('p', { id: 'row-count' }, text);
}
