import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  FATAL_KEEP_FIRING_SECONDS,
  LATER_THAN_RULE_SECONDS,
  UNEXPECTED_EXIT_SECONDS,
} from '../../src/alertmanager/active-alerts.ts';
import { FIXED } from '../../src/alertmanager/payload.ts';
import { signalName } from '../../src/supervisor/signals.ts';

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
  assert.equal(sections.sort(), [...new Set(alerts)].sort());
});

/** What the rule and the push have to agree on: Alertmanager holds one alert for both. */
for (const [name, { severity, summary }] of Object.entries(FIXED)) {
  rules(`${name} has the severity, summary and runbook of the pushed alert`, () => {
    const rule = ruleOf(name);
    assert.match(rule, `severity: ${severity}\n`);
    assert.match(rule, `summary: ${summary}\n`);
    assert.match(rule, `runbook_url: RUNBOOK.md#${name.toLowerCase()}\n`);
  });
}

rules('an alert of the rule lasts as long as the pushed one', () => {
  const [, exit] =
    /last_over_time\([^)]*\) < (\d+)\n/.exec(ruleOf('SupervisorProcessUnexpectedExit')) ?? [];
  assert.is(Number(exit), UNEXPECTED_EXIT_SECONDS);
  const [, minutes] = /keep_firing_for: (\d+)m\n/.exec(ruleOf('SupervisorProcessFatal')) ?? [];
  assert.is(Number(minutes) * 60, FATAL_KEEP_FIRING_SECONDS);
});

rules('an inhibited alert outlasts the one that inhibits it, also when that is pushed', () => {
  const pushed = FATAL_KEEP_FIRING_SECONDS + LATER_THAN_RULE_SECONDS;
  for (const name of ['Down', 'Backoff', 'Flapping']) {
    const [, minutes] = /keep_firing_for: (\d+)m\n/.exec(ruleOf(`SupervisorProcess${name}`)) ?? [];
    assert.ok(Number(minutes) * 60 >= pushed + 30, name);
  }
});

rules('every alert links to its section of the runbook', () => {
  const text = read('alerts.yml');
  const alerts = [...text.matchAll(/^ *- alert: (\w+)$/gm)].map(([, name = '']) => name);
  const links = [...text.matchAll(/^ *runbook_url: RUNBOOK\.md#(\w+)$/gm)].map(([, id]) => id);
  assert.equal(
    links,
    alerts.map((name) => name.toLowerCase()),
  );
});

rules('the names of signals in the texts are those of the push', () => {
  const text = read('alerts.yml').replaceAll(/\s+/g, ' ').replaceAll('{{ ', '{{');
  const blocks =
    text.replaceAll(' }}', '}}').match(/\{\{if eq \. 1\.0\}\}SIGHUP.*?signal \{\{\.\}\}/g) ?? [];
  assert.ok(blocks.length >= 5, 'the templates name signals');
  assert.is(new Set(blocks).size, 1, 'all in the same way');
  const names = [...(blocks[0] ?? '').matchAll(/eq \. (\d+)\.0\}\}(\w+)/g)];
  assert.ok(names.length > 10);
  for (const [, number, name] of names) assert.is(signalName(Number(number)), name);
});

rules('every range has room for two scrapes of the longest interval', () => {
  const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
  for (const [range, amount, unit = ''] of read('alerts.yml').matchAll(/\[(\d+)([smh])\]/g)) {
    assert.ok(Number(amount) * (seconds[unit] ?? 0) > 120, range);
  }
});

rules('every scrape configuration that is shown honors the labels of the exporter', () => {
  const root = join(folder, '..');
  for (const file of [
    'README.md',
    'prometheus-rules/RUNBOOK.md',
    'prometheus-rules/prometheus.yml',
  ]) {
    const text = readFileSync(join(root, file), 'utf8');
    const jobs = text.split('- job_name: supervisor\n').slice(1);
    assert.ok(jobs.length > 0, file);
    for (const job of jobs)
      assert.match(job.split('targets:')[0] ?? '', 'honor_labels: true', file);
  }
});

for (const file of yamlFiles(join(folder, 'tests'))) {
  rules(`the tests in ${basename(file)} pass`, () => check('promtool', 'test', 'rules', file));
}

/** The text of one rule of alerts.yml. */
function ruleOf(name: string): string {
  const [, rule = ''] = read('alerts.yml').split(`- alert: ${name}\n`);
  return rule.split(/ - (?:alert|record): /)[0] ?? '';
}

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
    // Less garbage collection of promtool, which takes an eighth of its time.
    const env = { ...process.env, GOGC: '400' };
    execFileSync(command, [...args], { stdio: 'pipe', timeout: 60_000, env });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`${command} ${args.join(' ')}: ${stdout} ${stderr}`);
  }
}

rules.run();
