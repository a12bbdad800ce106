import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Labels } from '../../src/alertmanager/payload.ts';
import type {
  Configuration,
  Pool,
  ProcessSettings,
} from '../../src/configuration/configuration.ts';
import { check } from '../../src/doctor/check.ts';
import type {
  AlertmanagerFacts,
  ExporterFacts,
  ExporterNumbers,
  Facts,
  Node,
  ProcessFacts,
} from '../../src/doctor/facts.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { findListeners, findRunAsProgram } from '../../src/doctor/listener.ts';
import { Places } from '../../src/doctor/places.ts';
import { readNumbers } from '../../src/doctor/probe.ts';
import { exitStatusOf, formatReport } from '../../src/doctor/report.ts';
import { parseEndpoint } from '../../src/rpc/endpoint.ts';
import {
  CONFIGURATION,
  NUMBERS,
  poolOf,
  SETTINGS,
  workingExporter,
  workingFacts,
} from '../support/configuration.ts';
import { info } from '../support/facts.ts';

const doctor = suite('doctor');

const PLAIN = { coloured: false, update: 'supervisorctl update' };

const WORDS = ['node', '/opt/supervisor-exporter.cjs', '--web.listen-address=:9877'];
const COMMAND = WORDS.join(' ');

/** The section in the file, which fixes refer to. */
const TEXT = `[supervisord]
[unix_http_server]
file=/run/s.sock
[rpcinterface:supervisor]
[eventlistener:exporter]
command=${COMMAND}
events=PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_60
buffer_size=8192
numprocs=1
priority=-9876
`;

interface Changes {
  readonly settings?: Partial<ProcessSettings>;
  readonly pool?: Partial<Pool>;
  readonly name?: string;
  readonly processes?: number;
}

/** The exporter's event listener. */
function groupOf({ settings, pool, name = 'exporter', processes = 1 }: Changes = {}) {
  const process = { ...SETTINGS, name, command: COMMAND, words: WORDS, ...settings };
  return {
    name,
    priority: -9876,
    processes: Array.from({ length: processes }, () => process),
    pool: { ...poolOf(EXPORTER_EVENTS), ...pool },
  };
}

const EXPORTER_EVENTS = [
  'PROCESS_STATE',
  'PROCESS_GROUP',
  'REMOTE_COMMUNICATION',
  'SUPERVISOR_STATE_CHANGE',
  'TICK_60',
];

const WORKING: Configuration = {
  ...CONFIGURATION,
  sections: [
    'supervisord',
    'unix_http_server',
    'rpcinterface:supervisor',
    'eventlistener:exporter',
  ],
  groups: [groupOf()],
};

const RUNNING: ProcessFacts = {
  name: 'exporter',
  state: 'RUNNING',
  spawnError: '',
  start: 1_000,
  now: 1_200,
  lastLines: [],
  loaded: { command: COMMAND, priority: -9876, startsecs: 1 },
  differences: [],
};

const ADDRESS = { host: '', port: 9877 };
const OWNER = { kind: 'exporter', numbers: NUMBERS } as const;

const folder = (path: string, mode = 0o755): Node => ({ path, mode, uid: 0, gid: 0 });
const SOCKET: Node = { path: '/run/s.sock', mode: 0o700, uid: 0, gid: 0 };

interface Situation {
  readonly configuration?: Partial<Configuration>;
  readonly facts?: Partial<Facts>;
  readonly exporter?: Partial<ExporterFacts>;
}

/** The findings in a working installation that differs only by the situation. */
function find({ configuration: changes, facts, exporter }: Situation): Finding[] {
  const configuration = { ...WORKING, ...changes };
  const listeners = findListeners(configuration, {
    program: '/own/file.cjs',
    environment: {},
    runningWords: () => undefined,
  });
  const reading = { kind: 'accepted', configuration } as const;
  const working = { processes: [RUNNING], ports: [{ address: ADDRESS, owner: OWNER }] };
  return check({
    ...workingFacts(reading, listeners),
    places: new Places([{ file: '/s.conf', text: TEXT }]),
    socket: { kind: 'present', socket: SOCKET, folders: [folder('/'), folder('/run')] },
    exporters: listeners.map((listener) => ({
      ...workingExporter(listener),
      ...working,
      changedAt: 900,
      ...exporter,
    })),
    runAsProgram: findRunAsProgram(configuration, '/own/file.cjs'),
    ...facts,
  });
}

/** The findings that are not ok: `LEVEL CHECK: MESSAGE -> FIX`. */
function problems(situation: Situation): string[] {
  return find(situation)
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, message, fix }) => `${level} ${check}: ${message} -> ${fix}`);
}

