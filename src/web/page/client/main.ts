/** What the page does in a browser: follows the stream, and sorts and filters without a reload. */

import { keyOf } from '../../../supervisor/process-id.ts';
import { type Arrangement, formatQuery, parseQuery } from '../arrange.ts';
import { clock } from '../format.ts';
import { h } from '../markup.ts';
import {
  heading,
  health,
  notices,
  remainder,
  rowsToShow,
  rowWriter,
  stateFilter,
  stepRow,
  tableHead,
  title,
} from '../parts.ts';
import { applyChange, type Message, type View } from '../view.ts';
import { byId, Part, Rows } from './dom.ts';
import { follow } from './stream.ts';

const parts = {
  heading: new Part('heading'),
  live: new Part('live'),
  notices: new Part('notices'),
  states: new Part('states'),
  head: new Part('head'),
  rows: new Rows('rows'),
  remainder: new Part('remainder'),
  steps: new Rows('steps'),
  health: new Part('health'),
};

const filter = byId('filter');
const input = filter.querySelector('input');
const build = document.querySelector('meta[name=build]')?.getAttribute('content');

let arrangement: Arrangement = parseQuery(location.search);
let view: View | undefined;
/** This clock when the last message came, in milliseconds since the page was opened. */
let heardAt = 0;
let isLive = false;
let isDrawing = false;

function take(message: Message): void {
  if (message.kind === 'whole') {
    if (message.build !== build) reloadFor(message.build);
    view = message.view;
  } else if (view !== undefined) {
    view = applyChange(view, message);
  }
  heardAt = performance.now();
  isLive = true;
  draw();
}

/** The exporter is another one than this script belongs to. Once: what is between us may keep an old page. */
function reloadFor(build: string): void {
  if (sessionStorage.getItem('build') === build) return;
  sessionStorage.setItem('build', build);
  location.reload();
}

function lose(): void {
  isLive = false;
  draw();
}

/** Once a frame at most. */
function draw(): void {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (view !== undefined) show(view);
    showLive();
  });
}

/** Time goes on between two messages, and stands still where none come. */
function show(view: View): void {
  const now = isLive ? view.now + (performance.now() - heardAt) / 1000 : view.now;
  const current = { ...view, now };
  const sight = { arrangement, offset: zoneOffset };
  const rows = rowsToShow(current, sight);
  const write = rowWriter(current, sight);
  parts.heading.show(heading(current));
  parts.notices.show(notices(current));
  parts.states.show(stateFilter(current, sight));
  parts.head.show(tableHead(current, sight));
  parts.rows.show(rows.map((row) => [keyOf(row), write(row)]));
  parts.remainder.show(remainder(rows.length, view.rows.length));
  parts.steps.show(
    current.steps.map((step) => [String(step.number), stepRow(step, current, sight)]),
  );
  parts.health.show(health(current));
  document.title = title(current);
}

function showLive(): void {
  const since = view === undefined ? '' : `, as of ${clock(view.now, view.now, zoneOffset)}`;
  document.body.classList.toggle('stale', !isLive);
  parts.live.show(
    h(
      'p',
      { id: 'live', role: 'status', class: isLive ? 'live' : 'lost' },
      isLive ? 'Live' : `Not live${since}. Trying again…`,
    ),
  );
}

function zoneOffset(at: number): number {
  return new Date(at * 1000).getTimezoneOffset();
}

function rearrange(next: Arrangement): void {
  arrangement = next;
  if (input !== null && input.value !== next.text) input.value = next.text;
  draw();
}

/** The links that sort and filter lead to another query of this page: no need to load it for that. */
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const href = link?.getAttribute('href');
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
  if (!href?.startsWith('?') || !isPlain || view === undefined) return;
  event.preventDefault();
  history.pushState(null, '', href);
  rearrange(parseQuery(location.search));
});
window.addEventListener('popstate', () => rearrange(parseQuery(location.search)));

input?.addEventListener('input', () => {
  rearrange({ ...arrangement, text: input.value });
  history.replaceState(null, '', formatQuery(arrangement));
});
filter.hidden = false;

setInterval(() => {
  if (isLive && document.visibilityState !== 'hidden') draw();
}, 1_000);

follow({ onMessage: take, onLost: lose });
