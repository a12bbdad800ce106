import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reading } from '../../src/configuration/configuration.ts';
import { parseReading } from '../../src/configuration/read-configuration.ts';
import { READER_PROGRAM } from '../../src/configuration/reader-program.ts';
import { check } from '../../src/doctor/check.ts';
import { findListeners } from '../../src/doctor/listener.ts';
import { workingFacts } from '../support/configuration.ts';
import { timed } from '../support/deadline.ts';

const configurations = suite('configurations');

/** The shipped section, in each configuration. */
const EXPORTER = readFileSync(new URL('../../supervisor/exporter.conf', import.meta.url), 'utf8');

const SUPERVISORD = '[supervisord]\nlogfile=%(here)s/supervisord.log\npidfile=%(here)s/x.pid\n';
const SOCKET = '[unix_http_server]\nfile=%(here)s/s.sock\n';
const INTERFACE =
  '[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n';
const BASE = SUPERVISORD + SOCKET + INTERFACE;

type Files = Readonly<Record<string, string>>;

interface Case {
  readonly title: string;
  /** latin1 where it is not text. */
  readonly text: string | Buffer;
  readonly files?: Files;
}

/** A program with these lines. */
function program(title: string, ...lines: readonly string[]): Case {
  return { title, text: `${BASE}[program:web]\ncommand=sleep 1\n${lines.join('\n')}\n` };
}

function listener(title: string, ...lines: readonly string[]): Case {
  const text = `${BASE}[eventlistener:other]\ncommand=cat\n${lines.join('\n')}\n`;
  return { title, text };
}

/** [supervisord] with these lines. */
function server(title: string, ...lines: readonly string[]): Case {
  return { title, text: `${SUPERVISORD}${lines.join('\n')}\n${SOCKET}${INTERFACE}` };
}

function whole(title: string, text: string | Buffer, files?: Files): Case {
  return { title, text, ...(files && { files }) };
}

