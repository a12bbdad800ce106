import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCommandLine, UsageError } from '../../src/cli/flags.ts';
import { helpText } from '../../src/cli/help.ts';

const config = suite('config');

config('the defaults', () => {
  assert.equal(parseCommandLine([], {}), {
    kind: 'run',
    config: {
      listenAddresses: [{ host: '', port: 9876 }],
      telemetryPath: '/metrics',
      webConfigFile: undefined,
      exporterMetrics: true,
      supervisor: undefined,
      supervisorTimeoutMs: 5_000,
      nudge: true,
      exitReasons: true,
      resources: true,
      ownGroup: undefined,
      alertmanagers: [],
      alertLabels: {},
      compat: undefined,
      logLevel: 'info',
      logFormat: 'logfmt',
    },
  });
});

const ACCEPTED: ReadonlyArray<readonly [args: readonly string[], field: string, value: unknown]> = [
  [['--web.listen-address=127.0.0.1:80'], 'listenAddresses', [{ host: '127.0.0.1', port: 80 }]],
  [
    ['--web.listen-address', ':1', '--web.listen-address=[::1]:65535'],
    'listenAddresses',
    [
      { host: '', port: 1 },
      { host: '::1', port: 65535 },
    ],
  ],
  [['--web.telemetry-path=/prom'], 'telemetryPath', '/prom'],
  [['--web.telemetry-path=/'], 'telemetryPath', '/'],
  [['--web.config.file=/etc/web.yml'], 'webConfigFile', '/etc/web.yml'],
  [['--web.disable-exporter-metrics'], 'exporterMetrics', false],
  [['--supervisor.timeout=500ms'], 'supervisorTimeoutMs', 500],
  [['--supervisor.timeout=1.5s'], 'supervisorTimeoutMs', 1_500],
  [['--supervisor.timeout=1m'], 'supervisorTimeoutMs', 60_000],
  [['--no-supervisor.nudge'], 'nudge', false],
  [['--supervisor.nudge'], 'nudge', true],
  [['--no-collector.resources'], 'resources', false],
  [['--collector.resources'], 'resources', true],
  [
    ['--alertmanager.url=http://a:9093', '--alertmanager.url=https://me:p%40ss@b/prefix/'],
    'alertmanagers',
    [
      { secure: false, host: 'a', port: 9093, path: '', credentials: undefined },
      {
        secure: true,
        host: 'b',
        port: 443,
        path: '/prefix',
        credentials: { username: 'me', password: 'p@ss' },
      },
    ],
  ],
  [
    ['--alertmanager.label=job=a', '--alertmanager.label=x=y=z'],
    'alertLabels',
    { job: 'a', x: 'y=z' },
  ],
  [['--metrics.compat=node_exporter'], 'compat', 'node_exporter'],
  [['--log.level=debug'], 'logLevel', 'debug'],
  [['--log.format=json'], 'logFormat', 'json'],
];

for (const [args, field, value] of ACCEPTED) {
  config(`${args.join(' ')} is accepted`, () => {
    const invocation = parseCommandLine(args, {});
    assert.is(invocation.kind, 'run');
    if (invocation.kind !== 'run') return;
    assert.equal({ ...invocation.config }[field as keyof typeof invocation.config], value);
  });
}

config('the URL of the flag goes before that of the environment', () => {
  const environment = { SUPERVISOR_SERVER_URL: 'unix:///run/s.sock' };
  const hosts = [[], ['--supervisor.url=http://h:1']].map((args) => {
    const invocation = parseCommandLine(args, environment);
    return invocation.kind === 'run' ? invocation.config.supervisor?.kind : undefined;
  });
  assert.equal(hosts, ['unix', 'tcp']);
});

config('an empty URL in the environment is none', () => {
  const invocation = parseCommandLine([], { SUPERVISOR_SERVER_URL: '' });
  assert.is(invocation.kind === 'run' && invocation.config.supervisor, undefined);
});

