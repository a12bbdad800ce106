import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLAGS, parseCommandLine } from '../../src/cli/flags.ts';
import { helpText } from '../../src/cli/help.ts';
import type { Flag } from '../../src/cli/usage.ts';
import { isLoopback } from '../../src/util/address.ts';
import { UsageError } from '../../src/util/errors.ts';

const config = suite('config');

config('which addresses only this host can reach', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', '::ffff:127.0.0.1']) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ['', '0.0.0.0', '::', '10.0.0.1', '127.example.com', '::ffff:10.0.0.1', 'a']) {
    assert.not(isLoopback(host), host);
  }
});

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
      supervisorLogFile: undefined,
      nudge: true,
      exitReasons: true,
      logTailBytes: 0,
      resources: true,
      resourcesIo: false,
      selection: { include: undefined, exclude: undefined },
      ownGroup: undefined,
      alertmanagers: [],
      alertmanagerConfigFile: undefined,
      alertLabels: {},
      runbookUrl: 'RUNBOOK.md',
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
  [
    ['--supervisor.log-file=/var/log/supervisord.log'],
    'supervisorLogFile',
    '/var/log/supervisord.log',
  ],
  [['--no-supervisor.nudge'], 'nudge', false],
  [['--no-supervisor.nudge', '--supervisor.nudge'], 'nudge', true],
  [['--supervisor.nudge', '--no-supervisor.nudge'], 'nudge', false],
  [['--supervisor.nudge'], 'nudge', true],
  [['--no-collector.resources'], 'resources', false],
  [['--collector.resources'], 'resources', true],
  [['--collector.resources.io'], 'resourcesIo', true],
  [[], 'logTailBytes', 0],
  [['--collector.log-tail=0'], 'logTailBytes', 0],
  [['--collector.log-tail=4096'], 'logTailBytes', 4_096],
  [['--collector.log-tail=4096B'], 'logTailBytes', 4_096],
  [['--collector.log-tail=4KiB'], 'logTailBytes', 4_096],
  [['--collector.log-tail=8KiB'], 'logTailBytes', 8_192],
  [
    ['--collector.process-include=web:.*|db', '--collector.process-exclude=web:1.'],
    'selection',
    { include: /^(?:web:.*|db)$/su, exclude: /^(?:web:1.)$/su },
  ],
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
  [['--alertmanager.runbook-url=https://wiki/x'], 'runbookUrl', 'https://wiki/x'],
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

config('the URL of the flag takes precedence over the environment', () => {
  const environment = { SUPERVISOR_SERVER_URL: 'unix:///run/s.sock' };
  const hosts = [[], ['--supervisor.url=http://h:1']].map((args) => {
    const invocation = parseCommandLine(args, environment);
    return invocation.kind === 'run' ? invocation.config.supervisor?.kind : undefined;
  });
  assert.equal(hosts, ['unix', 'tcp']);
});

config('an empty URL in the environment counts as absent', () => {
  const invocation = parseCommandLine([], { SUPERVISOR_SERVER_URL: '' });
  assert.is(invocation.kind === 'run' && invocation.config.supervisor, undefined);
});

