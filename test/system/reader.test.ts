import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  configFileOf,
  interpreterOf,
  parseSupervisordCommand,
  readShebang,
  readSupervisord,
} from '../../src/configuration/supervisord-process.ts';
import { readConfigurationOf } from '../../src/doctor/collect.ts';
import { eventually, timed, within } from '../support/deadline.ts';
import { needsRoot } from '../support/not-run.ts';

const reader = suite("supervisord's reader");

const NOBODY = 65534;
const PATH = process.env['PATH'] ?? '';

/** Where Debian has the module. */
const INSTALLED = '/usr/lib/python3/dist-packages';

/** A source tree of another version, such as a clone of the repository. */
const SOURCE = process.env['SUPERVISOR_SOURCE'];

async function withFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  chmodSync(dir, 0o755);
  try {
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const host = (environment: NodeJS.ProcessEnv = {}) => ({
  nodeVersion: process.version,
  program: '/own/file.cjs',
  cwd: '/',
  hostname: 'host',
  uid: process.geteuid?.(),
  environment: { PATH, ...environment },
});

/** A result handler that writes down how it was imported. */
const HANDLER = `
import os
with open(os.environ['WITNESS'], 'a') as out:
    out.write('%d %d %s\\n' % (os.getuid(), os.getgid(), os.getcwd()))
print('noise on stdout')
def handler(event, response):
    pass
`;

function configuration(dir: string): string {
  return `[supervisord]
nodaemon=true
logfile=${dir}/supervisord.log
pidfile=${dir}/supervisord.pid
childlogdir=${dir}
identifier=%(ENV_ONLY_SUPERVISORD_HAS)s
[unix_http_server]
file=${dir}/s.sock
[eventlistener:other]
command=cat
events=EVENT
autostart=false
result_handler=witness_handler:handler
`;
}

/** A virtual environment with a supervisord and a module of its own; the folder of its programs. */
function makeEnvironment(dir: string): string {
  execFileSync('/usr/bin/python3', ['-m', 'venv', '--without-pip', join(dir, 'venv')]);
  const bin = join(dir, 'venv/bin');
  const [version = ''] = readdirSync(join(dir, 'venv/lib'));
  const packages = join(dir, 'venv/lib', version, 'site-packages');
  writeFileSync(join(packages, 'installed.pth'), `${INSTALLED}\n`);
  writeFileSync(join(packages, 'witness_handler.py'), HANDLER);
  writeFileSync(
    join(bin, 'supervisord'),
    `#!${bin}/python\nfrom supervisor.supervisord import main\nmain()\n`,
    { mode: 0o755 },
  );
  return bin;
}

interface Started {
  readonly pid: number;
  readonly conf: string;
  readonly witness: string;
}

/** Runs a supervisord of a virtual environment until `body` has ended. */
async function withSupervisord(
  dir: string,
  user: number | undefined,
  body: (started: Started) => Promise<void>,
): Promise<void> {
  const bin = makeEnvironment(dir);
  const home = join(dir, 'home');
  mkdirSync(home);
  if (user !== undefined) chownSync(home, user, user);
  const conf = join(home, 'supervisord.conf');
  writeFileSync(conf, configuration(home));
  const witness = join(home, 'witness');
  const child = spawn(join(bin, 'supervisord'), ['-c', 'supervisord.conf'], {
    cwd: home,
    env: { PATH, ONLY_SUPERVISORD_HAS: 'this', WITNESS: witness, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: 'ignore',
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const ended = once(child, 'close');
  try {
    await eventually(15_000, () => readFileSync(join(home, 'supervisord.pid')));
    await body({ pid: child.pid ?? 0, conf, witness });
  } finally {
    child.kill('SIGTERM');
    await within(15_000, 'end of supervisord', ended).catch(() => child.kill('SIGKILL'));
  }
}

reader(
  'a virtual environment, a relative file and variables of the running supervisord are used, and nothing is written',
  timed(60_000, () =>
    withFolder((dir) =>
      withSupervisord(dir, undefined, async ({ pid, conf, witness }) => {
        const supervisord = readSupervisord(pid);
        assert.is(supervisord && configFileOf(supervisord), conf);
        const before = listOf(dir);
        const request = { supervisor: undefined, supervisorTimeoutMs: 5_000, configFile: conf };
        const { reading, environment } = await readConfigurationOf(request, host());
        assert.is(reading.kind, 'accepted', JSON.stringify(reading));
        if (reading.kind !== 'accepted') return;
        assert.is(reading.configuration.path, conf);
        assert.ok(reading.configuration.usesEnvironment);
        assert.is(environment['ONLY_SUPERVISORD_HAS'], 'this');
        const [own, others] = readFileSync(witness, 'utf8').split('\n');
        assert.is(others, own, 'imported as supervisord did');
        assert.equal(listOf(dir), before);
      }),
    ),
  ),
);

reader(
  'as root, the modules of another user are imported as that user',
  timed(60_000, async () => {
    if (!needsRoot('the modules of another user')) return;
    await withFolder((dir) =>
      withSupervisord(dir, NOBODY, async ({ conf, witness }) => {
        const request = { supervisor: undefined, supervisorTimeoutMs: 5_000, configFile: conf };
        const { reading } = await readConfigurationOf(request, host());
        assert.is(reading.kind, 'accepted', JSON.stringify(reading));
        const lines = readFileSync(witness, 'utf8').trim().split('\n');
        assert.is(lines.length, 2);
        for (const line of lines) assert.match(line, new RegExp(`^${NOBODY} ${NOBODY} `));
      }),
    );
  }),
);

reader(
  'no module is imported from the working directory',
  timed(30_000, () =>
    withFolder(async (dir) => {
      for (const name of ['json', 'supervisor', 'warnings', 'shlex']) {
        writeFileSync(
          join(dir, `${name}.py`),
          'raise SystemExit("imported from the wrong folder")\n',
        );
      }
      writeFileSync(join(dir, 's.conf'), '[supervisord]\n');
      const request = { supervisor: undefined, supervisorTimeoutMs: 1_000, configFile: 's.conf' };
      const { reading } = await readConfigurationOf(request, { ...host(), cwd: dir });
      assert.is(reading.kind, 'accepted', JSON.stringify(reading));
    }),
  ),
);

reader(
  'where Python or the module is missing, that is the answer',
  timed(30_000, () =>
    withFolder(async (dir) => {
      const python = join(dir, 'python3');
      writeFileSync(python, '#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n', { mode: 0o755 });
      writeFileSync(join(dir, 'supervisord'), `#!${python}\n`, { mode: 0o755 });
      writeFileSync(join(dir, 's.conf'), '[supervisord]\n');
      const configFile = join(dir, 's.conf');
      const request = { supervisor: undefined, supervisorTimeoutMs: 1_000, configFile };
      const withoutModule = await readConfigurationOf(request, host({ PATH: `${dir}:${PATH}` }));
      assert.match(JSON.stringify(withoutModule.reading), /no-reader.*No module named/);
      rmSync(python);
      const withoutPython = await readConfigurationOf(request, host({ PATH: `${dir}:${PATH}` }));
      assert.match(JSON.stringify(withoutPython.reading), /no-reader.*no such file/);
    }),
  ),
);

reader(
  'the version that SUPERVISOR_SOURCE names',
  timed(30_000, () =>
    withFolder(async (dir) => {
      if (SOURCE === undefined) return;
      writeFileSync(join(dir, 's.conf'), `${configuration(dir)}environment=A="1"\n`);
      writeFileSync(join(dir, 'witness_handler.py'), HANDLER);
      const request = {
        supervisor: undefined,
        supervisorTimeoutMs: 1_000,
        configFile: join(dir, 's.conf'),
      };
      const { reading } = await readConfigurationOf(
        request,
        host({
          PYTHONPATH: `${SOURCE}:${dir}`,
          ONLY_SUPERVISORD_HAS: 'this',
          WITNESS: join(dir, 'witness'),
        }),
      );
      assert.is(reading.kind, 'accepted', JSON.stringify(reading));
      if (reading.kind !== 'accepted') return;
      const version = readFileSync(join(SOURCE, 'supervisor/version.txt'), 'utf8').trim();
      assert.is(reading.configuration.version, version);
      assert.is(reading.configuration.groups[0]?.processes[0]?.environment['A'], '1');
    }),
  ),
);

const COMMANDS: ReadonlyArray<readonly [words: string, wanted: string | undefined]> = [
  ['/usr/bin/python3 /usr/bin/supervisord -n -c /x', '|/usr/bin/supervisord|-n -c /x'],
  ['/v/bin/python -E -W ignore /v/bin/supervisord', '-E -W ignore|/v/bin/supervisord|'],
  ['pypy3 /usr/bin/supervisord', '|/usr/bin/supervisord|'],
  ['python3.11 -m supervisor.supervisord -c x', '|undefined|-c x'],
  ['/opt/supervisord -c x', '|/opt/supervisord|-c x'],
  ['/usr/bin/python3 /usr/bin/supervisorctl', undefined],
  ['/usr/bin/python3 -c supervisord', undefined],
  ['tail -f /var/log/supervisord', undefined],
  ['', undefined],
];

for (const [words, wanted] of COMMANDS) {
  reader(`the command line ${words || 'without words'}`, () => {
    const parsed = parseSupervisordCommand(words.split(' '));
    const { interpreterFlags = [], script, args = [] } = parsed ?? {};
    const seen = `${interpreterFlags.join(' ')}|${script}|${args.join(' ')}`;
    assert.is(parsed && seen, wanted);
  });
}

const FILES: ReadonlyArray<readonly [args: string, file: string | undefined]> = [
  ['-c a.conf', '/home/a.conf'],
  ['-n -c /a.conf', '/a.conf'],
  ['-nc/a.conf', '/a.conf'],
  ['--configuration=/a=b', '/a=b'],
  ['--conf /a.conf', '/a.conf'],
  ['-l /x -c /a.conf', '/a.conf'],
];

for (const [args, file] of FILES) {
  reader(`the file of supervisord ${args}`, () => {
    const words = ['/usr/bin/python3', '/usr/bin/supervisord', ...args.split(' ')];
    const process = { pid: 1, uid: 0, gid: 0, parent: 0, words, cwd: '/home' };
    assert.is(configFileOf({ ...process, environment: {}, executable: undefined }), file);
  });
}

reader('the interpreter that a script names', () =>
  withFolder(async (dir) => {
    const script = join(dir, 'supervisord');
    const SCRIPTS: ReadonlyArray<readonly [text: string, words: readonly string[] | undefined]> = [
      ['#!/v/bin/python3\n', ['/v/bin/python3']],
      ['#! /v/bin/python -E\n', ['/v/bin/python', '-E']],
      ['#!/usr/bin/env python3\n', ['/usr/bin/env', 'python3']],
      [`#!/bin/sh\n'''exec' "/a b/python3" "$0" "$@"\n' '''\n`, ['/a b/python3']],
      [`#!/bin/sh\n'''exec' /long/python3 "$0" "$@"\n' '''\n`, ['/long/python3']],
      ['#!/bin/sh\nexec x\n', undefined],
      ['\u007fELF', undefined],
    ];
    for (const [text, words] of SCRIPTS) {
      writeFileSync(script, text);
      assert.equal(readShebang(script), words, text);
    }
    assert.is(readShebang(join(dir, 'nowhere')), undefined);
  }),
);

reader('a link to supervisord in another folder finds the modules beside its target', () =>
  withFolder(async (dir) => {
    const bin = makeEnvironment(dir);
    symlinkSync(join(bin, 'supervisord'), join(dir, 'supervisord'));
    const found = interpreterOf(undefined, dir, '/');
    assert.equal(found?.words, [join(bin, 'python')]);
    assert.is(found?.moduleFolder, bin);
    assert.is(interpreterOf(undefined, '/nowhere', '/'), undefined);
  }),
);

/** Names of all files of a folder. */
function listOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
}

reader.run();