const OPTIONS: readonly Case[] = [
  program('nothing special'),
  ...[
    '1',
    '-5',
    '+3',
    ' 7 ',
    '007',
    '1_000',
    '٣',
    '5 ;x',
    'high',
    '1.5',
    '',
    '0x10',
    '%(numprocs)d',
  ].map((value) => program(`priority=${value}`, `priority=${value}`)),
  ...['true', 'No', 'ON', '1', 'maybe', 'unexpected', '2', ''].map((value) =>
    program(`autostart=${value}`, `autostart=${value}`),
  ),
  ...['true', 'Unexpected', 'false', 'always', '1'].map((value) =>
    program(`autorestart=${value}`, `autorestart=${value}`),
  ),
  ...['0', '1.5', '10s', '-1'].map((value) => program(`startsecs=${value}`, `startsecs=${value}`)),
  ...['TERM', 'sigusr1', '9', 'NOPE', '999'].map((value) =>
    program(`stopsignal=${value}`, `stopsignal=${value}`),
  ),
  ...['0,2', '0 2', '', '256', 'a'].map((value) =>
    program(`exitcodes=${value}`, `exitcodes=${value}`),
  ),
  ...['50MB', '2GB', '10', '1 KB', '5TB', '-1'].map((value) =>
    program(`stdout_logfile_maxbytes=${value}`, `stdout_logfile_maxbytes=${value}`),
  ),
  ...['/nowhere/at/all/x.log', '/dev/stdout', 'relative.log', 'NONE', 'syslog', '~/x.log'].map(
    (value) => program(`stdout_logfile=${value}`, `stdout_logfile=${value}`),
  ),
  ...['022', '9', 'x'].map((value) => program(`umask=${value}`, `umask=${value}`)),
  ...['root', '0', 'no-such-user', '4294967295'].map((value) =>
    program(`user=${value}`, `user=${value}`),
  ),
  ...[
    'A="b",C=\'d\'',
    'A=b C=d',
    'A',
    'A="b',
    'A=%(program_name)s',
    'A=100%',
    'A="%%"',
    'PATH="/x:%(ENV_PATH)s"',
  ].map((value) => program(`environment=${value}`, `environment=${value}`)),
  program('a variable of its own environment', 'environment=X="1"', 'directory=/%(ENV_X)s'),
  program(
    'a variable of its own environment in the command',
    'environment=X="1"',
    'command=a %(ENV_X)s',
  ),
  program('a variable that is not there', 'directory=/%(ENV_NOT_THERE)s'),
  program('an unknown name', 'directory=/%(nope)s'),
  program('a percent sign', 'directory=/100%'),
  program('a percent sign in an option that is not read', 'note=100%'),
  program('no command', 'command='),
  program('a quotation without an end', 'command=sh -c "x'),
  program('numprocs without process_num', 'numprocs=2'),
  program('numprocs', 'numprocs=2', 'process_name=%(program_name)s_%(process_num)02d'),
  program('stopasgroup without killasgroup', 'stopasgroup=true', 'killasgroup=false'),
  program('a colon in the name of the process', 'process_name=a:b'),
  program('a duplicate option', 'priority=1', 'priority=x'),
  program('a value of several lines', 'environment=A="1",', '  B="2"'),
  program('a line without a value', 'nonsense'),
  program('a shell', 'command=bash -c "exec node /x --flag=/y"'),
  ...['EVENT', 'tick_5', 'TICK_5,', 'NOPE', '', 'PROCESS_STATE, TICK_60'].map((value) =>
    listener(`events=${value}`, `events=${value}`),
  ),
  listener('no events'),
  listener('a buffer without room', 'events=EVENT', 'buffer_size=0'),
  listener('redirect_stderr of a listener', 'events=EVENT', 'redirect_stderr=true'),
  listener(
    'a result_handler',
    'events=EVENT',
    'result_handler=supervisor.dispatchers:default_handler',
  ),
  listener('a result_handler that is not there', 'events=EVENT', 'result_handler=nowhere:handler'),
  listener('a result_handler without its function', 'events=EVENT', 'result_handler=os:nope'),
  ...['info', 'INFO', 'loud'].map((value) => server(`loglevel=${value}`, `loglevel=${value}`)),
  server('a log folder that is missing', 'logfile=/nowhere/at/all/supervisord.log'),
  server('minfds that is no number', 'minfds=many'),
  server('an unknown user', 'user=no-such-user'),
  server('a folder that is missing', 'directory=/nowhere/at/all'),
  server('a variable that it sets itself', 'environment=DIR="/tmp"', 'childlogdir=%(ENV_DIR)s'),
  whole(
    'a variable of [supervisord] in a program',
    `${SUPERVISORD}environment=DIR="/tmp"\n${SOCKET}${INTERFACE}[program:web]\ncommand=cat\ndirectory=%(ENV_DIR)s\n`,
  ),
  whole('no [supervisord]', SOCKET + INTERFACE),
  whole('an empty file', ''),
  whole('text before the first section', `x=1\n${BASE}`),
  whole('latin-1', Buffer.from(`${BASE}; caf\u00e9\n`, 'latin1')),
  whole('a byte order mark', `\ufeff${BASE}`),
  whole('CR LF', BASE.replaceAll('\n', '\r\n')),
  ...['127.0.0.1:9001', '*:9001', ':9001', '9001', 'localhost:http', '[::1]:9001', 'x:y:1'].map(
    (port) => whole(`inet port ${port}`, `${BASE}[inet_http_server]\nport=${port}\n`),
  ),
  whole('a server without a port', `${BASE}[inet_http_server]\n`),
  whole('a username without a password', `${SUPERVISORD}${SOCKET}username=u\n${INTERFACE}`),
  whole(
    'a username and a password',
    `${SUPERVISORD}${SOCKET}username=u\npassword={SHA}x\n${INTERFACE}`,
  ),
  whole('a socket in the home', `${SUPERVISORD}[unix_http_server]\nfile=~/s.sock\n${INTERFACE}`),
  whole('a chmod that is none', `${SUPERVISORD}${SOCKET}chmod=rwx\n${INTERFACE}`),
  whole(
    'an interface that is not there',
    `${BASE}[rpcinterface:x]\nsupervisor.rpcinterface_factory=nowhere:make\n`,
  ),
  whole('an interface without its factory', `${BASE}[rpcinterface:x]\n`),
  whole(
    'a group',
    `${BASE}[program:a]\ncommand=cat\n[program:b]\ncommand=cat\n[group:g]\nprograms=a,b\n`,
  ),
  whole('a group of a program that is not there', `${BASE}[group:g]\nprograms=a\n`),
  whole('a FastCGI program', `${BASE}[fcgi-program:f]\ncommand=cat\nsocket=tcp://localhost:9000\n`),
  whole('a FastCGI program without a socket', `${BASE}[fcgi-program:f]\ncommand=cat\n`),
  whole('an include', `${BASE}[include]\nfiles=c.d/*.conf\n`, {
    'c.d/a.conf': '[program:a]\ncommand=cat\n',
  }),
  whole('an include of nothing', `${BASE}[include]\nfiles=c.d/*.conf\n`),
  whole('an include without files', `${BASE}[include]\n`),
  whole('a broken include', `${BASE}[include]\nfiles=c.d/*.conf\n`, { 'c.d/a.conf': 'nonsense\n' }),
  whole('an include by a variable', `${BASE}[include]\nfiles=%(ENV_CONF)s\n`, {
    'c.d/a.conf': '[program:a]\ncommand=\n',
  }),
  whole('%(here)s of an included file', `${BASE}[include]\nfiles=c.d/*.conf\n`, {
    'c.d/a.conf': '[program:a]\ncommand=%(here)s/run\nstdout_logfile=%(here)s/x.log\n',
  }),
];

