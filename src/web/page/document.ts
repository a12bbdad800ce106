/** The whole page, as the server writes it: complete and plain, and no script has to run. */

import type { Arrangement } from './arrange.ts';
import { clock } from './format.ts';
import { h, type Markup, toHtml } from './markup.ts';
import {
  heading,
  health,
  notices,
  remainder,
  rowsToShow,
  rowWriter,
  type Sight,
  stateFilter,
  stepRow,
  tableHead,
  title,
} from './parts.ts';
import type { View } from './view.ts';

export interface DocumentOptions {
  readonly arrangement: Arrangement;
  readonly telemetryPath: string;
  /** Told to the script, which loads the page anew once a stream tells another. */
  readonly build: string;
}

/** The server does not know the reader's time zone. */
const UTC = () => 0;

/**
 * The page piece by piece, a few rows each, so that whoever writes it can let go of
 * the event loop between. All links are relative: a proxy may serve it under a prefix.
 */
export function* documentOf(view: View, options: DocumentOptions): Generator<string> {
  const sight: Sight = { arrangement: options.arrangement, offset: UTC };
  const rows = rowsToShow(view, sight);
  yield '<!doctype html>\n<html lang="en">\n';
  yield toHtml(head(view, options.build));
  yield '\n<body>\n';
  yield toHtml(banner(view, sight));
  yield '\n<main>\n<section aria-labelledby="processes">';
  yield toHtml(tools(sight));
  yield '\n<table id="processes-table">';
  yield toHtml(h('caption', { id: 'processes', class: 'hidden' }, 'Processes'));
  yield toHtml(tableHead(view, sight));
  yield '\n<tbody id="rows">\n';
  yield* inPieces(rows, rowWriter(view, sight));
  yield '</tbody>\n</table>\n';
  yield toHtml(remainder(rows.length, view.rows.length));
  yield '\n</section>\n<section id="latest" aria-labelledby="latest-title">\n';
  yield '<h2 id="latest-title">Latest transitions</h2>\n';
  yield '<div class="scroll" tabindex="0" role="region" aria-labelledby="latest-title">\n';
  yield '<table id="steps-table">\n';
  yield toHtml(STEPS_HEAD);
  yield '\n<tbody id="steps">\n';
  yield* inPieces(view.steps, (step) => stepRow(step, view, sight));
  yield '</tbody>\n</table>\n</div>\n</section>\n</main>\n';
  yield toHtml(footer(view, options.telemetryPath));
  yield '\n</body>\n</html>\n';
}

/** Together they take less than a millisecond. */
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

function banner(view: View, sight: Sight): Markup {
  return h(
    'header',
    {},
    heading(view),
    h(
      'p',
      { id: 'live', role: 'status' },
      `As of ${clock(view.now, view.now, UTC)} UTC; reload for later.`,
    ),
    notices(view),
    stateFilter(view, sight),
  );
}

/** Hidden until the script shows it: without one, the text filter is the `q` of the address. */
function tools({ arrangement }: Sight): Markup {
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
        value: arrangement.text,
      }),
    ),
    h('a', { href: '#latest', class: 'jump' }, 'Latest transitions'),
  );
}

const STEPS_HEAD = h(
  'thead',
  {},
  h(
    'tr',
    {},
    ...['Time', 'Process', 'From', 'To', 'Why'].map((text) => h('th', { scope: 'col' }, text)),
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
