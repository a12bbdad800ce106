/** The page's script: applies the event stream, and sorts and filters without a reload. */

import { keyOf } from '../../../supervisor/process-id.ts';
import { clock } from '../format.ts';
import { h } from '../markup.ts';
import {
  heading,
  health,
  rowCount,
  rowsToShow,
  rowWriter,
  stateFilter,
  tableHead,
  title,
  transitionRow,
  warnings,
} from '../parts.ts';
import { formatQuery, parseQuery, type TableQuery } from '../table-query.ts';
import { applyChange, type Message, type View } from '../view.ts';
import { byId, PatchedElement, PatchedRows } from './dom.ts';
import { followStream } from './stream.ts';

const parts = {
  heading: new PatchedElement('heading'),
  live: new PatchedElement('live'),
  warnings: new PatchedElement('warnings'),
  states: new PatchedElement('states'),
  head: new PatchedElement('head'),
  rows: new PatchedRows('rows'),
  rowCount: new PatchedElement('row-count'),
  transitions: new PatchedRows('transitions'),
  health: new PatchedElement('health'),
};

const filter = byId('filter');
const input = filter.querySelector('input');
const build = document.querySelector('meta[name=build]')?.getAttribute('content');

let query: TableQuery = parseQuery(location.search);
let view: View | undefined;
/** When the last message was received, in milliseconds since the page was opened. */
let receivedAt = 0;
let isLive = false;
let isDrawScheduled = false;

function handleMessage(message: Message): void {
  if (message.kind === 'snapshot') {
    if (message.build !== build) reloadOnce(message.build);
    view = message.view;
  } else if (view !== undefined) {
    view = applyChange(view, message);
  }
  receivedAt = performance.now();
  isLive = true;
  scheduleDraw();
}

/** Loads the page of another build of the exporter. Only once, since a proxy may cache the old page. */
function reloadOnce(build: string): void {
  if (sessionStorage.getItem('build') === build) return;
  sessionStorage.setItem('build', build);
  location.reload();
}

function handleLoss(): void {
  isLive = false;
  scheduleDraw();
}

/** Draws in the next animation frame. */
function scheduleDraw(): void {
  if (isDrawScheduled) return;
  isDrawScheduled = true;
  requestAnimationFrame(() => {
    isDrawScheduled = false;
    if (view !== undefined) draw(view);
    drawStatus();
  });
}

/** The clock advances between two messages and stops when the connection is lost. */
function draw(view: View): void {
  const now = isLive ? view.now + (performance.now() - receivedAt) / 1000 : view.now;
  const current = { ...view, now };
  const options = { query, zoneOffset };
  const rows = rowsToShow(current, options);
  const write = rowWriter(current, options);
  parts.heading.update(heading(current));
  parts.warnings.update(warnings(current));
  parts.states.update(stateFilter(current, options));
  parts.head.update(tableHead(current, options));
  parts.rows.update(rows.map((row) => [keyOf(row), write(row)]));
  parts.rowCount.update(rowCount(rows.length, view.rows.length));
  parts.transitions.update(
    current.transitions.map((transition) => [
      String(transition.number),
      transitionRow(transition, current, options),
    ]),
  );
  parts.health.update(health(current));
  document.title = title(current);
}

function drawStatus(): void {
  const since = view === undefined ? '' : `, as of ${clock(view.now, view.now, zoneOffset)}`;
  document.body.classList.toggle('stale', !isLive);
  parts.live.update(
    h(
      'p',
      { id: 'live', role: 'status', class: isLive ? 'live' : 'lost' },
      isLive ? 'Live' : `Not live${since}. Reconnecting…`,
    ),
  );
}

function zoneOffset(at: number): number {
  return new Date(at * 1000).getTimezoneOffset();
}

function changeQuery(next: TableQuery): void {
  query = next;
  if (input !== null && input.value !== next.text) input.value = next.text;
  scheduleDraw();
}

/** Links that sort or filter only change the query, so the page need not be loaded. */
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const href = link?.getAttribute('href');
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
  if (!href?.startsWith('?') || !isPlain || view === undefined) return;
  event.preventDefault();
  history.pushState(null, '', href);
  changeQuery(parseQuery(location.search));
});
window.addEventListener('popstate', () => changeQuery(parseQuery(location.search)));

input?.addEventListener('input', () => {
  changeQuery({ ...query, text: input.value });
  history.replaceState(null, '', formatQuery(query));
});
filter.hidden = false;

setInterval(() => {
  if (isLive && document.visibilityState !== 'hidden') scheduleDraw();
}, 1_000);

followStream({ onMessage: handleMessage, onLost: handleLoss });
