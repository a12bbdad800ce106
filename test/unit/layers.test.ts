import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const layers = suite('layers');
const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** A file imports from its own layer and from those named here, and from no other. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  listener: ['processes'],
  // The vocabularies of the two doors, which are types and know no stream.
  processes: ['listener/events.ts', 'rpc/snapshot.ts'],
  rpc: ['processes', 'text/slices.ts', 'url.ts'],
  alertmanager: ['processes', 'metrics', 'signals.ts', 'log.ts', 'url.ts'],
  'url.ts': [],
  exits: ['processes', 'rpc', 'nudge.ts', 'signals.ts', 'log.ts'],
  'signals.ts': [],
  'settings.ts': ['processes', 'rpc', 'log.ts'],
  resources: ['processes', 'log.ts'],
  metrics: [
    'processes',
    'listener/events.ts',
    'rpc',
    'resources/resources.ts',
    'text',
    'version.ts',
  ],
  text: [],
  // The process table is what its page shows.
  web: ['processes', 'text', 'log.ts', 'signals.ts', 'url.ts'],
  'nudge.ts': ['processes', 'rpc/endpoint.ts'],
  'inquiries.ts': [
    'config.ts',
    'exits',
    'log.ts',
    'metrics',
    'nudge.ts',
    'processes',
    'rpc',
    'settings.ts',
  ],
  'log.ts': [],
  'version.ts': [],
  'config.ts': [
    'web/address.ts',
    'log.ts',
    'rpc/endpoint.ts',
    'url.ts',
    'alertmanager/wire.ts',
    'metrics/compat.ts',
  ],
  'help.ts': ['config.ts'],
  'shlex.ts': [],
  'print-config.ts': ['shlex.ts'],
  doctor: ['config.ts', 'shlex.ts', 'rpc', 'web/address.ts'],
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
  'url.ts',
  'alertmanager/board.ts',
  'text/crc32.ts',
  'shlex.ts',
  'print-config.ts',
  ...['python', 'ini', 'glob', 'facts', 'finding', 'examine', 'report'].map(
    (name) => `doctor/${name}.ts`,
  ),
  ...filesOf('doctor').filter((file) => file.includes('/check-')),
  'web/security/duration.ts',
  'web/security/limit.ts',
  'web/security/credentials.ts',
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