/** In the manner of files that people use. */
const REAL: readonly Case[] = [
  whole(
    'a mail server in a container',
    `[unix_http_server]
file=/dev/shm/supervisor.sock
chmod=0700
username=docker-mailserver
password=docker-mailserver-password

[supervisord]
nodaemon=true
user=root
loglevel=warn
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid

${INTERFACE}
[supervisorctl]
serverurl=unix:///dev/shm/supervisor.sock
username=docker-mailserver
password=docker-mailserver-password

[program:cron]
startsecs=0
autostart=true
stopsignal=TERM
autorestart=true
stdout_logfile=%(here)s/%(program_name)s.log
stderr_logfile=%(here)s/%(program_name)s.log
command=/usr/sbin/cron -f

[program:changedetector]
startsecs=0
stopasgroup=true
autostart=false
autorestart=true
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
command=/bin/bash -l -c /usr/local/bin/check-for-changes.sh
`,
  ),
  whole(
    'queue workers of a PHP framework',
    `[supervisord]
nodaemon=true
[supervisorctl]
${SOCKET}[inet_http_server]
port=*:9001
username=supervisor
password=secret
${INTERFACE}[include]
files = supervisord.d/*.conf
`,
    {
      'supervisord.d/worker.conf': `[program:laravel-worker]
process_name=%(program_name)s_%(process_num)02d
command=php /var/www/artisan queue:work --sleep=3 --tries=3 --daemon
autostart=true
autorestart=true
numprocs=8
user=root
redirect_stderr=true
`,
      'supervisord.d/scheduler.conf': `[program:laravel-scheduler]
process_name=%(program_name)s_%(process_num)02d
command=/bin/sh -c "while [ true ]; do (php /var/www/artisan schedule:run --verbose --no-interaction &); sleep 60; done"
autostart=true
autorestart=true
numprocs=1
user=root
redirect_stderr=true
`,
    },
  ),
  whole(
    'a container that ends with its programs',
    `[supervisord]
pidfile=/tmp/x.pid
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
${SOCKET}${INTERFACE}
[program:syslog-ng]
command=/usr/sbin/syslog-ng --foreground --no-caps
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
autostart=true

[eventlistener:processes]
command=/usr/local/sbin/stop-supervisor.sh
events=PROCESS_STATE_STOPPED, PROCESS_STATE_EXITED, PROCESS_STATE_FATAL
`,
  ),
  whole(
    'a science portal',
    `${BASE}
[program:web]
command         = uwsgi --virtualenv /srv/galaxy/venv --ini-paste /srv/galaxy/config/galaxy.ini
directory       = /tmp
umask           = 022
autostart       = true
autorestart     = true
startsecs       = 10
user            = root
environment     = PATH="/srv/galaxy/venv/bin:%(ENV_PATH)s",PYTHON_EGG_CACHE="/tmp/eggs"
numprocs        = 1
stopsignal      = INT

[program:handler]
command         = python ./scripts/galaxy-main -c /srv/config.yml --server-name=handler%(process_num)s
process_name    = handler%(process_num)s
numprocs        = 3
environment     = VIRTUAL_ENV="/srv/galaxy/venv"

[group:galaxy]
programs = web,handler
`,
  ),
  whole(
    'a browser in a container',
    `; Documentation of Supervisor
[supervisord]
childlogdir=/tmp
nodaemon=true
logfile=/tmp/supervisord.log
loglevel=info
pidfile=%(ENV_RUN)s/supervisord.pid
${SOCKET}${INTERFACE}
[program:xvfb]
priority=0
command=/opt/bin/start-xvfb.sh
autostart=%(ENV_START)s
autorestart=%(ENV_START)s

redirect_stderr=true
stdout_logfile=/var/log/xvfb-stdout.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=5

[program:node]
priority=15
command=bash -c "/opt/bin/start-node.sh; EXIT_CODE=$?; kill -s SIGINT \`cat /tmp/x.pid\`; exit $EXIT_CODE"
autostart=true
autorestart=false
startsecs=0
startretries=0
stopasgroup = true
killasgroup=true
redirect_stderr=true
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
`,
  ),
  whole(
    "Debian's default",
    `; supervisor config file

[unix_http_server]
file=%(here)s/supervisor.sock   ; (the path to the socket file)
chmod=0700                       ; sockef file mode (default 0700)

[supervisord]
logfile=%(here)s/supervisord.log ; (main log file;default $CWD/supervisord.log)
pidfile=%(here)s/supervisord.pid ; (supervisord pidfile;default supervisord.pid)
childlogdir=%(here)s            ; ('AUTO' child log dir, default $TEMP)

; the below section must remain in the config file for RPC
${INTERFACE}
[supervisorctl]
serverurl=unix://%(here)s/supervisor.sock ; use a unix:// URL  for a unix socket

[include]
files = conf.d/*.conf
`,
  ),
];

