import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS } from '../../src/cli/flags.ts';
import { joinPlain } from '../../src/exposition/cached-text.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { IDLE_SOURCES } from '../support/sources.ts';

const readme = suite('readme');
const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

readme('the table lists exactly the metrics of /metrics, with their types', async () => {
  const build = { version: '', revision: '', nodeVersion: '' };
  const { render } = createMetrics(new ProcessTable(), {
    footprint: false,
    exitReasons: true,
    sources: IDLE_SOURCES,
    compat: undefined,
    build,
    upTimes: { secondsOf: () => 0 },
    resources: { usageOf: () => undefined },
    resourcesIo: true,
  });
  const served = [...String(joinPlain(await render())).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const listed = [...text.matchAll(/^\| `(supervisord_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  assert.equal(listed.sort(), served.sort());
});

readme('every flag is described', () => {
  for (const flag of Object.keys(FLAGS)) {
    const isNegative = flag.startsWith('no-');
    const name = isNegative ? flag.slice('no-'.length) : flag;
    const forms = [`\`--${name}\``, `\`--[no-]${name}\``];
    assert.ok(
      forms.some((form) => text.includes(form)),
      flag,
    );
  }
});

readme.run();
