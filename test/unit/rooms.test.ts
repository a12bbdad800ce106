import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const rooms = suite('rooms');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROOMS = readFileSync(join(ROOT, 'rooms.jsonc'), 'utf8');

/** Lines of source, and whether rooms.jsonc lets a file in that place contain them. */
const LINES: ReadonlyArray<readonly [file: string, line: string, isAllowed: boolean]> = [
  ['src/rpc/x.ts', "import { a } from '../util/a.ts'; a();", true],
  ['src/rpc/x.ts', "import { a } from './a.ts'; a();", true],
  ['src/rpc/x.ts', "import { a } from 'node:os'; a();", true],
  ['src/rpc/x.ts', "import { a } from '../metrics/a.ts'; a();", false],
  ['src/rpc/x.ts', "import { a } from '../exporter.ts'; a();", false],
  ['src/rpc/x.ts', "import type { A } from '../metrics/a.ts'; const x: A = 1; x();", false],
  ['src/rpc/x.ts', "import { type A } from '../metrics/a.ts'; const x: A = 1; x();", false],
  ['src/rpc/x.ts', "export { a } from '../metrics/a.ts';", false],
  ['src/rpc/x.ts', "export type { A } from '../metrics/a.ts';", false],
  ['src/rpc/x.ts', "export * from '../metrics/a.ts';", false],
  ['src/rpc/x.ts', "import '../metrics/a.ts';", false],
  ['src/rpc/x.ts', "await import('../metrics/a.ts');", false],
  ['src/new-room/x.ts', "import { a } from '../util/a.ts'; a();", false],
  ['src/util/x.ts', "import { a } from '../supervisor/a.ts'; a();", false],
  ['src/web/x.ts', "import { a } from '../web-config/a.ts'; a();", false],
  ['src/web/page/x.ts', "import { a } from '../a.ts'; a();", true],
  ['src/web/page/x.ts', "import { a } from '../../processes/a.ts'; a();", true],
  ['src/web/page/x.ts', "import { a } from '../../rpc/a.ts'; a();", false],
  ['src/web/page/client/x.ts', "import { a } from '../a.ts'; a();", true],
  ['src/web/page/client/x.ts', "import { a } from '../../../util/a.ts'; a();", false],
  ['src/web-config/x.ts', "import { a } from '../web/server.ts'; a();", true],
  ['src/web-config/x.ts', "import { a } from '../web/routes.ts'; a();", false],
  ['src/doctor/x.ts', "import { a } from '../cli/a.ts'; a();", true],
  ['src/cli/x.ts', "import { a } from '../doctor/a.ts'; a();", false],
  ['src/exporter.ts', "import { a } from './doctor/a.ts'; a();", true],
  ['src/processes/x.ts', "import { a } from '../supervisor/a.ts'; a();", true],
  ['src/processes/x.ts', "import { a } from '../util/log.ts'; a();", false],
  ['src/processes/x.ts', "import { a } from 'node:os'; a();", false],
  ['src/processes/x.ts', "import { a } from 'split2'; a();", false],
  ['src/processes/x.ts', "import { a } from '@scope/package'; a();", false],
  ['src/processes/x.ts', 'Date.now();', false],
  ['src/supervisor/x.ts', 'performance.now();', false],
  ['src/supervisor/x.ts', 'setTimeout(() => {}, 1);', false],
  ['src/supervisor/x.ts', 'globalThis.Date.now();', false],
  ['src/listener/x.ts', 'Date.now();', true],
  ['src/listener/x.ts', 'process.exit();', false],
  ['src/listener/x.ts', "import { exit } from 'node:process'; exit();", false],
  ['src/exporter.ts', 'process.exit();', false],
  ['src/main.ts', 'process.exit();', true],
];

rooms('the rules refuse what they must, and nothing else', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'supervisor-exporter-')));
  try {
    for (const name of ['biome.json', 'rooms.jsonc'])
      copyFileSync(join(ROOT, name), join(folder, name));
    const files = LINES.map(([file, line], index) => {
      const path = file.replace(/\bx\.ts$/, `x${index}.ts`);
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${file.endsWith('x.ts') ? line : ''}\n`);
      return path;
    });
    const refused = lint(folder);
    for (const [index, [file, line, isAllowed]] of LINES.entries()) {
      if (!file.endsWith('x.ts')) continue;
      assert.is(!refused.has(files[index] ?? ''), isAllowed, `${file}: ${line}`);
    }
    // Files with one fixed name are checked one line at a time.
    for (const [file, line, isAllowed] of LINES.filter(([name]) => !name.endsWith('x.ts'))) {
      writeFileSync(join(folder, file), `${line}\n`);
      assert.is(!lint(folder).has(file), isAllowed, `${file}: ${line}`);
      writeFileSync(join(folder, file), '');
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The files in which Biome finds a restricted import or global. */
function lint(folder: string): ReadonlySet<string> {
  const { stdout } = spawnSync(
    join(ROOT, 'node_modules/.bin/biome'),
    [
      ...['lint', '--vcs-enabled=false', '--reporter=github', '--max-diagnostics=none'],
      ...['--only=style/noRestrictedImports', '--only=style/noRestrictedGlobals', '.'],
    ],
    { cwd: folder, encoding: 'utf8', timeout: 30_000 },
  );
  const files = [...stdout.matchAll(/::error [^\n]*?\bfile=([^,]+)/g)];
  return new Set(files.map(([, file = '']) => relative(folder, file)));
}

for (const room of readdirSync(join(ROOT, 'src'), { withFileTypes: true })) {
  if (!room.isDirectory()) continue;
  rooms(`${room.name} has a row in rooms.jsonc`, () => {
    assert.ok(ROOMS.includes(`["src/${room.name}/**"]`));
  });
}

rooms('a file imports in no way that the rules cannot see', () => {
  for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const source = readFileSync(join(ROOT, 'src', file), 'utf8');
    // An import() of an expression, import('…') in a type, and require().
    const unseen = source.match(
      /\bimport\s*\((?!'[^']+'\))|(?<!await )\bimport\s*\(|\brequire\s*\(/,
    );
    assert.is(unseen?.[0], undefined, `${file}: write await import('…') or a static import`);
    for (const [, name = ''] of source.matchAll(/(?:\bfrom |\bimport\(|^import )'([^']+)'/gm)) {
      if (!name.startsWith('.')) continue;
      const normal = posix.normalize(name);
      assert.is(name, normal.startsWith('.') ? normal : `./${normal}`, file);
    }
  }
});

rooms.run();