doctor('all is well', () => {
  assert.equal(problems({}), []);
  assert.is(exitStatusOf(find({})), 0);
});

const LOG_TAILS: ReadonlyArray<
  readonly [title: string, flags: string, owner: 'exporter' | 'protected' | 'free', found: RegExp]
> = [
  ['an open port', '', 'exporter', /^warn log tail: not shown over HTTP, .* basic_auth_users/],
  ['a port that is not open yet', '', 'free', /^warn log tail: not shown over HTTP/],
  ['a loopback address', '--web.listen-address=127.0.0.1:1', 'exporter', /^ok log tail/],
  [
    'a loopback address beside an open one',
    '--web.listen-address=[::1]:1 --web.listen-address=:2',
    'exporter',
    /^warn log tail/,
  ],
  ['a password', '--web.config.file=/w.yml', 'protected', /^ok log tail/],
  ['TLS without a password', '--web.config.file=/w.yml', 'exporter', /^warn log tail/],
  ['a port that cannot be judged yet', '--web.config.file=/w.yml', 'free', /^$/],
];

for (const [title, flags, kind, found] of LOG_TAILS) {
  doctor(`whether log tails are shown: ${title}`, () => {
    const words = ['node', '/opt/supervisor-exporter.cjs', '--collector.log-tail=4KiB'].concat(
      flags.split(' ').filter((flag) => flag !== ''),
    );
    const settings = { command: words.join(' '), words };
    const owner = kind === 'exporter' ? OWNER : { kind };
    const findings = find({
      configuration: { groups: [groupOf({ settings })] },
      exporter: { ports: [{ address: ADDRESS, owner }] },
    });
    const shown = findings
      .filter(({ check }) => check === 'log tail')
      .map(({ level, check, message, fix }) => `${level} ${check}: ${message} -> ${fix}`);
    assert.match(shown.join(), found);
  });
}

const without = (...events: readonly string[]) =>
  EXPORTER_EVENTS.filter((event) => !events.includes(event));

const SECTIONS: ReadonlyArray<
  readonly [
    title: string,
    changes: Changes,
    wanted: readonly RegExp[],
    exporter?: Partial<ExporterFacts>,
  ]
> = [
  ['every event', { pool: poolOf(['EVENT']) }, []],
  ['a further event', { pool: poolOf([...EXPORTER_EVENTS, 'TICK_5']) }, []],
  ['a more general tick', { pool: poolOf([...without('TICK_60'), 'TICK']) }, []],
  [
    'both kinds of a group event',
    { pool: poolOf([...without('PROCESS_GROUP'), 'PROCESS_GROUP_ADDED', 'PROCESS_GROUP_REMOVED']) },
    [],
  ],
  [
    'one kind of a group event',
    { pool: poolOf([...without('PROCESS_GROUP'), 'PROCESS_GROUP_ADDED']) },
    [
      /^fail events: missing: PROCESS_GROUP \(groups .*\) -> .*\/s\.conf:7.*: events=PROCESS_STATE,REMOTE.*,PROCESS_GROUP$/,
    ],
  ],
  [
    'the default buffer',
    { pool: { bufferSize: 10 } },
    [/^fail buffer_size: 10: .* -> \/s\.conf:8, in \[eventlistener:exporter\]: buffer_size=8192$/],
  ],
  ['a buffer of 1024', { pool: { bufferSize: 1024 } }, []],
  [
    'two processes',
    { processes: 2 },
    [/^fail numprocs: 2: .*\/s\.conf:9, in \[eventlistener:exporter\]: numprocs=1/],
  ],
  ['redirect_stderr', { settings: { redirectStderr: true } }, [/^fail redirect_stderr: true/]],
  ['autorestart=unexpected', { settings: { autorestart: 'unexpected' } }, []],
  [
    'an exit status 1 that is expected',
    { settings: { autorestart: 'unexpected', exitcodes: [0, 1] } },
    [/^fail autorestart: unexpected with exitcodes=0,1/],
  ],
  ['no restart', { settings: { autorestart: 'false' } }, [/^fail autorestart: false/]],
  ['no start', { settings: { autostart: false } }, [/^warn autostart: false/]],
  [
    'a log file of stdout',
    { settings: { stdoutLogfile: 'AUTO' } },
    [/^warn stdout_logfile: AUTO: .* -> add to .* in \/s\.conf: stdout_logfile=NONE$/],
  ],
  [
    'a plain file for stdout',
    { settings: { stdoutLogfile: '/x.log' } },
    [/^warn stdout_logfile: \/x\.log/],
    { stdoutLog: 'plain' },
  ],
  [
    'a pipe for stdout, which cannot be rotated',
    { settings: { stdoutLogfile: '/dev/stdout' } },
    [/^fail stdout_logfile: \/dev\/stdout is not a plain file/],
    { stdoutLog: 'stream' },
  ],
  [
    'a pipe for stdout that is not rotated',
    { settings: { stdoutLogfile: '/dev/stdout', stdoutMaxbytes: 0 } },
    [/^warn stdout_logfile: /],
    { stdoutLog: 'stream' },
  ],
  [
    'a folder for stdout',
    { settings: { stdoutLogfile: '/tmp', stdoutMaxbytes: 0 } },
    [/^fail stdout_logfile: \/tmp is not a plain file/],
    { stdoutLog: 'unusable' },
  ],
  ['no log of stderr', { settings: { stderrLogfile: 'NONE' } }, [/^warn stderr_logfile/]],
  ['stderr to syslog', { settings: { stderrLogfile: 'NONE', stderrSyslog: true } }, []],
  [
    'a flag that the exporter refuses',
    { settings: { command: `${COMMAND} --nonsense`, words: [...WORDS, '--nonsense'] } },
    [/^fail flags: .*--nonsense/, /^fail loaded/],
  ],
  [
    'a slow start',
    { settings: { startsecs: 30 } },
    [/^warn startsecs: 30/, /^fail loaded: .*startsecs/],
  ],
  [
    'a shell that runs the exporter',
    {
      settings: {
        command: 'sh',
        words: ['bash', '-c', `exec ${COMMAND} 2>/dev/null`],
        shellWords: ['exec', ...WORDS, '2>/dev/null'],
      },
    },
    [/^fail loaded: .*command/],
  ],
];

