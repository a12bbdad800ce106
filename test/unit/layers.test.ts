import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const layers = suite('layers');
const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** A file imports from its own room and from those named here, and from no other. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  util: [],
  supervisor: [],
  listener: ['supervisor', 'util'],
  processes: ['supervisor'],
  rpc: ['supervisor', 'util'],
  resync: ['supervisor', 'processes', 'rpc', 'metrics', 'util'],
  exits: ['supervisor', 'processes', 'rpc', 'resync', 'metrics', 'cli/flags.ts', 'util'],
  resources: ['supervisor', 'processes', 'util'],
  exposition: [],
  metrics: [
    'supervisor',
    'processes',
    'resync',
    'resources',
    'exposition',
    'alertmanager/alertmanager-client.ts',
    'util',
  ],
  alertmanager: ['supervisor', 'processes', 'util'],
  web: ['supervisor', 'processes', 'exposition', 'util'],
  'web-config': ['web/server.ts', 'web/respond.ts', 'util'],
  cli: [
    'alertmanager/payload.ts',
    'metrics/compat.ts',
    'rpc/endpoint.ts',
    'web/address.ts',
    'util',
  ],
  doctor: ['supervisor', 'cli', 'rpc', 'resync', 'web/address.ts', 'util'],
};

/** Where nothing of the outside may be named: no stream, no clock, no process, no package. */
const PURE = [
  'listener/frames.ts',
  'listener/events.ts',
  'rpc/snapshot.ts',
  'rpc/config-info.ts',
  'rpc/endpoint.ts',
  'rpc/values.ts',
  'exits/match.ts',
  'exits/runs.ts',
  'util/url.ts',
  'alertmanager/active-alerts.ts',
  'exposition/crc32.ts',
  'cli/shlex.ts',
  'cli/print-config.ts',
  ...['python', 'ini', 'glob', 'facts', 'finding', 'examine', 'report'].map(
    (name) => `doctor/${name}.ts`,
  ),
  ...filesOf('doctor').filter((file) => file.includes('/check-')),
  'web-config/duration.ts',
  'web-config/limit.ts',
  'web-config/credentials.ts',
  'resources/formats.ts',
  'resources/tree.ts',
  'resources/account.ts',
  'web/page/view.ts',
  'web/page/arrange.ts',
  'web/page/markup.ts',
  'web/page/parts.ts',
  'web/page/document.ts',
  'web/page/meter.ts',
  ...filesOf('processes'),
  ...filesOf('supervisor').filter((file) => !file.endsWith('signals.ts')),
  'listener/sequence.ts',
  'resync/ordering.ts',
];

for (const file of filesOf('.')) {
  const layer = file.split('/')[0] ?? file;
  const allowed = MAY_IMPORT[layer];
  if (allowed === undefined) continue;
  layers(`${file} imports only what is behind it`, () => {
    for (const imported of importsOf(file)) {
      if (!imported.startsWith('.')) continue;
      const target = relative(SRC, join(SRC, dirname(file), imported));
      const isAllowed = [layer, ...allowed].some(
        (place) => target === place || target.startsWith(`${place}/`),
      );
      assert.ok(isAllowed, `${file} imports ${target}`);
    }
  });
}

for (const file of PURE) {
  layers(`${file} is pure`, () => {
    assert.equal(
      importsOf(file).filter((imported) => !imported.startsWith('.')),
      [],
    );
    assert.not.match(source(file), /\b(?:Date|performance|setTimeout|setInterval)\b/);
  });
}

layers('only main.ts touches process', () => {
  const touching = filesOf('.').filter((file) =>
    /\bprocess\.(?:env|argv|stdin|stdout|stderr|exit|on|version|uptime|hrtime|kill)\b/.test(
      source(file),
    ),
  );
  assert.equal(touching, ['main.ts']);
});

function filesOf(folder: string): string[] {
  return readdirSync(join(SRC, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort();
}

function importsOf(file: string): string[] {
  return [...source(file).matchAll(/^(?:import|export)[^;]*?from '([^']+)';/gms)].map(
    ([, imported = '']) => imported,
  );
}

function source(file: string): string {
  return readFileSync(join(SRC, file), 'utf8');
}

layers.run();
