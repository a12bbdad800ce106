/** The complete page as rendered by the server. It works without scripts. */

import { clock } from './format.ts';
import { h, type Markup, toHtml } from './markup.ts';
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
  type ViewOptions,
  warnings,
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
 * Yields the page in pieces of a few rows, so that the caller can yield to the event loop in
 * between. All links are relative, so that a proxy may serve the page under a prefix.
 */
export function* renderDocument(
  view: View,
  { query, telemetryPath, build }: DocumentOptions,
): Generator<string> {
  const options: ViewOptions = { query, zoneOffset: UTC };
  const rows = rowsToShow(view, options);
  yield '<!doctype html>\n<html lang="en">\n';
  yield toHtml(head(view, build));
  yield '\n<body>\n';
  yield toHtml(banner(view, options));
  yield '\n<main>\n<section aria-labelledby="processes">';
  yield toHtml(tools(options));
  yield '\n<table id="processes-table">';
  yield toHtml(h('caption', { id: 'processes', class: 'hidden' }, 'Processes'));
  yield toHtml(tableHead(view, options));
  yield '\n<tbody id="rows">\n';
  yield* inPieces(rows, rowWriter(view, options));
  yield '</tbody>\n</table>\n';
  yield toHtml(rowCount(rows.length, view.rows.length));
  yield '\n</section>\n<section id="latest" aria-labelledby="latest-title">\n';
  yield '<h2 id="latest-title">Latest transitions</h2>\n';
  yield '<div class="scroll" tabindex="0" role="region" aria-labelledby="latest-title">\n';
  yield '<table id="transitions-table">\n';
  yield toHtml(TRANSITIONS_HEAD);
  yield '\n<tbody id="transitions">\n';
  yield* inPieces(view.transitions, (transition) => transitionRow(transition, view, options));
  yield '</tbody>\n</table>\n</div>\n</section>\n</main>\n';
  yield toHtml(footer(view, telemetryPath));
  yield '\n</body>\n</html>\n';
}

/** Rendering so many rows takes less than a millisecond. */
const PIECE_ROWS = 20;

function* inPieces<Item>(items: readonly Item[], write: (item: Item) => Markup): Generator<string> {
  for (let from = 0; from < items.length; from += PIECE_ROWS) {
    const piece = items.slice(from, from + PIECE_ROWS);
    yield piece.map((item) => `${toHtml(write(item))}\n`).join('');
  }
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
    warnings(view),
    stateFilter(view, options),
  );
}

/** The filter is hidden until the script runs. Without scripts, use the `q` parameter of the URL. */
function tools({ query }: ViewOptions): Markup {
  return h(
    'p',
    { class: 'tools' },
    h(
      'label',
      { id: 'filter', hidden: '' },
      h('span', { class: 'hidden' }, 'Filter'),
      h('input', {
        type: 'search',
        placeholder: 'Filter…',
        autocomplete: 'off',
        spellcheck: 'false',
        value: query.text,
      }),
    ),
    h('a', { href: '#latest', class: 'jump' }, 'Latest transitions'),
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
    h('a', { href: `.${telemetryPath}` }, 'Metrics'),
    h('a', { href: './-/ready' }, 'Ready'),
    h('a', { href: './-/healthy' }, 'Healthy'),
  );
}