for (const [title, changes, wanted, exporter] of SECTIONS) {
  doctor(`a section with ${title}`, () => {
    assertProblems(
      { configuration: { groups: [groupOf(changes)] }, ...(exporter && { exporter }) },
      wanted,
    );
  });
}

doctor('the flags of an exporter in a shell are those of the shell, up to its operators', () => {
  const [listener] = findListeners(
    {
      ...WORKING,
      groups: [
        groupOf({
          settings: {
            words: ['sh', '-c', '…'],
            shellWords: ['exec', ...WORDS, '--log.level=debug', '2>/dev/null', '--nonsense'],
          },
        }),
      ],
    },
    { program: '/own', environment: {}, runningWords: () => undefined },
  );
  assert.equal(listener?.flags, ['--web.listen-address=:9877', '--log.level=debug']);
  assert.is(listener?.config.kind, 'valid');
});

doctor('an exporter in a wrapper is found by its running process', () => {
  const wrapped = { ...WORKING, groups: [groupOf({ settings: { words: ['/usr/bin/wrapper'] } })] };
  const runningWords = () => ['node', '/x/supervisor-exporter.cjs', '--log.level=debug'];
  const search = { program: '/own', environment: {} };
  const [listener] = findListeners(wrapped, { ...search, runningWords });
  assert.is(listener?.config.kind === 'valid' && listener.config.config.logLevel, 'debug');
  assert.is(listener?.flags, undefined);
  assert.equal(findListeners(wrapped, { ...search, runningWords: () => undefined }), []);
});

const BLANK = groupOf({ name: ' exporter', settings: { name: 'exporter' } });
const OTHER = {
  name: 'other',
  priority: -1,
  processes: [{ ...SETTINGS, name: 'other', command: 'x', words: ['x'], priority: 999 }],
  pool: poolOf(['EVENT']),
};
const NOBODY = { name: 'nobody', uid: 65534, gids: [65534] };
const REFUSED = { kind: 'failed', why: 'ERR_RPC_UNAUTHORIZED', message: 'refuses' } as const;
const owner = (kind: 'other' | 'free' | 'protected') => [{ address: ADDRESS, owner: { kind } }];
const state = (name: string, more: Partial<ProcessFacts> = {}) => [
  { ...RUNNING, state: name, ...more },
];
const numbers = (more: Partial<ExporterNumbers>) => [
  { address: ADDRESS, owner: { kind: 'exporter' as const, numbers: { ...NUMBERS, ...more } } },
];

const OWN_LABELS = { job: 'supervisor', instance: 'h:9876' };
const OWN_RULE: Labels = {
  ...OWN_LABELS,
  alertname: 'SupervisorProcessFatal',
  severity: 'critical',
  group: 'a',
  name: 'a',
};

