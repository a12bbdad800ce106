/** The tables of the page, rendered by the server and by the browser alike. */

import { keyOf, type ProcessId } from '../../supervisor/process-id.ts';
import { PROCESS_STATES, type ProcessState } from '../../supervisor/states.ts';
import { type Arrangement, countStates, type Item } from './arrange.ts';
import {
  ago,
  bytes,
  clock,
  fullTime,
  isoTime,
  percent,
  shortDuration,
  type ZoneOffset,
} from './format.ts';
import { type Child, h, type Markup } from './markup.ts';
import { strip } from './strip.ts';
import {
  type Column,
  formatQuery,
  isFiltered,
  isRecent,
  parametersOf,
  processLinks,
  severityOf,
  startsDescending,
  type TableQuery,
  withGroupToggled,
  withoutFilter,
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
  readonly column: Column | 'strip';
  readonly title: string;
  readonly isNumber?: boolean;
}

const COLUMN_SPECS: readonly ColumnSpec[] = [
  { column: 'process', title: 'Process' },
  { column: 'state', title: 'State' },
  { column: 'strip', title: 'Last hour' },
  { column: 'since', title: 'For' },
  { column: 'exit', title: 'Why' },
  { column: 'exits', title: 'Exits', isNumber: true },
  { column: 'unexpected', title: 'Unexpected', isNumber: true },
  { column: 'cpu', title: 'CPU', isNumber: true },
  { column: 'memory', title: 'Memory', isNumber: true },
  { column: 'pid', title: 'PID', isNumber: true },
];

/** What a sort order is called in the list of sort orders. */
const SORT_TITLES: Readonly<Record<Column, string>> = {
  process: 'name',
  state: 'trouble',
  since: 'last change',
  exit: 'last exit',
  exits: 'exits',
  unexpected: 'unexpected exits',
  cpu: 'CPU',
  memory: 'memory',
  pid: 'PID',
};

const USAGE_COLUMNS: ReadonlySet<string> = new Set(['cpu', 'memory']);

function columnsOf({ hasUsage }: PageContext): readonly ColumnSpec[] {
  return hasUsage ? COLUMN_SPECS : COLUMN_SPECS.filter(({ column }) => !USAGE_COLUMNS.has(column));
}

type Cell = readonly (Child | undefined)[];
type Cells = Readonly<Record<ColumnSpec['column'], Cell>>;

const NOTHING = h('span', { class: 'none' }, '–');
const ZERO = h('span', { class: 'none' }, '0');

/** Each header is a link, so that sorting works without scripts. */
export function tableHead({ context }: View, { query }: ViewOptions): Markup {
  const heads = columnsOf(context).map(({ column, title, isNumber }) => {
    const className = classOf(column, isNumber);
    if (column === 'strip') return h('th', { scope: 'col', class: className }, title);
    const isSorted = query.sort === column;
    const direction = query.isDescending ? 'descending' : 'ascending';
    return h(
      'th',
      { scope: 'col', class: className, 'aria-sort': isSorted ? direction : undefined },
      h('a', { href: formatQuery(withSort(query, column)) }, title),
    );
  });
  return h('thead', { id: 'head' }, h('tr', {}, ...heads));
}

function classOf(column: string, isNumber = false, isEmpty = false): string {
  return `${column}${isNumber ? ' number' : ''}${isEmpty ? ' empty' : ''}`;
}

/** Identifies the line of an item. */
export function keyOfItem(item: Item): string {
  switch (item.kind) {
    case 'process':
      return `process ${keyOf(item.row)}`;
    case 'group':
    case 'more':
      return `${item.kind} ${item.group}`;
    default: {
      const unhandled: never = item;
      throw new Error(`unhandled item ${JSON.stringify(unhandled)}`);
    }
  }
}

