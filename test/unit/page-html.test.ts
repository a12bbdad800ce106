import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PROCESS_STATES } from '../../src/supervisor/states.ts';
import type { Detail } from '../../src/web/page/detail.ts';
import { renderDocument } from '../../src/web/page/document.ts';
import {
  ago,
  bytes,
  clock,
  duration,
  isoTime,
  percent,
  shortDuration,
  zoneName,
} from '../../src/web/page/format.ts';
import { h, toHtml } from '../../src/web/page/markup.ts';
import { DEFAULT_QUERY, parseQuery } from '../../src/web/page/table-query.ts';
import type { View } from '../../src/web/page/view.ts';
import { CONTEXT, row, transition, view } from '../support/page.ts';

const page = suite('page html');

const HOSTILE = `<script>alert(1)</script><img/src=x/onerror=alert(1)>"'&amp;`;

page('toHtml escapes text in elements and attributes', () => {
  const html = toHtml(h('a', { title: HOSTILE, id: undefined }, HOSTILE, undefined, h('b', {})));
  const escaped = HOSTILE.replaceAll('&', '&#38;')
    .replaceAll('<', '&#60;')
    .replaceAll('>', '&#62;')
    .replaceAll('"', '&#34;')
    .replaceAll("'", '&#39;');
  assert.is(html, `<a title="${escaped}">${escaped}<b></b></a>`);
  assert.is(toHtml(h('input', { value: '' })), '<input value="">');
});

