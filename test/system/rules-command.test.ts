import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { PROGRAM } from '../support/exporter.ts';

const rules = suite('rules command');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const NAMES = [
  'RUNBOOK.md',
  'alertmanager.yml',
  'alerts.yml',
  'prometheus.yml',
  'recording.yml',
  'supervisor-exporter.json',
];

interface Rule {
  readonly alert?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface RuleFile {
  readonly groups: readonly { readonly interval?: string; readonly rules: readonly Rule[] }[];
}

function withFolder(body: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  try {
    body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function run(...args: readonly string[]) {
  return spawnSync(process.execPath, [PROGRAM, 'rules', ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
}

const read = (dir: string, name: string) => readFileSync(join(dir, name), 'utf8');

function alertsOf(dir: string): readonly Rule[] {
  const { groups } = parse(read(dir, 'alerts.yml')) as RuleFile;
  return groups.flatMap((group) => group.rules).filter(({ alert }) => alert !== undefined);
}

const VARIANTS: readonly (readonly string[])[] = [
  [],
  ['--job=my/super-visor:1.2'],
  ['--scrape-interval=500ms'],
  ['--scrape-interval=15s'],
  ['--scrape-interval=1m'],
  ['--runbook-url=https://docs.example.org/runbook'],
  ['--page-url-template=http://{{ $labels.instance }}/'],
  [
    ...['--job=shop', '--scrape-interval=30s', '--runbook-url=https://d.example.org/r?x=$1&y'],
    '--page-url-template=https://proxy.example.org/{{ $labels.instance | reReplaceAll `:.*` `` }}/',
  ],
];

for (const flags of VARIANTS) {
  rules(`promtool and amtool accept the files of ${flags.join(' ') || 'no flag'}`, () =>
    withFolder((dir) => {
      const output = join(dir, 'a b/c');
      const { status, stdout, stderr } = run(`--output=${output}`, ...flags);
      assert.is(status, 0, stderr);
      assert.is(stderr, '');
      assert.equal(readdirSync(output).sort(), NAMES);
      for (const name of NAMES) assert.match(stdout, join(output, name));
      const file = (name: string) => join(output, name);
      execFileSync('promtool', [
        'check',
        'rules',
        '--lint=all',
        '--lint-fatal',
        file('alerts.yml'),
        file('recording.yml'),
      ]);
      execFileSync('promtool', [
        'check',
        'config',
        '--lint=all',
        '--lint-fatal',
        file('prometheus.yml'),
      ]);
      execFileSync('amtool', ['check-config', file('alertmanager.yml')]);
      JSON.parse(read(output, 'supervisor-exporter.json'));
    }),
  );
}

rules('without a flag the files are those that are shipped', () =>
  withFolder((dir) => {
    run(`--output=${dir}`);
    for (const name of NAMES) {
      const folder = name.endsWith('.json') ? 'grafana' : 'prometheus-rules';
      const shipped = read(join(ROOT, folder), name);
      assert.is(read(dir, name), shipped, name);
    }
  }),
);

rules('the job is in the scrape configuration and in every selector', () =>
  withFolder((dir) => {
    const { stdout } = run(`--output=${dir}`, '--job=shop');
    assert.match(stdout, 'needs --alertmanager.label=job=shop\n');
    const { scrape_configs: jobs } = parse(read(dir, 'prometheus.yml'));
    assert.is(jobs[0].job_name, 'shop');
    for (const name of NAMES) {
      assert.not.match(read(dir, name), /job(?:_name)?(?:=|=~|: ?)\\?"?supervisor\b/, name);
      assert.not.match(read(dir, name), /job (?:is not called )?`supervisor`/, name);
    }
    assert.ok(alertsOf(dir).some(({ expr }) => expr.includes('job="shop"')));
    assert.match(read(dir, 'supervisor-exporter.json'), 'up{job=\\"shop\\"}');
  }),
);

rules('the scrape interval is that of the job, and no rule is evaluated more often', () =>
  withFolder((dir) => {
    run(`--output=${dir}`, '--scrape-interval=30s');
    const { scrape_configs: jobs, global } = parse(read(dir, 'prometheus.yml'));
    assert.is(jobs[0].scrape_interval, '30s');
    assert.is(jobs[0].scrape_timeout, '10s');
    assert.is(global.scrape_interval, '15s');
    const { groups } = parse(read(dir, 'alerts.yml')) as RuleFile;
    for (const { interval = '30s' } of groups) assert.match(interval, /^(?:[3-9]\ds|\d+m)$/);
  }),
);

rules('every alert links to its section of the runbook and to the page of its exporter', () =>
  withFolder((dir) => {
    const template = 'http://{{ $labels.instance }}/';
    run(
      ...[
        `--output=${dir}`,
        '--runbook-url=https://d.example.org/r',
        `--page-url-template=${template}`,
      ],
    );
    for (const { alert = '', expr, annotations = {} } of alertsOf(dir)) {
      const { runbook_url: runbook, page_url: page } = annotations;
      assert.is(runbook, `https://d.example.org/r#${alert.toLowerCase()}`);
      assert.is(page, expr.includes('absent(') ? undefined : template, alert);
    }
  }),
);

rules('the dashboard links to the runbook', () =>
  withFolder((dir) => {
    run(`--output=${dir}`, '--runbook-url=https://d.example.org/r?x=$1&y');
    const { links } = JSON.parse(read(dir, 'supervisor-exporter.json'));
    assert.is(links[0].url, 'https://d.example.org/r?x=$1&y');
  }),
);

rules('a file that was changed is left as it is', () =>
  withFolder((dir) => {
    assert.is(run(`--output=${dir}`).status, 0);
    assert.is(run(`--output=${dir}`).status, 0, 'the same files again');
    writeFileSync(join(dir, 'alertmanager.yml'), 'mine\n');
    const { status, stdout, stderr } = run(`--output=${dir}`, '--job=shop');
    assert.is(status, 1);
    assert.is(stdout, '');
    assert.match(stderr, /^supervisor-exporter: .*\.yml exists and differs, .*--output=DIR\n$/);
    assert.is(read(dir, 'alertmanager.yml'), 'mine\n');
    assert.not.match(read(dir, 'alerts.yml'), 'shop');
  }),
);

rules('a folder that cannot be made is one line', () => {
  const { status, stderr } = run('--output=/dev/null/x');
  assert.is(status, 1);
  assert.match(stderr, /^supervisor-exporter: \/dev\/null\/x: [^\n]+\n$/);
});

rules.run();