/** Returns a function that renders one line, so that the caller can yield between lines. */
export function itemWriter(
  { context, now }: View,
  { query, zoneOffset }: ViewOptions,
): (item: Item) => Markup {
  const columns = columnsOf(context);
  const linkTo = processLinks(query);
  const line = (className: string, cells: Cells) =>
    h(
      'tr',
      { class: className },
      ...columns.map(({ column, title, isNumber }) => {
        const children = cells[column];
        if (column === 'process') return h('th', { scope: 'row', class: column }, ...children);
        const isEmpty = children[0] === NOTHING || children[0] === ZERO || children.length === 0;
        return h(
          'td',
          { class: classOf(column, isNumber, isEmpty), 'data-title': title },
          ...children,
        );
      }),
    );
  return (item) => {
    switch (item.kind) {
      case 'process': {
        const { row, isMember } = item;
        const className = `${troubleClass([row], now)}${isMember ? ' member' : ''}`;
        return line(className.trim(), processCells(row, now, linkTo(row), zoneOffset));
      }
      case 'group': {
        const className = `${troubleClass(item.rows, now)} group-line`;
        return line(className.trim(), groupCells(item, now, query));
      }
      case 'more':
        return moreLine(item, columns.length, query);
      default: {
        const unhandled: never = item;
        throw new Error(`unhandled item ${JSON.stringify(unhandled)}`);
      }
    }
  };
}

function troubleClass(rows: readonly Row[], now: number): string {
  const severity = Math.min(...rows.map((row) => severityOf(row, now)));
  if (severity <= 1) return 'trouble severe';
  return severity <= 4 ? 'trouble' : '';
}

function processCells(row: Row, now: number, link: string, zoneOffset: ZoneOffset): Cells {
  const { since, exits, cpu, memory, pid } = row;
  return {
    process: [h('a', { href: link }, nameOf(row))],
    state: stateCell(row),
    strip: [strip([row.timeline], now)],
    since: [since ? timeOf(since, zoneOffset, shortDuration(now - since)) : NOTHING],
    exits: [exits ? String(exits) : ZERO],
    unexpected: unexpectedExitsCell(row, now),
    exit: whyCell(row, now, zoneOffset),
    cpu: [cpu === undefined ? NOTHING : percent(cpu)],
    memory: [memory === undefined ? NOTHING : bytes(memory)],
    pid: [pid === undefined ? NOTHING : String(pid)],
  };
}

function groupCells(
  { group, rows, isOpen }: Item & { readonly kind: 'group' },
  now: number,
  query: TableQuery,
): Cells {
  const total = (value: (row: Row) => number | undefined) => {
    const values = rows.flatMap((row) => value(row) ?? []);
    return values.length === 0 ? undefined : values.reduce((sum, each) => sum + each, 0);
  };
  const [cpu, memory] = [total(({ cpu }) => cpu), total(({ memory }) => memory)];
  const [exits, unexpected] = [total((row) => row.exits), total((row) => row.unexpected)];
  const inTrouble = rows.filter(({ trouble }) => trouble !== undefined).length;
  const recent = rows.filter((row) => isRecent(row.lastUnexpectedExit, now)).length;
  const why = [
    inTrouble > 0 ? `${inTrouble} of ${rows.length} in trouble` : undefined,
    recent > 0 ? `${recent} exited unexpectedly within the hour` : undefined,
  ].filter((part) => part !== undefined);
  return {
    process: [
      h(
        'a',
        {
          class: 'toggle',
          href: formatQuery(withGroupToggled(query, group, isOpen)),
          'aria-expanded': isOpen ? 'true' : 'false',
        },
        h('bdi', {}, ...keepEnd(group)),
      ),
      h('small', {}, `${rows.length} processes`),
    ],
    state: groupStateCell(rows),
    strip: [
      strip(
        rows.map(({ timeline }) => timeline),
        now,
      ),
    ],
    since: [],
    exits: [exits ? String(exits) : ZERO],
    unexpected: [
      unexpected ? (recent > 0 ? h('strong', {}, String(unexpected)) : String(unexpected)) : ZERO,
    ],
    exit: why.length === 0 ? [NOTHING] : [h('span', { class: 'reason recent' }, why.join(', '))],
    cpu: [cpu === undefined ? NOTHING : percent(cpu)],
    memory: [memory === undefined ? NOTHING : bytes(memory)],
    pid: [],
  };
}

/** `480 of 480 RUNNING`; the most severe state first. */
function groupStateCell(rows: readonly Row[]): Cell {
  return [...countStates(rows)].flatMap(([state, count], index) => [
    index === 0 ? undefined : ' ',
    h(
      'span',
      { class: 'count' },
      state === 'RUNNING' || count === rows.length ? `${count} of ${rows.length} ` : `${count} `,
      stateOf(state),
    ),
  ]);
}

