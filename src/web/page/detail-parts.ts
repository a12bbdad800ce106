/** The view of one process, rendered by the server and by the browser alike. */

import type { LogTail } from '../../processes/log-tail.ts';
import type { Detail, TerminationDetail } from './detail.ts';
import { bytes, clock, duration, percent } from './format.ts';
import type { PastTransition } from './history.ts';
import { type Child, h, type Markup } from './markup.ts';
import { nameOf, stateOf, timeOf, transitionDetails, type ViewOptions } from './parts.ts';
import { strip } from './strip.ts';
import { formatQuery } from './table-query.ts';
import type { Row, View } from './view.ts';

/** The process that `key` names: `group:name`, or `name` where both are equal. */
export function findRow(rows: readonly Row[], key: string | undefined): Row | undefined {
  if (key === undefined) return undefined;
  return rows.find(
    ({ group, name }) => `${group}:${name}` === key || (group === name && name === key),
  );
}

/** `detail` is undefined while the browser waits for it. An empty section where no process is chosen. */
export function detailSection(
  view: View,
  detail: Detail | undefined,
  options: ViewOptions,
): Markup {
  const { query } = options;
  if (query.process === undefined) return h('section', { id: 'detail', hidden: '' });
  const back = h(
    'p',
    { class: 'back' },
    h('a', { href: formatQuery({ ...query, process: undefined }) }, '← All processes'),
  );
  const row = findRow(view.rows, query.process);
  const children =
    row === undefined
      ? [title(`There is no process ${query.process}.`)]
      : processParts(row, detail, view, options);
  return h('section', { id: 'detail', 'aria-labelledby': 'detail-title' }, back, ...children);
}

function title(...children: readonly Child[]): Markup {
  return h('h2', { id: 'detail-title', tabindex: '-1' }, ...children);
}

function processParts(
  row: Row,
  detail: Detail | undefined,
  { now }: View,
  options: ViewOptions,
): (Markup | undefined)[] {
  return [
    title(nameOf(row)),
    h('div', { class: 'big-strip' }, strip([row.timeline], now)),
    h('p', { class: 'axis' }, h('span', {}, 'an hour ago'), h('span', {}, 'now')),
    facts(row, detail, now, options),
    h('h3', {}, 'Last terminations'),
    detail && terminations(detail.terminations, now, options),
    detail?.logTail && logTail(detail.logTail, now, options),
    h('h3', {}, 'Transitions'),
    detail && transitions(detail.transitions, now, options),
    h('h3', {}, 'Commands'),
    commands(row),
  ].filter((part) => part !== undefined);
}

function facts(
  row: Row,
  detail: Detail | undefined,
  now: number,
  { zoneOffset }: ViewOptions,
): Markup {
  const { state, trouble, since, start, pid, tries, exits, unexpected, cpu, memory } = row;
  const time = (at: number, text: string) =>
    timeOf(at, zoneOffset, `${text}, since ${clock(at, now, zoneOffset)}`);
  const settings = detail?.settings;
  const pairs: (readonly [name: string, value: Child | undefined])[] = [
    [
      'State',
      trouble === 'unreported exit' ? `gone, but supervisord reports ${state}` : stateOf(state),
    ],
    ['For', since === undefined ? undefined : time(since, duration(now - since))],
    ['Uptime', start === undefined ? undefined : time(start, duration(now - start))],
    ['Why', [row.spawnError, row.reason].filter(Boolean).join(', ') || undefined],
    ['PID', pid === undefined ? undefined : String(pid)],
    ['Failed starts', tries === 0 ? undefined : String(tries)],
    ['Exits', `${exits}, of which ${unexpected} unexpected`],
    ['CPU', cpu === undefined ? undefined : percent(cpu)],
    ['CPU time', detail?.cpuSeconds === undefined ? undefined : duration(detail.cpuSeconds)],
    ['Memory', memory === undefined ? undefined : bytes(memory)],
    ['autostart', settings?.autostart === undefined ? undefined : String(settings.autostart)],
    ['startretries', numberOf(settings?.startRetries)],
    ['stopwaitsecs', numberOf(settings?.stopWaitSeconds)],
    ['exitcodes', settings?.exitCodes?.join(', ')],
  ];
  const items = pairs.flatMap(([name, value]) =>
    value === undefined ? [] : [h('div', {}, h('dt', {}, name), h('dd', {}, value))],
  );
  return h('dl', { class: 'facts' }, ...items);
}

function numberOf(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

function terminations(
  all: readonly TerminationDetail[],
  now: number,
  { zoneOffset }: ViewOptions,
): Markup {
  if (all.length === 0) return h('p', {}, 'None since the exporter started.');
  const rows = all.map(({ at, duration: seconds, pid, expected, reason, oomKilled }) => [
    timeOf(at, zoneOffset, clock(at, now, zoneOffset, { millis: true })),
    reason ?? 'reason not known',
    expected === undefined ? '–' : expected ? 'expected' : h('strong', {}, 'unexpected'),
    seconds === undefined ? '–' : duration(seconds),
    pid === undefined ? '–' : String(pid),
    oomKilled === undefined ? '–' : oomKilled ? h('strong', {}, 'yes') : 'no',
  ]);
  return table(
    'Last terminations',
    ['Time', 'Reason', 'Expected', 'Ran for', 'PID', 'OOM kill'],
    rows,
  );
}

function transitions(
  all: readonly PastTransition[],
  now: number,
  { zoneOffset }: ViewOptions,
): Markup {
  if (all.length === 0) return h('p', {}, 'None since the exporter started.');
  const rows = all.map((transition) => [
    timeOf(transition.at, zoneOffset, clock(transition.at, now, zoneOffset, { millis: true })),
    stateOf(transition.from),
    stateOf(transition.to),
    transitionDetails({ ...transition, reason: undefined }),
  ]);
  return table('Transitions', ['Time', 'From', 'To', 'Details'], rows);
}

function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Child[])[],
): Markup {
  const head = heads.map((text) => h('th', { scope: 'col' }, text));
  return h(
    'table',
    { class: 'plain' },
    h('caption', { class: 'hidden' }, caption),
    h('thead', {}, h('tr', {}, ...head)),
    h(
      'tbody',
      {},
      ...rows.map((cells) =>
        h('tr', {}, ...cells.map((cell, at) => h('td', { 'data-title': heads[at] ?? '' }, cell))),
      ),
    ),
  );
}

function logTail({ stream, text, at }: LogTail, now: number, { zoneOffset }: ViewOptions): Markup {
  return h(
    'div',
    {},
    h('h3', {}, `End of its ${stream} log at the last unexpected exit or failed start`),
    h('p', {}, timeOf(at, zoneOffset, clock(at, now, zoneOffset, { millis: true }))),
    h('pre', { class: 'log', tabindex: '0' }, text),
  );
}

/** To be copied: the page itself changes nothing. */
function commands({ group, name }: Row): Markup {
  const process = shellQuote(group === name ? name : `${group}:${name}`);
  const lines = ['status', 'tail -f', 'restart'].map((verb) => `supervisorctl ${verb} ${process}`);
  const stderr = `supervisorctl tail -f ${process} stderr`;
  return h(
    'ul',
    { class: 'commands' },
    ...[...lines, stderr].map((line) => h('li', {}, h('code', {}, line))),
  );
}

/** For a POSIX shell. supervisorctl splits its arguments at blanks, so such a name has no command. */
function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
