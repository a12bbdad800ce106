/** What concerns more than one process: the head of the page, its notices and its footer. */

import { clock, duration, plural, type ZoneOffset } from './format.ts';
import { type Child, h, type Markup } from './markup.ts';
import { formatQuery, isRecent, type TableQuery } from './table-query.ts';
import type { PageContext, Row, View } from './view.ts';

export function title({ context, rows }: View): string {
  const inTrouble = rows.filter(({ trouble }) => trouble !== undefined).length;
  const { identifier = 'supervisord', host } = context;
  return `${inTrouble > 0 ? `(${inTrouble}) ` : ''}${identifier} on ${host} – Supervisor`;
}

export function heading({ context }: View): Markup {
  const { identifier, host, supervisordVersion, supervisordState } = context;
  const server = `supervisord ${supervisordVersion ?? ''}`.trim();
  return h(
    'h1',
    { id: 'heading' },
    h('bdi', {}, identifier ?? 'supervisord'),
    ' ',
    h('small', {}, 'on ', h('bdi', {}, host)),
    ' ',
    h('small', {}, supervisordState === undefined ? server : `${server}, ${supervisordState}`),
  );
}

/** Whether what the page shows can be trusted; `lost` while its stream is interrupted. */
export function liveStatus(view: View, isConnected: boolean, zoneOffset: ZoneOffset): Markup {
  const { context, now } = view;
  if (!isConnected) {
    const since = clock(now, now, zoneOffset);
    return status('lost', `Not live, as of ${since}. Reconnecting…`);
  }
  const doubt = doubtOf(context);
  return doubt === undefined ? status('live', 'Live') : status(doubt.className, doubt.text);
}

function status(className: string, text: string): Markup {
  return h('p', { id: 'live', role: 'status', class: className }, text);
}

function doubtOf(context: PageContext): { className: string; text: string } | undefined {
  const { rpc, isSynced, isStalled } = context;
  if (rpc === 'pending') return { className: 'doubt', text: 'Waiting for supervisord' };
  if (typeof rpc === 'object') return { className: 'lost', text: 'supervisord does not answer' };
  if (isStalled === true) return { className: 'lost', text: 'supervisord does not run' };
  if (rpc === 'none') return { className: 'doubt', text: 'Live, from events only' };
  return isSynced ? undefined : { className: 'lost', text: 'Not synced' };
}

/** What needs attention now. An alert is read out by a screen reader at once. */
export function alerts(view: View, query: TableQuery): Markup {
  const { context, rows } = view;
  const fatal = rows.filter(({ state }) => state === 'FATAL');
  const unknown = rows.filter(({ state }) => state === 'UNKNOWN');
  const unreported = rows.filter(({ trouble }) => trouble === 'unreported exit');
  const overview = emptied(query);
  const link = (changes: Partial<TableQuery>, text: string) =>
    h('a', { href: formatQuery({ ...overview, ...changes }) }, text);
  const items = [
    ...syncAlerts(view),
    ...(context.isStalled === true
      ? [notice('supervisord is stopped or blocked: its processes are not restarted.')]
      : []),
    ...some(fatal, (names) =>
      notice(
        link(
          { states: new Set(['FATAL']) },
          `${plural(fatal.length, 'process is', 'processes are')} FATAL`,
        ),
        `, and supervisord does not start ${fatal.length === 1 ? 'it' : 'them'} again: ${names}.`,
      ),
    ),
    ...some(unknown, (names) =>
      notice(
        link(
          { states: new Set(['UNKNOWN']) },
          `${plural(unknown.length, 'process is', 'processes are')} UNKNOWN`,
        ),
        `: supervisord has lost track of ${names}.`,
      ),
    ),
    ...some(unreported, (names) =>
      notice(
        link(
          { only: 'unreported' },
          `${plural(unreported.length, 'process is', 'processes are')} gone`,
        ),
        `, but supervisord has not reported the exit: ${names}.`,
      ),
    ),
  ];
  return h('div', { id: 'alerts', role: 'alert' }, ...items);
}

