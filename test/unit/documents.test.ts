/** Holds the documents to the code: metrics, flags, alerts and links that they name exist. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withFlagsTable } from '../../scripts/flags-table.ts';
import { COMMANDS, FLAGS } from '../../src/cli/flags.ts';

const documents = suite('documents');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const FILES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...markdownIn('docs'),
  ...markdownIn('prometheus-rules'),
  ...markdownIn('packaging'),
  ...markdownIn('bench'),
];
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);
}

const METRICS = new Set(
  [...textOf('test/golden/metrics.txt').matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name),
);
const RULES = textOf('prometheus-rules/alerts.yml') + textOf('prometheus-rules/recording.yml');
const ALERTS = [...RULES.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
/** Metrics of other exporters, in the comparison with them. */
const FOREIGN: readonly string[] = ['supervisord_start_time_seconds_total'];

for (const file of FILES) {
  documents(`${file} names existing metrics`, () => {
    const named = [...textOf(file).matchAll(/\bsupervisord_(?:\w*\w)?[a-z]\b(?![\w*:])/g)].map(
      ([name]) => name,
    );
    const unknown = named.filter(
      (name) =>
        !METRICS.has(name) &&
        !FOREIGN.includes(name) &&
        !/^supervisord_(?:exporter|process|side)$/.test(name),
    );
    assert.equal([...new Set(unknown)], []);
  });

  documents(`${file} names existing flags`, () => {
    const flags = [
      ...textOf(file).matchAll(
        /`[^`\n]*?--(?:\[no-\])?((?:web|supervisor|collector|alertmanager|metrics|log)\.[a-z.-]*[a-z])/g,
      ),
    ].map(([, name = '']) => name);
    const unknown = flags.filter((name) => !Object.hasOwn(FLAGS, name));
    assert.equal([...new Set(unknown)], []);
  });

  documents(`${file} names existing alerts`, () => {
    const named = [...textOf(file).matchAll(/\bSupervisor[A-Z][a-z]\w+/g)].map(([name]) => name);
    assert.equal(
      [...new Set(named)].filter((name) => !ALERTS.includes(name)),
      [],
    );
  });

  documents(`${file} links to existing files and headings`, () => {
    const links = [...textOf(file).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    const broken = links.filter(([, target = '', fragment]) => {
      const path = target === '' ? file : join(dirname(file), target);
      if (!existsSync(join(ROOT, path))) return true;
      return fragment !== undefined && !fragmentsOf(textOf(path)).includes(fragment);
    });
    assert.equal(
      broken.map(([link]) => link),
      [],
    );
  });
}

/** The fragments that GitHub gives to the headings of a document. */
function fragmentsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

documents('docs/configuration.md has the table of flags, and each command', () => {
  const text = textOf('docs/configuration.md');
  assert.is(withFlagsTable(text), text, 'run: npm run docs');
  const commands = Object.keys(COMMANDS).filter(
    (name) => !text.includes(`supervisor-exporter ${name}`),
  );
  assert.equal(commands, []);
});

documents('docs/alerts.md and the runbook have each alert', () => {
  for (const file of ['docs/alerts.md', 'prometheus-rules/RUNBOOK.md']) {
    const text = textOf(file);
    assert.equal(
      ALERTS.filter((name) => !text.includes(name)),
      [],
      file,
    );
  }
});

documents.run();