/** An Alertmanager that holds alerts of the rules and pushed ones; without any where it does not answer. */
function holding(ofRules: readonly Labels[] | undefined, pushed: readonly Labels[] = []) {
  const held = (isFromRule: boolean) => (labels: Labels) => ({ labels, isFromRule, startedAt: 5 });
  const answer: AlertmanagerFacts['answer'] =
    ofRules === undefined
      ? { kind: 'failed', reason: 'connection refused' }
      : { kind: 'answered', alerts: [...ofRules.map(held(true)), ...pushed.map(held(false))] };
  const alertmanagers = [{ url: 'http://a:9093', answer }];
  return { exporter: { alertmanagers, alertLabels: OWN_LABELS } };
}

const SITUATIONS: ReadonlyArray<
  readonly [title: string, situation: Situation, wanted: readonly RegExp[]]
> = [
  ['an old Node', { facts: { nodeVersion: 'v16.20.0' } }, [/^fail node: v16\.20\.0 is too old/]],
  ['Node 18', { facts: { nodeVersion: 'v18.20.0' } }, []],
  [
    'no configuration',
    { facts: { reading: refusal('x', undefined), exporters: [] } },
    [/^fail configuration: no configuration .*\/a, \/b -> .*--supervisor\.config=FILE$/],
  ],
  [
    'a reader that cannot be run',
    { facts: { reading: { kind: 'no-reader', reason: 'no module named supervisor' } } },
    [/^fail configuration: supervisord's own code could not be run to read it: no module/],
  ],
  [
    'several supervisords',
    { facts: { candidates: ['1 (/a)', '2 (/b)'] } },
    [/^fail supervisord: several supervisords run: 1 \(\/a\), 2 \(\/b\)/],
  ],
  [
    'an environment that is not known',
    { configuration: { usesEnvironment: true }, facts: { isEnvironmentKnown: false } },
    [/^warn environment: /],
  ],
  ['an environment that is not needed', { facts: { isEnvironmentKnown: false } }, []],
  ['a log that repeats secrets', { configuration: { loglevel: 10 } }, [/^fail loglevel: debug: /]],
  ['a log without exits', { configuration: { loglevel: 30 } }, [/^warn loglevel: warn: exits/]],
  ['a full disk', { facts: { freeLogBytes: 0 } }, [/^fail log disk: the disk of \/var\/log/]],
  [
    'a program with the name of the section',
    { configuration: { sections: [...WORKING.sections, 'program:exporter'] } },
    [
      /^fail name: \[program:exporter\] has the same name as .* -> rename .* to \[eventlistener:supervisor-exporter\]$/,
    ],
  ],
  [
    'a group with the name of the section',
    { configuration: { sections: [...WORKING.sections, 'group:exporter'] } },
    [/^fail name: \[group:exporter\] has the same name/],
  ],
  [
    'no HTTP server, no interface',
    { configuration: { servers: [], interfaces: [] } },
    [/^fail http server/, /^fail rpc interface: .*make_main_rpcinterface; then restart/],
  ],
  [
    'no section',
    { configuration: { groups: [] } },
    [
      /^fail section: no \[eventlistener:…\] .* -> supervisor-exporter print-config >>\/s\.conf && supervisorctl update$/,
    ],
  ],
  [
    'an [include] section, and no section of the exporter',
    { configuration: { groups: [], patterns: ['/c.d/*.ini'] } },
    [/print-config >\/c\.d\/exporter\.ini && /],
  ],
  [
    'no section, and a file of its own',
    { configuration: { groups: [] }, facts: { supervisorctl: 'supervisorctl -c /s.conf' } },
    [/&& supervisorctl -c \/s\.conf update$/],
  ],
  [
    'run as a program',
    {
      configuration: {
        groups: [{ ...groupOf(), pool: undefined }],
        sections: ['program:exporter'],
      },
    },
    [/^fail section: \[program:exporter\] runs the exporter as a program/, /^warn groups/],
  ],
  [
    'the exporter under another file name',
    {
      configuration: {
        groups: [
          groupOf({
            settings: { command: 'x', words: ['/own/file.cjs', '--web.listen-address=:9877'] },
          }),
        ],
      },
    },
    [/^fail loaded: supervisord is running with a different command/],
  ],
  [
    'two sections of ours',
    {
      configuration: {
        groups: [groupOf(), groupOf({ name: 'two', settings: { priority: -5 } })],
      },
    },
    [/^warn section: \[eventlistener:exporter\] and \[eventlistener:two\]/, /^fail loaded/],
  ],
  [
    'a shared priority, which is 999 where it is not set',
    { configuration: { groups: [groupOf({ settings: { priority: 999 } }), OTHER] } },
    [
      /^warn priority: 999, the same as \[eventlistener:other\].*: priority=-9876$/,
      /^fail loaded/,
      /^warn groups/,
    ],
  ],
  [
    'another priority than -1 of the group',
    { configuration: { groups: [groupOf(), OTHER] } },
    [/^warn groups: supervisord has not loaded other -> supervisorctl update$/],
  ],
  [
    'no socket',
    { facts: { socket: { kind: 'absent' }, rpc: { ...REFUSED, why: 'ERR_RPC_UNREACHABLE' } } },
    [/^fail socket: \/run\/s\.sock does not exist/],
  ],
  [
    'a socket without a listener',
    { facts: { rpc: { ...REFUSED, why: 'ERR_RPC_UNREACHABLE' } } },
    [/^fail xml-rpc: refuses -> start supervisord/],
  ],
  [
    'a socket that doctor may not use',
    { facts: { rpc: { ...REFUSED, why: 'forbidden' } } },
    [/^fail xml-rpc: refuses -> .*add to \[unix_http_server\] in \/s\.conf: chmod=0770/],
  ],
  [
    'wrong credentials of doctor',
    { facts: { rpc: REFUSED } },
    [
      /^fail xml-rpc: refuses -> compare .* that doctor used, .* with \[unix_http_server\] \(\/s\.conf:2\)/,
    ],
  ],
  [
    'an old supervisord',
    {
      facts: {
        rpc: {
          kind: 'answered',
          snapshot: {
            server: { version: '3.2.4', identifier: '', stateCode: 1 },
            now: 0,
            processes: [],
          },
        },
      },
    },
    [/^warn supervisord: 3\.2\.4 is not tested/],
  ],
  [
    'a user who may not use the socket',
    { exporter: { user: NOBODY } },
    [
      /^fail user: nobody, .*cannot reach the socket because of \/run\/s\.sock, mode 0700 -> .*chown=nobody/,
    ],
  ],
  [
    'a user who may not enter the folder of the socket',
    {
      exporter: { user: NOBODY },
      facts: {
        socket: {
          kind: 'present',
          socket: { ...SOCKET, mode: 0o777 },
          folders: [folder('/'), folder('/run', 0o750)],
        },
      },
    },
    [/^fail user: .* because of \/run, mode 0750 -> chmod o\+x \/run/],
  ],
  [
    'a user in the group of the socket',
    {
      exporter: { user: { ...NOBODY, gids: [65534, 7] } },
      facts: {
        socket: { kind: 'present', socket: { ...SOCKET, mode: 0o770, gid: 7 }, folders: [] },
      },
    },
    [],
  ],
  [
    'wrong credentials of the exporter',
    { exporter: { access: REFUSED, ports: owner('protected') } },
    [
      /^fail access: .* -> add to \[eventlistener:exporter\] in \/s\.conf: environment=SUPERVISOR_USERNAME/,
      /^warn port/,
    ],
  ],
  ['credentials that the exporter has from elsewhere', { exporter: { access: REFUSED } }, []],
  [
    'another URL in the command',
    { exporter: { access: { ...REFUSED, why: 'ERR_RPC_UNREACHABLE', message: 'no' }, ports: [] } },
    [/^fail access: the exporter cannot use XML-RPC: no -> .*without --supervisor\.url/],
  ],
  [
    'a file that is missing',
    { exporter: { missing: ['/x is not there'] } },
    [/^fail command: \/x is not there/],
  ],
  [
    'the port in use by another exporter',
    { exporter: { processes: state('FATAL') } },
    [/^fail port: :9877 is in use by another supervisor-exporter/, /^fail state/],
  ],
  [
    'a port on which the exporter does not listen yet',
    { exporter: { processes: state('STARTING'), ports: owner('free') } },
    [/^warn state/],
  ],
  [
    'nothing on the port',
    { exporter: { ports: owner('free') } },
    [/^fail port: nothing answers on :9877/],
  ],
  ['another program on the port', { exporter: { ports: owner('other') } }, [/^warn port/]],
  [
    'a password on the port',
    { exporter: { ports: owner('protected') } },
    [/^warn port: :9877 requires a password .* was not checked/],
  ],
  [
    'metrics that cannot be read',
    {
      exporter: { ports: [{ address: ADDRESS, owner: { kind: 'exporter', numbers: undefined } }] },
    },
    [/^warn port: the exporter answers on :9877, but/],
  ],
  ['flags that a shell computes', { exporter: { ports: undefined } }, [/^warn port: a shell/]],
  [
    'no right to the port',
    { exporter: { ports: [{ address: ADDRESS, owner: { kind: 'unusable', reason: 'no' } }] } },
    [/^fail port: :9877 cannot be used: no/],
  ],
  [
    'FATAL, with the reason',
    {
      exporter: {
        processes: state('FATAL', { spawnError: 'Exited too quickly', lastLines: ['a', 'b'] }),
        ports: owner('free'),
      },
    },
    [
      /^fail state: exporter is FATAL; Exited too quickly \| a \| b -> .*supervisorctl restart exporter$/,
    ],
  ],
  [
    'stopped',
    { exporter: { processes: state('STOPPED'), ports: [] } },
    [/-> supervisorctl start exporter$/],
  ],
  [
    'not loaded',
    { exporter: { processes: [], ports: [] } },
    [/^fail state: .* -> supervisorctl update$/],
  ],
  [
    'a file that changed since the exporter started',
    { exporter: { changedAt: 1_100 } },
    [/^warn loaded: \/s\.conf:5 changed after .* -> supervisorctl update; /],
  ],
  [
    'a process with other flags than those that supervisord has read',
    { exporter: { processes: [{ ...RUNNING, differences: ['command'] }] } },
    [
      /^fail loaded: .* different command -> supervisorctl update; .*supervisorctl restart exporter$/,
    ],
  ],
  [
    'neither supervisord nor the process shows its configuration',
    { exporter: { processes: [{ ...RUNNING, loaded: undefined, differences: undefined }] } },
    [/^warn loaded: doctor cannot find out/],
  ],
  [
    'only the process shows its configuration',
    { exporter: { processes: [{ ...RUNNING, loaded: undefined }] } },
    [],
  ],
  [
    'groups that the file no longer has',
    { facts: { rpc: withProcess('gone') } },
    [
      /^warn groups: supervisord still runs gone, which the configuration lacks -> supervisorctl update$/,
    ],
  ],
  [
    'a snapshot that never came',
    { exporter: { ports: numbers({ isSynced: false }) } },
    [/^fail synced: the exporter does not know every process/],
  ],
  [
    'an exporter without that metric',
    { exporter: { ports: numbers({ isSynced: undefined }) } },
    [],
  ],
  [
    'a collector that fails',
    { exporter: { ports: numbers({ failedCollectors: ['resources'] }) } },
    [/^fail collector: resources fails/],
  ],
  [
    'alerts that were not accepted',
    {
      exporter: { ports: numbers({ failedAlerts: [{ alertmanager: 'http://a:9093', count: 3 }] }) },
    },
    [/^warn alerts: http:\/\/a:9093 did not accept 3 alerts/],
  ],
  [
    'an Alertmanager that does not answer',
    holding(undefined),
    [/^fail alertmanager: http:\/\/a:9093 cannot be used: connection refused/],
  ],
  ['an Alertmanager without alerts', holding([]), []],
  ['alerts of the rules with the same labels', holding([OWN_RULE, { ...OWN_RULE, name: 'b' }]), []],
  [
    'alerts of the rules of another instance establish nothing',
    holding([{ ...OWN_RULE, instance: 'other:9876', job: 'jobs' }]),
    [],
  ],
  [
    'a rule with another job and an additional label',
    holding([{ ...OWN_RULE, job: 'jobs', env: 'prod' }]),
    [
      /^warn alert labels: pushed alerts have job="supervisor", and alerts of the rules have job="jobs": each alert is notified twice -> .*--alertmanager\.label/,
      /^warn alert labels: pushed alerts have no env, and alerts of the rules have env="prod"/,
    ],
  ],
  [
    'a rule of the same exit with another instance',
    holding([{ ...OWN_RULE, instance: 'h.example:9876' }], [OWN_RULE]),
    [/^warn alert labels: pushed alerts have instance="h:9876", and .* have instance="h.example/],
  ],
  [
    'a stale tick',
    { exporter: { ports: numbers({ lastTick: 1_000 }) } },
    [/^fail delivery: the last tick arrived 200 s ago/],
  ],
  [
    'no tick at all',
    { exporter: { ports: numbers({ lastTick: undefined }) } },
    [/^fail delivery: no tick has arrived in 200 s/],
  ],
  [
    'no tick yet',
    {
      exporter: {
        processes: [{ ...RUNNING, start: 1_150 }],
        ports: numbers({ lastTick: undefined }),
      },
    },
    [],
  ],
  [
    'lost events',
    { exporter: { ports: numbers({ eventsLost: 4 }) } },
    [/^warn lost events: supervisord has discarded 4/],
  ],
  [
    'malformed events',
    { exporter: { ports: numbers({ eventsMalformed: 2 }) } },
    [/^fail malformed: the exporter skipped 2 events .* -> .*supervisorctl tail exporter stderr$/],
  ],
  ['a blank after the colon of the section', { configuration: { groups: [BLANK] } }, []],
  [
    'such a section that is stopped: supervisorctl cannot address its group',
    {
      configuration: { groups: [BLANK] },
      exporter: { processes: state('STOPPED'), ports: [] },
    },
    [/^fail state: {2}exporter:exporter is STOPPED -> remove the blanks .* supervisorctl update$/],
  ],
  [
    'a configuration of another supervisord',
    { facts: { others: [tcp()] } },
    [
      /^warn configuration: it has http:\/\/localhost:9001, but doctor queried unix:\/\/\/run\/s\.sock/,
    ],
  ],
];

for (const [title, situation, wanted] of SITUATIONS) {
  doctor(title, () => assertProblems(situation, wanted));
}

function refusal(reason: string, path: string | undefined): Facts['reading'] {
  return { kind: 'refused', reason, path, included: [], searched: ['/a', '/b'] };
}

function withProcess(group: string): Facts['rpc'] {
  const server = { version: '4.2.5', identifier: 'supervisor', stateCode: 1 };
  const process = { ...info(`${group}:x`, 'RUNNING') };
  return { kind: 'answered', snapshot: { server, now: 1_200, processes: [process] } };
}

function tcp() {
  const endpoint = parseEndpoint('http://localhost:9001', {});
  if (endpoint.kind !== 'tcp') throw new Error('not tcp');
  return endpoint;
}

function assertProblems(situation: Situation, wanted: readonly RegExp[]): void {
  const found = problems(situation);
  assert.is(found.length, wanted.length, found.join('\n'));
  for (const [index, pattern] of wanted.entries()) assert.match(found[index] ?? '', pattern);
  assert.is(exitStatusOf(find(situation)), wanted.length === 0 ? 0 : 1);
}

doctor("an exporter's numbers are read from its metrics", () => {
  const text = [
    '# TYPE supervisord_exporter_events_total counter',
    'supervisord_exporter_events_total{event="TICK_60"} 2',
    'supervisord_exporter_events_total{event="PROCESS_STATE_EXITED"} 3',
    'supervisord_exporter_events_lost_total 4',
    'supervisord_exporter_events_malformed_total{reason="header"} 1',
    'supervisord_exporter_events_malformed_total{reason="payload"} 2',
    'supervisord_exporter_rpc_up 1',
    'supervisord_exporter_synced 0',
    'supervisord_exporter_collector_success{collector="exit_reason"} 1',
    'supervisord_exporter_collector_success{collector="resources"} 0',
    'supervisord_exporter_alerts_failed_total{alertmanager="http://a:9093"} 2',
    'supervisord_exporter_alerts_failed_total{alertmanager="http://b:9093"} 0',
    'supervisord_exporter_last_tick_timestamp_seconds 5.5',
  ].join('\n');
  const read = {
    now: 9,
    events: 5,
    eventsLost: 4,
    eventsMalformed: 3,
    lastTick: 5.5,
    isRpcUp: true,
    isSynced: false,
    failedCollectors: ['resources'],
    failedAlerts: [{ alertmanager: 'http://a:9093', count: 2 }],
  };
  assert.equal(readNumbers(text, 9), read);
  assert.is(readNumbers('', 9).isSynced, undefined);
  assert.is(readNumbers('', 9).lastTick, undefined);
});

doctor(
  'a report has one line for each finding, without control characters, passwords or unwanted colour',
  () => {
    const findings: Finding[] = [
      { level: 'ok', check: 'command', message: 'x --supervisor.url=http://me:secret@h' },
      { level: 'fail', check: 'state', message: 'a\n\u001b[2Jb', fix: 'do' },
    ];
    const plain = formatReport(findings, PLAIN);
    assert.is(
      plain,
      [
        'ok    command          x --supervisor.url=http://***@h',
        'FAIL  state            a [2Jb',
        '      -> do',
        '',
        '1 problem found. After a change in a file, run: supervisorctl update',
        '',
      ].join('\n'),
    );
    assert.match(formatReport(findings, { ...PLAIN, coloured: true }), '\u001b[31mFAIL\u001b[0m');
  },
);

const SECRET = 'hUnter-2x7';

const SECRETS = [
  `http://u:${SECRET}`,
  `http://u:${SECRET}@h`,
  `http://u:se'${SECRET}@h`,
  `http://u:12${SECRET}`,
  `HTTP://u:${SECRET}@h:x`,
  `unix://u:${SECRET}@/run/s.sock`,
];

/** Ways in which a command of the exporter can hold a password. */
const COMMANDS = SECRETS.flatMap((url) => [
  [...WORDS, `--supervisor.url=${url}`],
  [...WORDS, '--supervisor.url', url, '--log.level=debug'],
  [...WORDS, `--alertmanager.url=${url}`],
  [...WORDS, `--supervisor.ulr=${url}`],
  [...WORDS, url],
  [...WORDS, SECRET],
  [...WORDS, '--log.level', SECRET],
  ['env', `SUPERVISOR_PASSWORD=${SECRET}`, ...WORDS],
  ['sh', '-c', `echo ${SECRET}`, ...WORDS],
]);

for (const words of COMMANDS) {
  doctor(`no password is printed of ${words.join(' ')}`, () => {
    const command = words.join(' ');
    const loaded = { command: `${command} --nonsense`, priority: 0, startsecs: 1 };
    for (const processes of [[RUNNING], [{ ...RUNNING, loaded }]]) {
      const configuration = { groups: [groupOf({ settings: { command, words } })] };
      const found = find({ configuration, exporter: { processes } });
      assert.not.match(formatReport(found, PLAIN), SECRET);
      assert.ok(found.some(({ check }) => check === 'command'));
    }
  });
}

doctor('a report masks the credentials of any URL in a log line, and keeps host and port', () => {
  for (const url of SECRETS) {
    const finding: Finding = { level: 'fail', check: 'state', message: `is FATAL; at "${url}"` };
    assert.not.match(formatReport([finding], PLAIN), SECRET, url);
  }
  for (const url of [
    'http://h:9001/x',
    'http://[::1]:9001',
    'unix:///run/a:b.sock',
    'http://h:1',
  ]) {
    const finding: Finding = { level: 'ok', check: 'x', message: `it has ${url}, and "${url}"` };
    assert.match(formatReport([finding], PLAIN), `it has ${url}, and "${url}"`);
  }
});

/** Messages of supervisord, with a secret where it repeats a value. */
const REFUSALS: ReadonlyArray<readonly [reason: string, fix: string]> = [
  [
    `Unexpected end of key/value pairs in value 'A="${SECRET}",B' in section 'eventlistener:exporter' (file: '/s.conf')`,
    'correct /s.conf:5',
  ],
  [
    `Format string '${SECRET}%' for 'eventlistener:exporter.command' is badly formatted: incomplete format`,
    'correct /s.conf:6',
  ],
  [
    `Format string '%(nope)s${SECRET}' for 'eventlistener:exporter.command' contains names ('nope') which cannot be expanded. Available names: ENV_X, here`,
    'correct /s.conf:6',
  ],
  [
    `Source contains parsing errors: '/s.conf'\n\t[line  3]: 'password ${SECRET}\\n'`,
    'correct /s.conf:3',
  ],
  [
    `File contains no section headers.\nfile: '/s.conf', line: 1\n'${SECRET}\\n'`,
    'correct /s.conf:1',
  ],
  ['section [unix_http_server] has no file value', 'correct /s.conf:2'],
  ["bad logging level name 'x'", 'correct /s.conf'],
];

for (const [reason, fix] of REFUSALS) {
  doctor(`a refusal names its place and no value: ${reason.replaceAll('\n', ' ')}`, () => {
    const found = find({ facts: { reading: refusal(reason, '/s.conf'), exporters: [] } });
    const finding = found.find(({ check }) => check === 'configuration');
    assert.is(finding?.level, 'fail');
    assert.is(finding?.fix, fix);
    assert.not.match(formatReport(found, PLAIN), SECRET);
  });
}

doctor('an option is found where supervisord takes it from', () => {
  const places = new Places([
    { file: '/a', text: '[x]\n A : 1\n;b=1\n[y]\na=2\n' },
    { file: '/b', text: '\n[x]\na=3\n[z]\n' },
  ]);
  assert.equal(places.option('x', 'a'), { file: '/b', line: 3 });
  assert.equal(places.option('y', 'a'), { file: '/a', line: 5 });
  assert.is(places.option('x', 'b'), undefined);
  assert.equal(places.section('x'), { file: '/a', line: 1 });
  assert.is(places.section('none'), undefined);
});

doctor.run();