function syncAlerts({ context, now }: View): Markup[] {
  const { rpc, isSynced, waitingSince } = context;
  const failure = typeof rpc === 'object' ? rpc.failure : undefined;
  if (waitingSince !== undefined) {
    const why = failure === undefined ? '' : `: ${failure}`;
    return [
      notice(
        // The seconds would be read out each time that they change.
        'Waiting for supervisord',
        h('span', { 'aria-hidden': 'true' }, `, ${duration(now - waitingSince)}`),
        `${why}. Until its first answer only processes with events are listed.`,
      ),
    ];
  }
  if (failure !== undefined) {
    return [
      notice(`supervisord does not answer XML-RPC; states are known from events only: ${failure}`),
    ];
  }
  if (isSynced || rpc === 'none') return [];
  return [notice('Not synced: events were lost, so states may be wrong until the next snapshot.')];
}

/** Notices that can wait. */
export function warnings(view: View, query: TableQuery): Markup {
  const { context, rows, now } = view;
  const items: Markup[] = [];
  const recent = rows.filter(
    ({ lastUnexpectedExit: at }) => isRecent(at, now) && (at ?? 0) > (query.seen ?? 0),
  );
  items.push(
    ...some(recent, (names) => {
      const last = Math.max(...recent.map(({ lastUnexpectedExit }) => lastUnexpectedExit ?? 0));
      return notice(
        h(
          'a',
          { href: formatQuery({ ...emptied(query), only: 'unexpected' }) },
          `${plural(recent.length, 'process has', 'processes have')} exited unexpectedly within the last hour`,
        ),
        `: ${names}. `,
        h('a', { class: 'dismiss', href: formatQuery({ ...query, seen: last }) }, 'Dismiss'),
      );
    }),
  );
  if (context.rpc === 'none') {
    items.push(
      notice('supervisord has no HTTP server; a process is listed only after its first event.'),
    );
  }
  if (context.eventsLost > 0) {
    const lost = plural(context.eventsLost, 'event', 'events');
    items.push(
      notice(
        `supervisord has discarded ${lost} before delivery, so counts are too low; raise buffer_size.`,
      ),
    );
  }
  return h('div', { id: 'warnings', role: 'status' }, ...items);
}

function notice(...children: readonly Child[]): Markup {
  return h('p', {}, ...children);
}

const MAX_NAMES = 3;

/** Nothing where there are no rows. */
function some(rows: readonly Row[], write: (names: string) => Markup): Markup[] {
  if (rows.length === 0) return [];
  const names = rows
    .slice(0, MAX_NAMES)
    .map(({ group, name }) => shorten(group === name ? name : `${group}:${name}`));
  const more = rows.length - names.length;
  return [write(`${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`)];
}

const MAX_NAME = 60;

/** Keeps both ends. */
function shorten(name: string): string {
  const characters = [...name];
  if (characters.length <= MAX_NAME) return name;
  return `${characters.slice(0, 30).join('')}…${characters.slice(-20).join('')}`;
}

/** The table without any filter, in the order that was chosen. */
function emptied({ sort, isDescending, isFlat, seen }: TableQuery): TableQuery {
  return {
    process: undefined,
    sort,
    isDescending,
    states: new Set(),
    only: undefined,
    text: '',
    open: new Set(),
    closed: new Set(),
    isFlat,
    seen,
  };
}

/** The status of the exporter, in the footer. */
export function health({ context }: View): Markup {
  const { exporterVersion, rpc, eventsLost } = context;
  const items = [
    `supervisor-exporter ${exporterVersion}`,
    `XML-RPC ${typeof rpc === 'object' ? 'fails' : RPC_WORDS[rpc]}`,
    `${plural(eventsLost, 'event', 'events')} lost`,
  ];
  return h('span', { id: 'health' }, items.join(' · '));
}

const RPC_WORDS = { works: 'works', pending: 'not tried yet', none: 'not configured' } as const;

/** `zone`: such as `UTC` or `Europe/Berlin (UTC+02:00)`. */
export function zoneNote(zone: string): Markup {
  return h('span', { id: 'zone' }, `Times are in ${zone}`);
}
