import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const rules = suite('prometheus rules');
const folder = fileURLToPath(new URL('../../prometheus-rules', import.meta.url));

rules('promtool finds nothing in them, with all its lints', () => {
  const files = ['alerts.yml', 'recording.yml'].map((name) => join(folder, name));
  check('promtool', 'check', 'rules', '--lint=all', '--lint-fatal', ...files);
});

rules('the configuration of Prometheus beside them is sound, and finds them', () => {
  check(
    'promtool',
    'check',
    'config',
    '--lint=all',
    '--lint-fatal',
    join(folder, 'prometheus.yml'),
  );
});

rules('so is that of Alertmanager', () => {
  check('amtool', 'check-config', join(folder, 'alertmanager.yml'));
});

rules('every alert has its section in the runbook, and every section its alert', () => {
  const alerts = [...read('alerts.yml').matchAll(/^ *- alert: (\w+)$/gm)].map(([, name]) => name);
  const sections = [...read('RUNBOOK.md').matchAll(/^#+ (Supervisor\w+)$/gm)].map(
    ([, name]) => name,
  );
  assert.equal(sections.sort(), alerts.sort());
});

rules('their own tests pass', () => {
  const files = yamlFiles(join(folder, 'tests'));
  assert.ok(files.length > 0);
  check('promtool', 'test', 'rules', ...files);
});

function yamlFiles(place: string): string[] {
  return readdirSync(place)
    .filter((name) => name.endsWith('.yml'))
    .map((name) => join(place, name));
}

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

function check(command: string, ...args: readonly string[]): void {
  try {
    execFileSync(command, [...args], { stdio: 'pipe', timeout: 60_000 });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`${command} ${args.join(' ')}: ${stdout} ${stderr}`);
  }
}

rules.run();
