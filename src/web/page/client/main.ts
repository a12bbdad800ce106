/** The page's script: applies the event stream, and sorts and filters without a reload. */

import { displayName, keyOf } from '../../../supervisor/process-id.ts';
import { DutyCycle } from '../../../util/duty-cycle.ts';
import { arrange } from '../arrange.ts';
import type { Detail } from '../detail.ts';
import { detailSection, findRow } from '../detail-parts.ts';
import { zoneName } from '../format.ts';
import { alerts, heading, health, liveStatus, title, warnings, zoneNote } from '../notices.ts';
import { keyOfItem, rowCount, stateFilter, tableHead } from '../parts.ts';
import { COLUMNS, formatQuery, parseQuery, type TableQuery } from '../table-query.ts';
import { applyChanges, type Change, type Message, type Row, type View } from '../view.ts';
import { byId, PatchedElement, PatchedRows } from './dom.ts';
import { LineCache } from './line-cache.ts';
import { followStream } from './stream.ts';

const parts = {
  heading: new PatchedElement('heading'),
  live: new PatchedElement('live'),
  alerts: new PatchedElement('alerts'),
  warnings: new PatchedElement('warnings'),
  states: new PatchedElement('states'),
  detail: new PatchedElement('detail'),
  head: new PatchedElement('head'),
  rows: new PatchedRows('rows'),
  rowCount: new PatchedElement('row-count'),
  transitions: new PatchedRows('transitions'),
  health: new PatchedElement('health'),
  zone: new PatchedElement('zone'),
};

const main = byId('main');
const overview = byId('overview');
const form = byId('tools');
const input = form.querySelector('input');
const select = form.querySelector('select');
const build = document.querySelector('meta[name=build]')?.getAttribute('content');
const lines = new LineCache();

let query: TableQuery = parseQuery(location.search);
let view: View | undefined;
/** Received since `view` was made. They are applied together, since that costs as much as applying one. */
let changes: Change[] = [];
/** Changes that are not drawn do not accumulate beyond this: ten seconds of a storm. */
const MAX_CHANGES = 100;
/** When the last message was received, in milliseconds since the page was opened. */
let receivedAt = 0;
let isConnected = false;

/** Limits drawing, with the layout that follows, to a share of the time. Messages are read as they arrive. */
const DRAWING = new DutyCycle({ share: 0.04, burstMs: 100, longestPauseMs: 5_000 });
let isDrawScheduled = false;
let hasDrawn = false;
let drawTimer: number | undefined;
/** Until this time, in milliseconds since the page was opened, only input of the reader causes drawing. */
let pausedUntil = 0;

function handleMessage(message: Message): void {
  if (message.kind === 'snapshot') {
    if (message.build !== build) reloadOnce(message.build);
    view = message.view;
    changes = [];
  } else {
    changes.push(message);
    if (changes.length >= MAX_CHANGES) applyReceived();
  }
  receivedAt = performance.now();
  isConnected = true;
  drawSoon();
}

function applyReceived(): void {
  if (view !== undefined && changes.length > 0) view = applyChanges(view, changes);
  changes = [];
}

/** Loads the page of another build of the exporter. Only once, since a proxy may cache the old page. */
function reloadOnce(build: string): void {
  if (sessionStorage.getItem('build') === build) return;
  sessionStorage.setItem('build', build);
  location.reload();
}

function handleLoss(): void {
  isConnected = false;
  drawNow();
}

function drawSoon(): void {
  if (isDrawScheduled || drawTimer !== undefined) return;
  drawTimer = setTimeout(drawNow, Math.max(0, pausedUntil - performance.now()));
}

/** Draws in the next animation frame. */
function drawNow(): void {
  clearTimeout(drawTimer);
  drawTimer = undefined;
  if (isDrawScheduled) return;
  isDrawScheduled = true;
  requestAnimationFrame(() => {
    const began = performance.now();
    isDrawScheduled = false;
    applyReceived();
    if (view === undefined) return;
    draw(view);
    const isFirst = !hasDrawn;
    hasDrawn = true;
    // A task after the frame: layout and paint are included.
    setTimeout(() => {
      const now = performance.now();
      // The first drawing creates all elements, and is not repeated.
      if (!isFirst) pausedUntil = now + DRAWING.record(began, now);
    });
  });
}

