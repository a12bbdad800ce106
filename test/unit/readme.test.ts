import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS } from '../../src/cli/flags.ts';
import { joinPlain } from '../../src/exposition/cached-text.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { ProcessTable } from '../../src/processes/table.ts';

const readme = suite('readme');
const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

readme('its table has every metric of /metrics, with its type, and no other', async () => {
  const build = { version: '', revision: '', nodeVersion: '' };
  const { render } = createMetrics(new ProcessTable(), {
    footprint: false,
    exitReasons: true,
    compat: undefined,
    build,
    resources: { readings: 0, usageOf: () => undefined },
    alertmanagers: () => [],
  });
  const served = [...String(joinPlain(await render())).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const told = [...text.matchAll(/^\| `(supervisord_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  assert.equal(told.sort(), served.sort());
});

readme('it tells of every flag', () => {
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