const REFUSED: ReadonlyArray<readonly [arg: string, message: RegExp]> = [
  ['--nonsense', /^unknown flag --nonsense$/],
  ['--supervisor.ulr=x', /^unknown flag --supervisor\.ulr; did you mean --supervisor\.url\?$/],
  ['--web.listenaddress=:1', /did you mean --web\.listen-address\?$/],
  ['-x', /^unknown flag --x$/],
  [
    'word',
    /^argument 1 is neither a flag nor a command; commands: print-config, doctor, rules, help$/,
  ],
  ['doctr', /; did you mean doctor\?$/],
  ['constructor', /^argument 1 is neither/],
  ['--constructor', /^unknown flag --constructor$/],
  [
    '--supervisor.config=/s.conf',
    /^--supervisor\.config is a flag of doctor and print-config only$/,
  ],
  ['--job=a', /^--job is a flag of rules only$/],
  ['-version', /^a flag begins with two dashes: --version$/],
  ['-help', /^a flag begins with two dashes: --help$/],
  ['-log.level=debug', /^a flag begins with two dashes: --log\.level$/],
  ['version', /^a flag begins with two dashes: --version$/],
  ['web.listen-address=:1', /^a flag begins with two dashes: --web\.listen-address$/],
  [
    '--supervisor.nudge=false',
    /^--supervisor\.nudge takes no value; write --no-supervisor\.nudge$/,
  ],
  ['--supervisor.nudge=true', /^--supervisor\.nudge takes no value; write --supervisor\.nudge$/],
  ['--no-supervisor.nudge=false', /takes no value; write --supervisor\.nudge$/],
  ['--no-supervisor.nudge=true', /takes no value; write --no-supervisor\.nudge$/],
  ['--web.disable-exporter-metrics=false', /takes no value; leave it out$/],
  ['--version=false', /takes no value; leave it out$/],
  ['--web.listen=:1', /did you mean --web\.listen-address\?$/],
  ['--no-supervisor.nudg', /did you mean --no-supervisor\.nudge\?$/],
  ['--web.listen-address', /^--web\.listen-address requires a value$/],
  ['--web.disable-exporter-metrics=1', /takes no value; write --web\.disable-exporter-metrics$/],
  ['--web.listen-address=:99999', /^--web\.listen-address is not an address such as/],
  ['--web.listen-address=9876', /is not an address/],
  ['--web.listen-address=::1:9876', /is not an address/],
  ['--web.listen-address=', /is not an address/],
  ['--web.listen-address=u@h:80', /is not an address/],
  ['--web.listen-address=[u@h]:80', /is not an address/],
  ['--web.telemetry-path=metrics', /^--web\.telemetry-path is not a path/],
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
    (path) => [`--web.telemetry-path=${path}`, /^--web\.telemetry-path is not a path/] as const,
  ),
  ['--web.config.file=', /^--web\.config\.file is not the name of a file$/],
  ['--web.config.file=http://h/f', /is not the name of a file$/],
  ['--supervisor.url=ftp://x', /^--supervisor\.url is not of the form/],
  ['--supervisor.url=localhost', /is not of the form .*; write http:\/\/HOST:PORT$/],
  ['--supervisor.url=localhost:9001', /; write http:\/\/HOST:PORT$/],
  ['--supervisor.url=/var/run/supervisor.sock', /; write unix:\/\/\/PATH for a socket$/],
  ['--supervisor.log-file=', /^--supervisor\.log-file is not the name of a file$/],
  ['--supervisor.url=unix://', /is not of the form/],
  ['--collector.log-tail=9KiB', /^--collector\.log-tail is not a number of bytes .* up to 8KiB$/],
  ['--collector.log-tail=8193', /up to 8KiB/],
  ['--collector.log-tail=4K', /up to 8KiB/],
  ['--collector.log-tail=-1', /up to 8KiB/],
  ['--collector.log-tail=', /up to 8KiB/],
  ['--supervisor.timeout=5', /^--supervisor\.timeout is not a duration/],
  ['--supervisor.timeout=0s', /is not a duration/],
  ['--supervisor.timeout=-1s', /is not a duration/],
  ['--supervisor.timeout=2h', /is not a duration/],
  [
    '--alertmanager.url=localhost:9093',
    /^--alertmanager\.url is not of the form http.*; write http:\/\/HOST:PORT$/,
  ],
  ['--alertmanager.label=job', /^--alertmanager\.label is not a label/],
  ['--alertmanager.label=job=', /is not a label/],
  ['--alertmanager.label=0x=1', /is not a label/],
  ['--alertmanager.label=severity=page', /other than alertname, severity/],
  ['--metrics.compat=telegraf', /^--metrics\.compat is not one of node_exporter$/],
  ['--metrics.compat=', /is not one of/],
  ['--log.level=loud', /^--log\.level is not one of debug, info, warn, error$/],
  ['--log.format=xml', /^--log\.format is not one of logfmt, json$/],
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
  [['doctor', 'more'], /^doctor takes no arguments: remove argument 2$/],
  [
    ['--collector.log-tail=1KiB', '--no-collector.exit-reason'],
    /^--collector\.log-tail needs --collector\.exit-reason$/,
  ],
  [['doctor', '--web.listen-address=:1'], /^--web\.listen-address is not a flag of doctor$/],
  [['doctor', '--supervisor.config='], /^--supervisor\.config is not the name of a file$/],
  [['doctor', '--supervisor.url=x'], /is not of the form/],
  [['print-config', '--log.level=loud'], /is not one of/],
  [['rules', '--log.level=debug'], /^--log\.level is not a flag of rules$/],
  [['rules', '--job=a"b'], /^--job is not the name of a job/],
  [['rules', '--job='], /^--job is not the name of a job/],
  [['rules', '--output='], /^--output is not the name of a file$/],
  [['rules', '--scrape-interval=2m'], /^--scrape-interval is not a duration .* to 1m$/],
  [['rules', '--runbook-url=docs'], /^--runbook-url is not of the form/],
  [['rules', '--runbook-url=https://u:p@h/'], /without a username and password$/],
  [['rules', '--page-url-template=ftp://h'], /is not of the form/],
  [['doctor', 'print-config'], /^doctor takes no argument/],
  [
    ['--supervisor.timeout', '-1s'],
    /^--supervisor\.timeout requires a value; .* is written --supervisor\.timeout=VALUE$/,
  ],
];

for (const [args, message] of REFUSED_COMMANDS) {
  config(`${args.join(' ')} is refused in one line`, () => {
    const error = thrownBy(() => parseCommandLine(args, {}));
    assert.instance(error, UsageError);
    assert.match(error instanceof UsageError ? error.message : '', message);
  });
}

config('print-config takes the flags of the exporter, in any position', () => {
  for (const args of [
    ['print-config', '--web.listen-address', ':1', '--log.level=debug'],
    ['--web.listen-address', ':1', 'print-config', '--log.level=debug', '--supervisor.config=/s'],
  ]) {
    const invocation = parseCommandLine(args, {});
    assert.is(invocation.kind, 'print-config');
    if (invocation.kind !== 'print-config') return;
    assert.equal(invocation.request.flags, [
      { name: 'web.listen-address', value: ':1' },
      { name: 'log.level', value: 'debug' },
    ]);
  }
});