function moreLine(
  { group, hidden }: Item & { readonly kind: 'more' },
  columns: number,
  query: TableQuery,
): Markup {
  const text = `${hidden} more ${hidden === 1 ? 'process' : 'processes'} of ${group}`;
  const href = formatQuery(withGroupToggled(query, group, false));
  return h('tr', { class: 'more' }, h('td', { colspan: String(columns) }, h('a', { href }, text)));
}

/** Formatted as by supervisorctl. <bdi> isolates right-to-left names. */
export function nameOf({ group, name }: ProcessId): Markup {
  if (group === name) return h('bdi', {}, ...keepEnd(name));
  if (group.length + name.length < MAX_PLAIN_NAME) {
    return h('bdi', {}, h('span', { class: 'group' }, `${group}:`), name);
  }
  return h('bdi', {}, ...keepEnd(`${group}:${name}`));
}

const MAX_PLAIN_NAME = 44;
const KEPT_END = 16;

/** A long name is cut in the middle by the style sheet: its end often is a number. */
function keepEnd(text: string): Child[] {
  if (text.length < MAX_PLAIN_NAME) return [text];
  const characters = [...text];
  return [
    h(
      'span',
      { class: 'long', title: text },
      h('span', {}, characters.slice(0, -KEPT_END).join('')),
      h('span', {}, characters.slice(-KEPT_END).join('')),
    ),
  ];
}

function stateCell({ state, tries, trouble }: Row): Cell {
  if (trouble === 'unreported exit') {
    return [
      h('span', { class: 'badge FATAL' }, 'gone'),
      h('small', {}, `supervisord reports ${state}`),
    ];
  }
  const isTrying = tries > 0 && (state === 'BACKOFF' || state === 'STARTING');
  return [stateOf(state), isTrying ? h('small', {}, `try ${tries}`) : undefined];
}

export function stateOf(state: ProcessState): Markup {
  return h('span', { class: `badge ${state}` }, state);
}

function unexpectedExitsCell({ unexpected, lastUnexpectedExit }: Row, now: number): Cell {
  if (unexpected === 0) return [ZERO];
  const text = String(unexpected);
  return [isRecent(lastUnexpectedExit, now) ? h('strong', { class: 'recent' }, text) : text];
}

/** Why it is not running, or why it last exited. */
function whyCell(row: Row, now: number, zoneOffset: ZoneOffset): Cell {
  const { exitedAt, reason, spawnError, lastUnexpectedExit, trouble } = row;
  if (trouble === 'unreported exit') {
    return [h('span', { class: 'reason recent' }, 'supervisord has not reported the exit')];
  }
  const isUnexpected =
    exitedAt !== undefined && lastUnexpectedExit !== undefined && exitedAt <= lastUnexpectedExit;
  const isHighlighted = isUnexpected && (isRecent(exitedAt, now) || trouble === 'down');
  const details = [spawnError, reason, isUnexpected ? 'unexpected' : undefined].filter(Boolean);
  if (exitedAt === undefined && details.length === 0) return [NOTHING];
  const text = details.join(', ');
  return [
    text === ''
      ? undefined
      : h(
          'span',
          { class: isHighlighted ? 'reason recent' : 'reason', title: titleOf(text) },
          text,
        ),
    exitedAt === undefined ? undefined : timeOf(exitedAt, zoneOffset, ago(now - exitedAt)),
  ];
}

/** A text of this length may be cut by the style sheet. */
const LONG_TEXT = 40;

function titleOf(text: string): string | undefined {
  return text.length > LONG_TEXT ? text : undefined;
}

export function timeOf(at: number, zoneOffset: ZoneOffset, text: string): Markup {
  return h('time', { datetime: isoTime(at), title: fullTime(at, zoneOffset) }, text);
}

export function transitionRow(
  transition: Transition,
  { now }: View,
  { query, zoneOffset }: ViewOptions,
): Markup {
  const { at, from, to, expected } = transition;
  const time = clock(at, now, zoneOffset, { millis: true });
  const href = processLinks(query)(transition);
  return h(
    'tr',
    { class: expected === false || to === 'FATAL' || to === 'UNKNOWN' ? 'bad' : undefined },
    h('td', { class: 'at' }, timeOf(at, zoneOffset, time)),
    h('th', { scope: 'row', class: 'process' }, h('a', { href }, nameOf(transition))),
    h('td', { class: 'from' }, stateOf(from)),
    h('td', { class: 'to' }, stateOf(to)),
    h('td', { class: 'details' }, transitionDetails(transition)),
  );
}