/** The clock advances between two messages and stops when the connection is lost. */
function draw(view: View): void {
  const now = isConnected ? view.now + (performance.now() - receivedAt) / 1000 : view.now;
  const current = { ...view, now };
  const options = { query, zoneOffset };
  parts.heading.update(heading(current));
  parts.live.update(liveStatus(view, isConnected, zoneOffset));
  parts.alerts.update(alerts(current, query));
  parts.warnings.update(warnings(current, query));
  parts.states.update(stateFilter(current, options));
  parts.health.update(health(current));
  parts.zone.update(zoneNote(zoneText(now)));
  document.title = title(current);
  document.body.classList.toggle('stale', !isConnected);

  const isOverview = query.process === undefined;
  main.classList.toggle('one', !isOverview);
  overview.hidden = !isOverview;
  if (isOverview) drawTable(current);
  else followDetail(findRow(current.rows, query.process));
  parts.detail.update(detailSection(current, detail, options));
  parts.transitions.update(
    current.transitions.map((transition) => [
      String(transition.number),
      () => lines.transition(transition, current, options),
    ]),
  );
  moveFocus();
}

function drawTable(current: View): void {
  const options = { query, zoneOffset };
  const arrangement = arrange(current.rows, query, current.now);
  lines.begin(current, options);
  parts.head.update(tableHead(current, options));
  parts.rows.update(arrangement.items.map((item) => [keyOfItem(item), () => lines.line(item)]));
  parts.rowCount.update(rowCount(arrangement, current, options));
}

/** What is shown of the process in detail, and the row for which it was fetched. */
let detail: Detail | undefined;
let detailRow: Row | undefined;
let isFetching = false;
/** The least time between two requests for the same process. */
const DETAIL_INTERVAL_MS = 1_000;
let fetchedAt = Number.NEGATIVE_INFINITY;

/** Fetches what is not in the row whenever the row has changed. */
async function followDetail(row: Row | undefined): Promise<void> {
  const isSame = detail !== undefined && row !== undefined && keyOf(detail) === keyOf(row);
  if (!isSame) detail = undefined;
  if (row === undefined || isFetching || (isSame && row === detailRow)) return;
  if (isSame && performance.now() - fetchedAt < DETAIL_INTERVAL_MS) return;
  isFetching = true;
  fetchedAt = performance.now();
  try {
    const response = await fetch(`./?${new URLSearchParams({ process: displayName(row) })}`, {
      headers: { accept: 'application/json' },
    });
    if (response.ok) {
      detail = await response.json();
      detailRow = row;
    }
  } catch {
    // The stream reports that the exporter cannot be reached.
  }
  isFetching = false;
  drawNow();
}

function zoneOffset(at: number): number {
  return new Date(at * 1000).getTimezoneOffset();
}

function zoneText(now: number): string {
  const offset = zoneName(now, zoneOffset);
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return timeZone === offset ? offset : `${timeZone} (${offset})`;
}

/** The process whose detail was opened or left by the last change of the query. */
let focusTarget: { readonly opened: boolean; readonly process: string } | undefined;

function changeQuery(next: TableQuery): void {
  if (next.process !== query.process) {
    const process = next.process ?? query.process ?? '';
    focusTarget = { opened: next.process !== undefined, process };
    fetchedAt = Number.NEGATIVE_INFINITY;
  }
  query = next;
  if (input !== null && input.value !== next.text) input.value = next.text;
  showSort();
  drawNow();
}

/** After a change between table and detail: to the heading, or back to the process in the table. */
function moveFocus(): void {
  if (focusTarget === undefined || view === undefined) return;
  const { opened, process } = focusTarget;
  focusTarget = undefined;
  const row = findRow(view.rows, process);
  if (opened) {
    document.getElementById('detail-title')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  } else if (row !== undefined) {
    parts.rows
      .element(`process ${keyOf(row)}`)
      ?.querySelector('a')
      ?.focus();
  }
}

/** Links that change what is shown only change the query, so the page need not be loaded. */
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
form.addEventListener('submit', (event) => event.preventDefault());

select?.addEventListener('change', () => {
  const isDescending = select.value.startsWith('-');
  const sort = COLUMNS.find((column) => column === select.value.replace(/^-/, ''));
  if (sort === undefined) return;
  changeQuery({ ...query, sort, isDescending });
  history.pushState(null, '', formatQuery(query));
});

function showSort(): void {
  const options = [...(select?.options ?? [])];
  const selected = options.find(({ value }) => value.replace(/^-/, '') === query.sort);
  if (selected === undefined) return;
  selected.value = `${query.isDescending ? '-' : ''}${query.sort}`;
  selected.selected = true;
}

let isRefreshScheduled = false;
document.addEventListener(
  'scroll',
  () => {
    if (isRefreshScheduled) return;
    isRefreshScheduled = true;
    requestAnimationFrame(() => {
      isRefreshScheduled = false;
      parts.rows.refresh();
    });
  },
  { passive: true },
);

setInterval(() => {
  if (isConnected && document.visibilityState !== 'hidden') drawSoon();
}, 1_000);

followStream({ onMessage: handleMessage, onLost: handleLoss });
