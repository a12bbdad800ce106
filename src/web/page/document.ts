/** The complete page as rendered by the server. It works without scripts. */

import { arrange } from './arrange.ts';
import type { Detail } from './detail.ts';
import { detailSection } from './detail-parts.ts';
import { clock } from './format.ts';
import { h, type Markup, toHtml } from './markup.ts';
import { alerts, heading, health, title, warnings, zoneNote } from './notices.ts';
import {
  itemWriter,
  rowCount,
  stateFilter,
  tableHead,
  tools,
  transitionRow,
  type ViewOptions,
} from './parts.ts';
import type { TableQuery } from './table-query.ts';
import type { View } from './view.ts';

export interface DocumentOptions {
  readonly query: TableQuery;
  readonly telemetryPath: string;
  /** Identifies the page's script, which reloads the page when the stream announces another build. */
  readonly build: string;
}

/** The server does not know the reader's time zone. */
const UTC = () => 0;

/**
 * Yields the page in pieces, one row at a time, so that the caller can yield to the event loop in
 * between. All links are relative, so that a proxy may serve the page under a prefix.
 */
export function* renderDocument(
  view: View,
  detail: Detail | undefined,
  { query, telemetryPath, build }: DocumentOptions,
): Generator<string> {
  const options: ViewOptions = { query, zoneOffset: UTC };
  const isOverview = query.process === undefined;
  yield '<!doctype html>\n<html lang="en">\n';
  yield toHtml(head(view, build));
  yield '\n<body>\n';
  yield toHtml(h('a', { class: 'skip', href: '#main' }, 'Skip to the processes'));
  yield toHtml(banner(view, options));
  yield `\n<main id="main" tabindex="-1"${isOverview ? '' : ' class="one"'}>\n`;
  yield toHtml(detailSection(view, detail, options));
  yield `\n<section id="overview" aria-labelledby="processes"${isOverview ? '' : ' hidden=""'}>`;
  yield* overview(view, options);
  yield '\n</section>\n<section id="latest" aria-labelledby="latest-title">\n';
  yield '<h2 id="latest-title">Latest transitions</h2>\n';
  yield '<div class="scroll" tabindex="0" role="group" aria-labelledby="latest-title">\n';
  yield '<table id="transitions-table">\n';
  yield toHtml(TRANSITIONS_HEAD);
  yield '\n<tbody id="transitions">\n';
  for (const transition of view.transitions) {
    yield `${toHtml(transitionRow(transition, view, options))}\n`;
  }
  yield '</tbody>\n</table>\n</div>\n</section>\n</main>\n';
  yield toHtml(footer(view, telemetryPath));
  yield '\n</body>\n</html>\n';
}

function* overview(view: View, options: ViewOptions): Generator<string> {
  // Beside a process in detail the table is hidden; the script fills it when it is shown.
  const rows = options.query.process === undefined ? view.rows : [];
  const arrangement = arrange(rows, options.query, view.now);
  const write = itemWriter(view, options);
  yield toHtml(tools(view, options));
  yield toHtml(rowCount(arrangement, view, options));
  yield '\n<table id="processes-table">';
  yield toHtml(h('caption', { id: 'processes', class: 'hidden' }, 'Processes'));
  yield toHtml(tableHead(view, options));
  yield '\n<tbody id="rows">\n';
  for (const item of arrangement.items) yield `${toHtml(write(item))}\n`;
  yield '</tbody>\n</table>\n';
}

function head(view: View, build: string): Markup {
  return h(
    'head',
    {},
    h('meta', { charset: 'utf-8' }),
    h('title', {}, title(view)),
    h('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    h('meta', { name: 'color-scheme', content: 'light dark' }),
    h('meta', { name: 'build', content: build }),
    h('link', { rel: 'icon', type: 'image/svg+xml', href: './-/page.svg' }),
    h('link', { rel: 'stylesheet', href: './-/page.css' }),
    h('script', { type: 'module', src: './-/page.js' }),
  );
}

function banner(view: View, options: ViewOptions): Markup {
  return h(
    'header',
    {},
    heading(view),
    h(
      'p',
      { id: 'live', role: 'status' },
      `As of ${clock(view.now, view.now, UTC)} UTC; reload to update.`,
    ),
    alerts(view, options.query),
    warnings(view, options.query),
    stateFilter(view, options),
  );
}

const TRANSITIONS_HEAD = h(
  'thead',
  {},
  h(
    'tr',
    {},
    ...['Time', 'Process', 'From', 'To', 'Details'].map((text) => h('th', { scope: 'col' }, text)),
  ),
);

function footer(view: View, telemetryPath: string): Markup {
  return h(
    'footer',
    {},
    health(view),
    zoneNote('UTC'),
    h('a', { href: `.${telemetryPath}` }, 'Metrics'),
    h('a', { href: './-/programs' }, 'Programs'),
    h('a', { href: './-/ready' }, 'Ready'),
    h('a', { href: './-/healthy' }, 'Healthy'),
  );
}