config('Alertmanagers of the environment come after those of the flags', () => {
  const environment = {
    SUPERVISOR_EXPORTER_ALERTMANAGER_URL: ' http://b:1  http://me:secret@c:2 ',
  };
  const invocation = parseCommandLine(['--alertmanager.url=http://a'], environment);
  const hosts =
    invocation.kind === 'run' ? invocation.config.alertmanagers.map(({ host }) => host) : [];
  assert.equal(hosts, ['a', 'b', 'c']);
  const broken = { SUPERVISOR_EXPORTER_ALERTMANAGER_URL: `u:${SECRET}@b:9093` };
  const error = thrownBy(() => parseCommandLine([], broken));
  assert.match(String(error), /SUPERVISOR_EXPORTER_ALERTMANAGER_URL is not of the form/);
  assert.not.match(String(error), SECRET);
});

config(
  'doctor takes the URL from the flag, then from the environment, else from the configuration',
  () => {
    const request = (args: readonly string[], environment: object) => {
      const invocation = parseCommandLine(['doctor', ...args], environment);
      return invocation.kind === 'doctor' ? invocation.request : undefined;
    };
    assert.equal(request([], {}), {
      supervisor: undefined,
      supervisorTimeoutMs: 5_000,
      configFile: undefined,
    });
    const environment = { SUPERVISOR_SERVER_URL: 'unix:///s.sock' };
    assert.is(request([], environment)?.supervisor?.kind, 'unix');
    assert.is(request(['--supervisor.url=http://h:1'], environment)?.supervisor?.kind, 'tcp');
    assert.is(request(['--supervisor.config=s.conf'], environment)?.configFile, 's.conf');
  },
);

const SECRET = 'hUnter-2x7';

/** Values, positional arguments and flag names in which a password is in the wrong place. */
const LEAKS = [
  `http://u:${SECRET}`,
  `http://u:${SECRET}@:x`,
  `http://u:${SECRET}@h:99999`,
  `http:/u:${SECRET}@h`,
  `ftp://u:${SECRET}@h`,
  `unix://u:${SECRET}@run/s.sock`,
  `u:${SECRET}@h:9001`,
  `u:${SECRET}`,
  `${SECRET}`,
  `-${SECRET}`,
  `--${SECRET}`,
  `${SECRET}=x`,
  `http://u:${SECRET} @h`,
  `http://u:${SECRET}\n@h`,
];

config('no message repeats a password, wherever it is in the command line', () => {
  const names = Object.keys(FLAGS);
  const misspelt = names.flatMap((name) => [name, name.slice(1), `${name}s`, name.toUpperCase()]);
  const leak = fc.constantFrom(...LEAKS);
  const name = fc.constantFrom(...misspelt, '', 'u', 'p', 'password');
  const argument = fc.oneof(
    fc.tuple(name, leak).map(([flag, value]) => [`--${flag}=${value}`]),
    fc.tuple(name, leak).map(([flag, value]) => [`--${flag}`, value]),
    fc.tuple(name, leak).map(([flag, value]) => [`-${flag}${value}`]),
    fc.tuple(name, leak).map(([flag, value]) => [`--${flag}:${value}`]),
    leak.map((value) => [value]),
    fc.constantFrom('doctor', 'print-config', 'help', 'word').map((word) => [word]),
  );
  const variable = fc.option(leak, { nil: undefined });
  const commandLine = fc.array(argument, { minLength: 1, maxLength: 4 });
  let refused = 0;
  fc.assert(
    fc.property(commandLine, variable, (words, SUPERVISOR_SERVER_URL) => {
      const error = thrownBy(() => parseCommandLine(words.flat(), { SUPERVISOR_SERVER_URL }));
      if (error === undefined) return;
      refused += 1;
      assert.instance(error, UsageError, String(error));
      assert.not.match(String(error), /unter/i);
      assert.not.match(String(error), '\n');
    }),
    { numRuns: 1_000 },
  );
  assert.ok(refused > 500);
});

config('the help names every flag, in lines that fit a terminal', () => {
  const help = helpText();
  assert.match(help, '--web.listen-address=:9876');
  assert.match(help, '--supervisor.timeout=5s');
  assert.match(help, '--help, -h');
  assert.match(help, '--log.format=logfmt');
  for (const [name, { initially }] of Object.entries<Flag>(FLAGS)) {
    assert.match(help, `\n  --${initially === undefined ? '' : '[no-]'}${name}`);
  }
  for (const line of help.split('\n')) assert.ok(line.length <= 90, line);
  assert.is(parseCommandLine(['--help', '--log.level=loud'], {}).kind, 'help');
  assert.is(parseCommandLine(['-h'], {}).kind, 'help');
  assert.is(parseCommandLine(['help'], {}).kind, 'help');
  assert.is(parseCommandLine(['doctor', '--help'], {}).kind, 'help');
  for (const command of ['print-config', 'doctor', 'rules']) assert.match(help, `\n  ${command}\n`);
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
