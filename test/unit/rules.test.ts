import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const rules = suite('prometheus rules');
const folder = fileURLToPath(new URL('../../prometheus-rules', import.meta.url));

rules('promtool finds nothing in them, with all its lints', () => {
  const files = yamlFiles(folder);
  assert.ok(files.length > 0);
  promtool('check', 'rules', '--lint=all', '--lint-fatal', ...files);
});

rules('their own tests pass', () => {
  const files = yamlFiles(join(folder, 'tests'));
  assert.ok(files.length > 0);
  promtool('test', 'rules', ...files);
});

function yamlFiles(place: string): string[] {
  return readdirSync(place)
    .filter((name) => name.endsWith('.yml'))
    .map((name) => join(place, name));
}

function promtool(...args: readonly string[]): void {
  try {
    execFileSync('promtool', [...args], { stdio: 'pipe', timeout: 60_000 });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`promtool ${args.join(' ')}: ${stdout} ${stderr}`);
  }
}

rules.run();
