import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed, within } from '../support/deadline.ts';
import { runDoctor } from '../support/doctor.ts';
import { Exposition } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';

const install = suite('install');
const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** Debian's user nobody, since file modes do not restrict root. */
const NOBODY = 65534;

/** Characters that are special in a command line or in a configuration. */
const AWKWARD = "an in'stall ;here #100%";

const SUPERVISORD = `\
[supervisord]
nodaemon=true
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s

[unix_http_server]
file=%(here)s/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=conf.d/*.conf
`;

install(
  'the tarball installs without network, print-config configures it, and doctor finds no problem',
  timed(120_000, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    const home = join(dir, AWKWARD);
    mkdirSync(home);
    // supervisord does not accept a % in its own paths.
    mkdirSync(join(dir, 'conf.d'));
    try {
      const packed = await run(
        'npm',
        ['pack', '--silent', '--ignore-scripts', '--pack-destination', dir],
        { cwd: root },
      );
      const tarball = join(dir, packed.stdout.trim());
      await assertContents(tarball);
      writeFileSync(join(home, 'package.json'), '{}');
      const flags = ['--offline', '--no-audit', '--no-fund', '--cache', join(dir, 'cache')];
      await run('npm', ['install', ...flags, tarball], { cwd: home });
      assert.equal(
        readdirSync(join(home, 'node_modules')).filter((name) => !name.startsWith('.')),
        ['supervisor-exporter'],
      );
      await assertRuns(dir, join(home, 'node_modules/.bin/supervisor-exporter'));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }),
);

/** The files that users need, and no others. */
async function assertContents(tarball: string): Promise<void> {
  const { stdout } = await run('tar', ['-tf', tarball]);
  const files = stdout
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''));
  const unwanted = files.filter((file) => /^(?:src|test|bench|scripts|node_modules|\.)/.test(file));
  assert.equal(unwanted, []);
  for (const wanted of [
    'dist/supervisor-exporter.cjs',
    'supervisor/exporter.conf',
    'prometheus-rules/alerts.yml',
    'grafana/supervisor-exporter.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'package.json',
  ]) {
    assert.ok(files.includes(wanted), wanted);
  }
  assert.equal(files.filter((file) => /^(?:dist|supervisor)\//.test(file)).sort(), [
    'dist/THIRD-PARTY-NOTICES',
    'dist/supervisor-exporter.cjs',
    'supervisor/exporter.conf',
  ]);
}

/** As a user would: print-config into the included folder, supervisord, doctor. */
async function assertRuns(dir: string, binary: string): Promise<void> {
  const conf = join(dir, 'supervisord.conf');
  const port = await freePort();
  writeFileSync(conf, SUPERVISORD);
  const missing = await runDoctor({ program: binary, args: [`--supervisor.config=${conf}`] });
  assert.equal(missing.problems, ['FAIL socket', 'FAIL section'], missing.text);
  assert.match(missing.text, `print-config >${join(dir, 'conf.d/exporter.conf')}`);

  const printed = await run(binary, ['print-config', `--web.listen-address=127.0.0.1:${port}`]);
  writeFileSync(join(dir, 'conf.d/exporter.conf'), printed.stdout);
  const supervisord = spawn('supervisord', ['-c', conf], { stdio: 'ignore' });
  const ended = once(supervisord, 'close');
  try {
    await eventually(20_000, async () => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      const metrics = new Exposition(await response.text());
      assert.is(metrics.value('supervisord_up', { name: 'exporter' }), 1);
      assert.is(metrics.value('supervisord_state', { name: 'exporter' }), 20);
    });
    const well = await runDoctor({ program: binary, args: [`--supervisor.config=${conf}`] });
    assert.equal(well.problems, [], well.text);
    assert.is(well.code, 0);
    await assertPermissionsMatter(dir, binary, conf);
  } finally {
    supervisord.kill('SIGTERM');
    await within(20_000, 'end of supervisord', ended).catch(() => supervisord.kill('SIGKILL'));
  }
}

/** Runs doctor as a user who may not use the socket. */
async function assertPermissionsMatter(dir: string, binary: string, conf: string): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    chmodSync(dir, 0o755);
  } else {
    chmodSync(join(dir, 'supervisor.sock'), 0);
  }
  const kept = await runDoctor({
    program: binary,
    args: [`--supervisor.config=${conf}`],
    ...(isRoot ? { user: NOBODY } : {}),
  });
  assert.is(kept.code, 1, kept.text);
  assert.equal(kept.problems, ['FAIL xml-rpc'], kept.text);
  assert.match(kept.text, /no permission to use the socket/);
  assert.match(kept.text, /add to \[unix_http_server\] in .*supervisord\.conf: chmod=0770/);
}

install.run();