page('text from supervisord and from the URL is escaped', () => {
  const name = HOSTILE.replaceAll(/[\s:]/g, '');
  const hostile = view(
    [row(name, { reason: HOSTILE, exitedAt: 1, lastUnexpectedExit: 1, exits: 1 })],
    {
      context: {
        ...CONTEXT,
        identifier: HOSTILE,
        supervisordVersion: HOSTILE,
        supervisordState: HOSTILE,
        rpc: { failure: HOSTILE },
      },
      transitions: [transition(1, name, { reason: HOSTILE })],
    },
  );
  const html = write(hostile, `?q=${encodeURIComponent(HOSTILE)}`);
  assert.not.match(html, /<script>|<img|onerror=alert\(1\)>|"'/);
  const tags = [...html.matchAll(/<script[^>]*>/g)].map(([tag]) => tag);
  assert.equal(tags, ['<script type="module" src="./-/page.js">']);
});

page('every tag is closed, and there are no inline styles or scripts', () => {
  const html = write(view([row('web'), row('db')], { transitions: [transition(1, 'web')] }));
  for (const tag of ['html', 'head', 'body', 'table', 'tbody', 'tr', 'td', 'th', 'section', 'a']) {
    const opened = html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
    assert.ok(opened > 0, tag);
    assert.is(html.match(new RegExp(`</${tag}>`, 'g'))?.length, opened, tag);
  }
  assert.not.match(html, / style=| on\w+=|<style/);
});

page('a long table is yielded in pieces and holds each row once', () => {
  const rows = Array.from({ length: 333 }, (_, index) => row(`p-${index}`));
  const pieces = [...renderDocument(view(rows), undefined, OPTIONS)];
  assert.ok(pieces.length > 15);
  const html = pieces.join('');
  for (const { name } of rows) assert.is(html.split(`>${name}<`).length, 2, name);
});

page('a row shows all that is known about a process', () => {
  const now = Date.UTC(2026, 10, 24, 12) / 1000;
  const known = row('shop:web', {
    state: 'RUNNING',
    since: now - 60,
    start: now - 61.5,
    pid: 4711,
    exits: 12,
    unexpected: 3,
    lastUnexpectedExit: now - 120,
    exitedAt: now - 120,
    reason: 'exit status 3',
    cpu: 0.125,
    memory: 3 * 2 ** 20,
  });
  const html = write(view([known], { now }));
  for (const text of [
    '<bdi><span class="group">shop:</span>web</bdi>',
    '>RUNNING<',
    '>1m<',
    ' title="2026-11-24 11:59:00.000">',
    '>12<',
    '>3<',
    '>exit status 3, unexpected<',
    '>2m ago<',
    '>12.5%<',
    '>3.0 MiB<',
    '>4711<',
    '>1 process has exited unexpectedly within the last hour</a>: shop:web. ',
  ]) {
    assert.ok(html.includes(text), `${text} in ${html}`);
  }
});

page('the resource columns are absent when resource usage is not collected', () => {
  const html = write(view([row('web')], { context: { ...CONTEXT, hasUsage: false } }));
  assert.not.match(html, /Memory|CPU/);
});

const WARNINGS: readonly (readonly [context: Partial<View['context']>, expected: RegExp])[] = [
  [{ rpc: { failure: 'wrong password' } }, /does not answer XML-RPC[^<]*: wrong password/],
  [{ rpc: 'none', isSynced: false }, /supervisord has no HTTP server/],
  [{ isSynced: false }, /Not synced: events were lost/],
  [{ isStalled: true }, /supervisord is stopped or blocked/],
  [{ eventsLost: 1 }, /has discarded 1 event before/],
  [{ eventsLost: 42 }, /has discarded 42 events before/],
  [
    { rpc: 'pending', isSynced: false, waitingSince: 9_988 },
    /Waiting for supervisord<span aria-hidden="true">, 12s<\/span>/,
  ],
  [
    { rpc: { failure: 'refused' }, isSynced: false, waitingSince: 9_988 },
    /, 12s<\/span>: refused\. Until its first answer/,
  ],
];

for (const [context, expected] of WARNINGS) {
  page(`the page warns with ${expected}`, () => {
    assert.match(write(view([row('web')], { context: { ...CONTEXT, ...context } })), expected);
    assert.not.match(write(view([row('web')])), expected);
  });
}

page('the state links show counts and toggle the filter', () => {
  const html = write(
    view(PROCESS_STATES.map((state) => row(state.toLowerCase(), { state }))),
    '?state=FATAL',
  );
  for (const state of PROCESS_STATES)
    assert.match(html, new RegExp(`<b>1</b> <span class="badge ${state}">`));
  assert.match(html, /<a href="\?"><b>8<\/b> all/);
  assert.match(html, /<a href="\?state=RUNNING,FATAL">/);
  assert.match(html, /1 of 8 processes match the filter/);
});

page('the header of the sorted column has aria-sort', () => {
  assert.match(write(view([row('web')])), /aria-sort="ascending"><a href="\?sort=-state">State/);
  assert.match(
    write(view([row('web')]), '?sort=-memory'),
    /aria-sort="descending"><a href="\?sort=memory">Memory/,
  );
});

page('all links are relative, so that a proxy may serve the page under a prefix', () => {
  for (const [, link = ''] of write(view([])).matchAll(/ (?:href|src)="([^"]*)"/g)) {
    assert.match(link, /^(?:\.\/|\?|#)/);
  }
});

const FORMATS: readonly (readonly [written: string, expected: string])[] = [
  [duration(0), '0s'],
  [duration(-5), '0s'],
  [duration(59.9), '59s'],
  [duration(60), '1m 00s'],
  [duration(3599), '59m 59s'],
  [duration(3600), '1h 00m'],
  [duration(86_399), '23h 59m'],
  [duration(86_400 * 3 + 3600 * 4), '3d 4h'],
  [shortDuration(3700), '1h'],
  [zoneName(0, () => 0), 'UTC'],
  [zoneName(0, () => -330), 'UTC+05:30'],
  [zoneName(0, () => 210), 'UTC-03:30'],
  [ago(0.4), 'just now'],
  [ago(-3), 'just now'],
  [ago(125), '2m ago'],
  [bytes(0), '0 B'],
  [bytes(1023), '1023 B'],
  [bytes(1024), '1.0 KiB'],
  [bytes(150 * 2 ** 20), '150 MiB'],
  [bytes(2 ** 60), '1048576 TiB'],
  [percent(0), '0.0%'],
  [percent(2.5), '250.0%'],
  [clock(3661.5, 3662, () => 0), '01:01:01'],
  [clock(3661.5, 3662, () => 0, { millis: true }), '01:01:01.500'],
  // A zone two hours ahead of UTC.
  [clock(3661.5, 3662, () => -120), '03:01:01'],
  [clock(3661.5, 90_000, () => 0), '1970-01-01 01:01:01'],
  // Yesterday in UTC and today in the zone of the reader.
  [clock(86_399, 86_401, () => -120), '01:59:59'],
  [isoTime(1e300), '1970-01-01T00:00:00.000Z'],
];

for (const [written, expected] of FORMATS) {
  page(`a value is formatted as ${expected}`, () => assert.is(written, expected));
}

const OPTIONS = { query: DEFAULT_QUERY, telemetryPath: '/metrics', build: 'abc' };

function write(view: View, query = '', detail?: Detail): string {
  return [...renderDocument(view, detail, { ...OPTIONS, query: parseQuery(query) })].join('');
}

page.run();
