/** The parts of the page that change: written here for the server and for the browser. */

import type { ProcessId } from '../../supervisor/process-id.ts';
import type { ProcessState } from '../../supervisor/states.ts';
import {
  type Arrangement,
  arrange,
  type Column,
  DEFAULT,
  formatQuery,
  isDownUnexpectedly,
  isRecent,
  isTrouble,
  sortedBy,
  troubleOf,
  withStateToggled,
} from './arrange.ts';
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
import type { Facts, Row, Step, View } from './view.ts';

/** From where, so to speak, one looks at the view. */
export interface Sight {
  readonly arrangement: Arrangement;
  readonly offset: ZoneOffset;
}

interface ColumnSpec {
  readonly column: Column;
  readonly title: string;
  readonly isNumber: boolean;
  readonly cell: (row: Row, now: number, offset: ZoneOffset) => readonly (Child | undefined)[];
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
    cell: ({ since }, now, offset) => [
      since ? timeOf(since, offset, clock(since, now, offset)) : NOTHING,
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
  { column: 'unexpected', title: 'Unexpected', isNumber: true, cell: unexpectedCell },
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

function columnsOf({ hasUsage }: Facts): readonly ColumnSpec[] {
  return hasUsage ? COLUMN_SPECS : COLUMN_SPECS.filter(({ column }) => !USAGE_COLUMNS.has(column));
}

/** Each head is a link that sorts, so that it does so without scripts, too. */
export function tableHead({ facts }: View, { arrangement }: Sight): Markup {
  const heads = columnsOf(facts).map(({ column, title, isNumber }) => {
    const isSorted = arrangement.sort === column;
    const direction = arrangement.isDescending ? 'descending' : 'ascending';
    return h(
      'th',
      {
        scope: 'col',
        class: `${column}${isNumber ? ' number' : ''}`,
        'aria-sort': isSorted ? direction : undefined,
      },
      h('a', { href: formatQuery(sortedBy(arrangement, column)) }, title),
    );
  });
  return h('thead', { id: 'head' }, h('tr', {}, ...heads));
}

/** The rows to show, in their order. */
export function rowsToShow(view: View, { arrangement }: Sight): readonly Row[] {
  return arrange(view.rows, arrangement, view.now);
}

/** Writes rows; each on its own, so that whoever has many can part the work. */
export function rowWriter({ facts, now }: View, { offset }: Sight): (row: Row) => Markup {
  const columns = columnsOf(facts);
  return (row) => {
    const cells = columns.map(({ column, title, isNumber, cell }) => {
      const children = cell(row, now, offset);
      if (column === 'process') return h('th', { scope: 'row', class: column }, ...children);
      const isEmpty = children[0] === NOTHING || children[0] === ZERO;
      const name = `${column}${isNumber ? ' number' : ''}${isEmpty ? ' empty' : ''}`;
      return h('td', { class: name, 'data-title': title }, ...children);
    });
    const level = isTrouble(row, now) ? `trouble level-${troubleOf(row, now)}` : undefined;
    return h('tr', { class: level }, ...cells);
  };
}

/** Written as supervisorctl does; and kept apart, should a name be written from right to left. */
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

function unexpectedCell({ unexpected, lastUnexpected }: Row, now: number): readonly Child[] {
  if (unexpected === 0) return [ZERO];
  const text = String(unexpected);
  return [isRecent(lastUnexpected, now) ? h('strong', { class: 'recent' }, text) : text];
}

function exitCell(row: Row, now: number, offset: ZoneOffset): readonly (Child | undefined)[] {
  const { ended, reason, spawnError, lastUnexpected } = row;
  const isUnexpected =
    ended !== undefined && lastUnexpected !== undefined && ended <= lastUnexpected;
  const stands = isUnexpected && (isRecent(ended, now) || isDownUnexpectedly(row));
  const why = [reason, isUnexpected ? 'unexpected' : undefined, spawnError].filter(Boolean);
  if (ended === undefined && why.length === 0) return [NOTHING];
  return [
    why.length === 0
      ? undefined
      : h('span', { class: stands ? 'reason recent' : 'reason' }, why.join(', ')),
    ended === undefined ? undefined : timeOf(ended, offset, ago(now - ended)),
  ];
}

function timeOf(at: number, offset: ZoneOffset, text: string): Markup {
  return h('time', { datetime: isoTime(at), title: fullTime(at, offset) }, text);
}

function small(text: string): Markup {
  return h('small', {}, text);
}

export function stepRow(step: Step, { now }: View, { offset }: Sight): Markup {
  const { at, from, to, expected } = step;
  const time = clock(at, now, offset, { millis: true });
  return h(
    'tr',
    { class: expected === false || to === 'FATAL' || to === 'UNKNOWN' ? 'bad' : undefined },
    h('td', { class: 'at' }, timeOf(at, offset, time)),
    h('th', { scope: 'row', class: 'process' }, nameOf(step)),
    h('td', { class: 'from' }, stateOf(from)),
    h('td', { class: 'to' }, stateOf(to)),
    h('td', { class: 'why' }, whyOf(step)),
  );
}

function whyOf({ to, expected, tries, reason }: Step): string {
  const said = [];
  if (expected !== undefined) said.push(expected ? 'expected' : 'unexpected');
  if (reason !== undefined) said.push(reason);
  if (tries !== undefined && tries > 0 && (to === 'BACKOFF' || to === 'STARTING')) {
    said.push(`try ${tries}`);
  }
  return said.join(', ');
}

/**
 * How many are in each state; a click shows those alone, or with those shown already. The
 * states stay where they are when there are none in them, so that nothing moves away from
 * under a pointer; but for UNKNOWN, which hardly anybody ever sees.
 */
export function stateFilter({ rows }: View, { arrangement }: Sight): Markup {
  const counts = new Map<ProcessState, number>();
  for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
  const { states } = arrangement;
  const all = h(
    'a',
    {
      href: formatQuery({ ...arrangement, states: DEFAULT.states }),
      'aria-current': states.size === 0 ? 'true' : undefined,
    },
    h('b', {}, String(rows.length)),
    ' all',
  );
  const isShown = (state: ProcessState) =>
    state !== 'UNKNOWN' || counts.has(state) || states.has(state);
  const links = WORST_FIRST.filter(isShown).map((state) =>
    h(
      'a',
      {
        class: counts.has(state) ? undefined : 'zero',
        href: formatQuery(withStateToggled(arrangement, state)),
        'aria-current': states.has(state) ? 'true' : undefined,
      },
      h('b', {}, String(counts.get(state) ?? 0)),
      ' ',
      stateOf(state),
    ),
  );
  return h('nav', { id: 'states', 'aria-label': 'Filter by state' }, all, ...links);
}

const WORST_FIRST: readonly ProcessState[] = [
  'FATAL',
  'UNKNOWN',
  'BACKOFF',
  'STARTING',
  'STOPPING',
  'RUNNING',
  'EXITED',
  'STOPPED',
];

/** What is wrong beyond a single process, and how many exits there were of late. */
export function notices({ facts, rows, now }: View): Markup {
  const said: Markup[] = [];
  const warn = (text: string) => said.push(h('li', { class: 'warning' }, text));
  const { rpc, eventsLost } = facts;
  if (typeof rpc === 'object') {
    warn(`XML-RPC fails, so states are what events tell: ${rpc.failure}`);
  }
  if (rpc === 'none') {
    warn('supervisord has no HTTP server: a program is known from its first event on.');
  }
  if (eventsLost > 0) {
    warn(
      `supervisord has discarded ${eventsLost} ${eventsLost === 1 ? 'event' : 'events'} before delivery: raise buffer_size.`,
    );
  }
  const recent = rows.filter(({ lastUnexpected }) => isRecent(lastUnexpected, now)).length;
  if (recent > 0) {
    said.push(
      h(
        'li',
        { class: 'recent' },
        `${recent} ${recent === 1 ? 'process has' : 'processes have'} exited unexpectedly within the last hour.`,
      ),
    );
  }
  return h('ul', { id: 'notices' }, ...said);
}

export function title({ facts, rows, now }: View): string {
  const trouble = rows.filter((row) => isTrouble(row, now)).length;
  return `${trouble > 0 ? `(${trouble}) ` : ''}${facts.identifier ?? 'supervisord'} – Supervisor`;
}

export function heading({ facts }: View): Markup {
  const { identifier, supervisordVersion, supervisordState } = facts;
  const what = `supervisord ${supervisordVersion ?? ''}`.trim();
  return h(
    'h1',
    { id: 'heading' },
    h('bdi', {}, identifier ?? 'supervisord'),
    ' ',
    h('small', {}, supervisordState === undefined ? what : `${what}, ${supervisordState}`),
  );
}

/** The last line: how the exporter is doing. */
export function health({ facts }: View): Markup {
  const { exporterVersion, rpc, eventsLost } = facts;
  const said = [
    `supervisor-exporter ${exporterVersion}`,
    `XML-RPC ${typeof rpc === 'object' ? 'fails' : RPC_WORDS[rpc]}`,
    `${eventsLost} ${eventsLost === 1 ? 'event' : 'events'} lost`,
  ];
  return h('span', { id: 'health' }, said.join(' · '));
}

const RPC_WORDS = { works: 'works', pending: 'not tried yet', none: 'not configured' } as const;

/** Said below the table where it shows less than there is. */
export function remainder(shown: number, all: number): Markup {
  const text =
    all === 0
      ? 'No process is known yet.'
      : shown === all
        ? ''
        : `${shown} of ${all} processes shown.`;
  return h('p', { id: 'remainder' }, text);
}
