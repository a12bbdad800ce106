import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { flagsTable } from '../../src/cli/help.ts';
import { joinPlain } from '../../src/exposition/cached-text.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { ProcessTable } from '../../src/processes/table.ts';

const readme = suite('readme');
const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

readme('the table lists exactly the metrics of /metrics, with their types', async () => {
  const build = { version: '', revision: '', nodeVersion: '' };
  const { render } = createMetrics(new ProcessTable(), {
    footprint: false,
    exitReasons: true,
    compat: undefined,
    build,
    resources: { readings: 0, usageOf: () => undefined },
  });
  const served = [...String(joinPlain(await render())).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const listed = [...text.matchAll(/^\| `(supervisord_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  assert.equal(listed.sort(), served.sort());
});

readme('the table of flags is that of the program', () => {
  assert.ok(text.includes(`\n${flagsTable()}\n\n`), 'run: node scripts/run.mjs flags-table');
});

readme.run();