const REFUSED: ReadonlyArray<readonly [arg: string, message: RegExp]> = [
  ['--nonsense', /Unknown option '--nonsense'/],
  ['word', /there is no command "word"; there are: print-config, doctor, help$/],
  ['constructor', /there is no command "constructor"/],
  ['--supervisor.config=/s.conf', /--supervisor\.config is a flag of doctor/],
  ['--web.listen-address', /--web.listen-address.*missing/],
  ['--web.disable-exporter-metrics=1', /web.disable-exporter-metrics/],
  ['--web.listen-address=:99999', /":99999" is not an address/],
  ['--web.listen-address=9876', /"9876" is not an address/],
  ['--web.listen-address=::1:9876', /"::1:9876" is not an address/],
  ['--web.listen-address=', /"" is not an address/],
  ['--web.telemetry-path=metrics', /"metrics" is not a path/],
  ...[
    '/-/ready',
    '/-/healthy',
    '/-/programs',
    '/-/events',
    '/-/page.js',
    '/-/page.css',
    '/-/page.svg',
    '/mëtrics',
    '/a%20b',
    '/a(b)',
    '/../metrics',
    '/a?b',
  ].map(
    (path) =>
      [`--web.telemetry-path=${path}`, /^--web\.telemetry-path: ".*" is not a path/] as const,
  ),
  ['--web.config.file=', /"" is not the name of a file/],
  ['--supervisor.url=ftp://x', /"ftp:\/\/x" is not of the form/],
  ['--supervisor.url=localhost', /"localhost" is not of the form/],
  ['--supervisor.url=unix://', /is not of the form/],
  ['--supervisor.timeout=5', /"5" is not a duration/],
  ['--supervisor.timeout=0s', /"0s" is not a duration/],
  ['--supervisor.timeout=-1s', /"-1s" is not a duration|ambiguous/],
  ['--supervisor.timeout=2h', /"2h" is not a duration/],
  ['--alertmanager.url=localhost:9093', /is not of the form http/],
  ['--alertmanager.url=ftp://me:secret@x', /"ftp:\/\/\*\*\*@x" is not of the form/],
  ['--alertmanager.label=job', /"job" is not a label/],
  ['--alertmanager.label=job=', /is not a label/],
  ['--alertmanager.label=0x=1', /is not a label/],
  ['--alertmanager.label=severity=page', /other than alertname, severity/],
  ['--metrics.compat=telegraf', /"telegraf" is not one of node_exporter/],
  ['--metrics.compat=', /"" is not one of/],
  ['--log.level=loud', /"loud" is not one of debug, info, warn, error/],
  ['--log.format=xml', /"xml" is not one of logfmt, json/],
];

for (const [arg, message] of REFUSED) {
  config(`${arg} is refused in one line`, () => {
    const error = thrownBy(() => parseCommandLine([arg], {}));
    assert.instance(error, UsageError);
    if (!(error instanceof UsageError)) return;
    assert.match(error.message, message);
    assert.not.match(error.message, '\n');
  });
}

const REFUSED_COMMANDS: ReadonlyArray<readonly [args: readonly string[], message: RegExp]> = [
  [['doctor', 'more'], /^doctor takes no argument "more"$/],
  [['doctor', '--web.listen-address=:1'], /^--web\.listen-address is not a flag of doctor$/],
  [['doctor', '--supervisor.config='], /"" is not a file$/],
  [['doctor', '--supervisor.url=x'], /is not of the form/],
  [['print-config', '--log.level=loud'], /"loud" is not one of/],
  [['print-config', '--supervisor.config=/s'], /is a flag of doctor/],
  [['doctor', 'print-config'], /^doctor takes no argument "print-config"$/],
];

for (const [args, message] of REFUSED_COMMANDS) {
  config(`${args.join(' ')} is refused in one line`, () => {
    const error = thrownBy(() => parseCommandLine(args, {}));
    assert.instance(error, UsageError);
    assert.match(error instanceof UsageError ? error.message : '', message);
  });
}

config('print-config hands on the flags as they are given, wherever it stands', () => {
  for (const args of [
    ['print-config', '--web.listen-address', ':1', '--log.level=debug'],
    ['--web.listen-address', ':1', 'print-config', '--log.level=debug'],
  ]) {
    assert.equal(parseCommandLine(args, {}), {
      kind: 'print-config',
      flags: ['--web.listen-address', ':1', '--log.level=debug'],
    });
  }
});

config('doctor asks where the flag says, or the environment, or finds out', () => {
  const request = (args: readonly string[], environment: object) => {
    const invocation = parseCommandLine(['doctor', ...args], environment);
    return invocation.kind === 'doctor' ? invocation.request : undefined;
  };
  assert.equal(request([], {}), {
    supervisor: undefined,
    supervisorTimeoutMs: 5_000,
    configFile: undefined,
  });
  const told = { SUPERVISOR_SERVER_URL: 'unix:///s.sock' };
  assert.is(request([], told)?.supervisor?.kind, 'unix');
  assert.is(request(['--supervisor.url=http://h:1'], told)?.supervisor?.kind, 'tcp');
  assert.is(request(['--supervisor.config=s.conf'], told)?.configFile, 's.conf');
});

config('a password is not shown in what is wrong with its URL', () => {
  for (const url of [
    'ftp://me:secret@x',
    'ftp://me:se/cret@x',
    'me:secret@x',
    'http://me:secret@:x',
  ]) {
    const error = thrownBy(() => parseCommandLine([`--supervisor.url=${url}`], {}));
    assert.not.match(String(error), 'secret');
    assert.not.match(String(error), 'cret@');
  }
});

config('the help names every flag, in lines that fit a terminal', () => {
  const help = helpText();
  assert.match(help, '--web.listen-address=:9876');
  assert.match(help, '--supervisor.timeout=5s');
  assert.match(help, '--help, -h');
  for (const line of help.split('\n')) assert.ok(line.length <= 90, line);
  assert.is(parseCommandLine(['--help', '--log.level=loud'], {}).kind, 'help');
  assert.is(parseCommandLine(['-h'], {}).kind, 'help');
  assert.is(parseCommandLine(['help'], {}).kind, 'help');
  assert.is(parseCommandLine(['doctor', '--help'], {}).kind, 'help');
  for (const command of ['print-config', 'doctor']) assert.match(help, `\n  ${command}\n`);
  assert.is(parseCommandLine(['--version'], {}).kind, 'version');
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

config.run();