const CASES = [...OPTIONS, ...REAL];

const ENVIRONMENT = {
  PATH: process.env['PATH'],
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  CONF: 'c.d/*.conf',
  START: 'true',
  RUN: '/tmp',
};

/**
 * For each file, in a process of its own: supervisord's own main function up to where it would start,
 * and doctor's reader. One Python imports supervisord for all.
 */
const PYTHON = `
import json, os, sys, tempfile
sys.path.append('/usr/lib/python3/dist-packages')
from supervisor import supervisord
supervisord.go = lambda options: os._exit(0)
program, paths = json.load(sys.stdin)
program = compile(program, 'reader', 'exec')

def run(path, act):
    with tempfile.TemporaryFile('w+') as output:
        pid = os.fork()
        if pid == 0:
            try:
                os.chdir(os.path.dirname(path))
                os.dup2(os.open('/dev/null', os.O_WRONLY), 2)
                os.dup2(output.fileno(), 3)
                act(path)
            except BaseException:
                os._exit(2)
            os._exit(3)
        status = os.waitpid(pid, 0)[1]
        output.seek(0)
        return status, output.read()

def judge(path):
    supervisord.main(['-c', path])

def read(path):
    sys.argv = ['-c', '/usr/bin', '/usr/bin/supervisord', '-c', path]
    exec(program, {'__name__': '__main__'})

print(json.dumps([[run(path, judge)[0] == 0, run(path, read)[1]] for path in paths]))
`;

function judgeAndRead(paths: readonly string[]): readonly (readonly [boolean, string])[] {
  const python = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-B', '-c', PYTHON], {
    input: JSON.stringify([READER_PROGRAM, paths]),
    encoding: 'utf8',
    env: ENVIRONMENT,
    maxBuffer: 1 << 26,
    timeout: 100_000,
  });
  assert.is(python.status, 0, python.stderr);
  return JSON.parse(python.stdout);
}

/** Each in a folder of its own. */
function writeCases(dir: string): string[] {
  return CASES.map(({ text, files = {} }, index) => {
    const folder = join(dir, String(index));
    mkdirSync(folder);
    const path = join(folder, 'supervisord.conf');
    const exporter = Buffer.from(`\n${EXPORTER}`);
    const content = typeof text === 'string' ? Buffer.from(text) : text;
    writeFileSync(path, Buffer.concat([content, exporter]));
    for (const [name, included] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), included);
    }
    return path;
  });
}

configurations(
  'doctor accepts and refuses as supervisord does, and finds no fault with what it accepts',
  timed(120_000, async () => {
    assert.ok(CASES.length >= 100, String(CASES.length));
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      const paths = writeCases(dir);
      const answers = judgeAndRead(paths);
      const accepted = answers.map(([isAccepted]) => isAccepted);
      for (const [index, [isAccepted, text]] of answers.entries()) {
        const title = CASES[index]?.title ?? '';
        const reading = parseReading(JSON.parse(text));
        const failures = failuresOf(reading);
        const seen = `${title}: ${JSON.stringify(reading.kind === 'accepted' ? failures : reading)}`;
        assert.is(reading.kind, isAccepted ? 'accepted' : 'refused', seen);
        const checks = failures.map(({ check: name }) => name);
        assert.equal(checks, isAccepted ? [] : ['configuration'], seen);
      }
      const refused = accepted.filter((isAccepted) => !isAccepted).length;
      assert.ok(refused >= 40 && accepted.length - refused >= 40, `${refused} refused`);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }),
);

function failuresOf(reading: Reading) {
  const listeners =
    reading.kind === 'accepted'
      ? findListeners(reading.configuration, {
          program: '/own/file.cjs',
          environment: ENVIRONMENT,
          runningWords: () => undefined,
        })
      : [];
  return check(workingFacts(reading, listeners)).filter(({ level }) => level === 'fail');
}

configurations.run();