export function transitionDetails({
  to,
  expected,
  tries,
  reason,
}: Pick<Transition, 'to' | 'expected' | 'tries' | 'reason'>): string {
  const details: string[] = [];
  if (expected !== undefined) details.push(expected ? 'expected' : 'unexpected');
  if (reason !== undefined) details.push(reason);
  if (tries !== undefined && tries > 0 && (to === 'BACKOFF' || to === 'STARTING')) {
    details.push(`try ${tries}`);
  }
  return details.join(', ');
}

/**
 * The number of processes in each state that occurs; a click adds the state to the filter or
 * removes it.
 */
export function stateFilter({ rows }: View, { query }: ViewOptions): Markup {
  const counts = countStates(rows);
  const { states } = query;
  const overview = { ...query, process: undefined };
  const all = h(
    'a',
    {
      href: formatQuery(withoutFilter(overview)),
      'aria-current': isFiltered(query) || query.process !== undefined ? undefined : 'true',
    },
    h('b', {}, String(rows.length)),
    ' all',
  );
  const chosen = PROCESS_STATES.filter((state) => states.has(state) && !counts.has(state));
  const links = [...counts.keys(), ...chosen].map((state) =>
    h(
      'a',
      {
        href: formatQuery(withStateToggled(overview, state)),
        'aria-current': states.has(state) ? 'true' : undefined,
      },
      h('b', {}, String(counts.get(state) ?? 0)),
      ' ',
      stateOf(state),
    ),
  );
  return h('nav', { id: 'states', 'aria-label': 'Filter by state' }, all, ...links);
}

/** The names of the form's fields besides those that it shows. */
const SHOWN_FIELDS: ReadonlySet<string> = new Set(['q', 'sort', 'process']);

/** Filter and sort order as a form, so that both work without scripts. */
export function tools({ context }: View, { query }: ViewOptions): Markup {
  const hidden = parametersOf(query)
    .filter(([name]) => !SHOWN_FIELDS.has(name))
    .map(([name, value]) => h('input', { type: 'hidden', name, value }));
  return h(
    'form',
    { id: 'tools', class: 'tools', method: 'get', action: './' },
    h('input', {
      type: 'search',
      name: 'q',
      placeholder: 'Filter by name, state or reason',
      'aria-label': 'Filter by name, state or reason',
      autocomplete: 'off',
      spellcheck: 'false',
      value: query.text,
    }),
    h(
      'label',
      { class: 'sort' },
      'Sort by ',
      h('select', { name: 'sort' }, ...sortOptions(context, query)),
    ),
    ...hidden,
    h('noscript', {}, h('button', {}, 'Apply')),
    h('a', { href: '#latest', class: 'jump' }, 'Latest transitions'),
  );
}

/** The value of an option as it is in the URL. */
function sortOptions(context: PageContext, query: TableQuery): Markup[] {
  return columnsOf(context).flatMap(({ column }) => {
    if (column === 'strip') return [];
    const isSelected = query.sort === column;
    const isDescending = isSelected ? query.isDescending : startsDescending(column);
    return h(
      'option',
      { value: `${isDescending ? '-' : ''}${column}`, selected: isSelected ? '' : undefined },
      SORT_TITLES[column],
    );
  });
}

/** Above the table: how much of it the filter shows, and whether it is grouped. */
export function rowCount(
  { items, matching }: Arrangement,
  { rows, context }: View,
  { query }: ViewOptions,
): Markup {
  const children: (Child | undefined)[] = [];
  const clear = h('a', { href: formatQuery(withoutFilter(query)) }, 'Clear the filter');
  if (rows.length === 0) {
    // While the exporter waits for a snapshot, a notice reports that.
    if (context.isSynced) children.push('supervisord has no processes.');
  } else if (matching === 0) {
    children.push('No process matches the filter. ', clear);
  } else if (isFiltered(query)) {
    children.push(`${matching} of ${rows.length} processes match the filter. `, clear);
  }
  const hasGroups = query.isFlat || items.some(({ kind }) => kind === 'group');
  if (hasGroups) {
    const href = formatQuery({ ...query, isFlat: !query.isFlat });
    children.push(
      ' ',
      h('a', { href }, query.isFlat ? 'Group the processes' : 'List without groups'),
    );
  }
  return h('p', { id: 'row-count', role: 'status' }, ...children);
}
