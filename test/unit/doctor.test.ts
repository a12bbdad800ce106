import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/doctor/check.ts';
import { type Files, readConfiguration } from '../../src/doctor/configuration.ts';
import type { ExporterFacts, Facts, Node, ProcessFacts } from '../../src/doctor/facts.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { findListeners, findRunAsProgram } from '../../src/doctor/listener.ts';
import { readNumbers } from '../../src/doctor/probe.ts';
import { exitStatusOf, formatReport } from '../../src/doctor/report.ts';
import { parseEndpoint } from '../../src/rpc/endpoint.ts';

const doctor = suite('doctor');

const SERVER = `[supervisord]
[unix_http_server]
file=/run/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
`;

const COMMAND = 'node /opt/supervisor-exporter.cjs --web.listen-address=:9877';

const SECTION: Readonly<Record<string, string>> = {
  command: COMMAND,
  events: 'PROCESS_STATE,PROCESS_GROUP,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TICK_60',
  buffer_size: '8192',
  priority: '-9876',
  autorestart: 'true',
  stdout_logfile: 'NONE',
};

type Changes = Readonly<Record<string, string | undefined>>;

function sectionOf(changes: Changes): string {
  const lines = Object.entries({ ...SECTION, ...changes }).flatMap(([option, value]) =>
    value === undefined ? [] : [`${option}=${value}`],
  );
  return `[eventlistener:exporter]\n${lines.join('\n')}\n`;
}

const RUNNING: ProcessFacts = {
  name: 'exporter',
  state: 'RUNNING',
  spawnError: '',
  start: 1_000,
  now: 1_200,
  lastLines: [],
  loaded: { command: COMMAND, priority: -9876, startsecs: 1 },
};

const NUMBERS = {
  now: 1_200,
  events: 9,
  eventsLost: 0,
  eventsMalformed: 0,
  lastTick: 1_180,
  isRpcUp: true,
};
const ADDRESS = { host: '', port: 9877 };

const folder = (path: string, mode = 0o755): Node => ({ path, mode, uid: 0, gid: 0 });
const SOCKET: Node = { path: '/run/s.sock', mode: 0o700, uid: 0, gid: 0 };

interface Situation {
  readonly text?: string;
  readonly facts?: Partial<Facts>;
  readonly exporter?: Partial<ExporterFacts>;
}

/** The findings in a working installation that differs only by the situation. */
function find({ text = SERVER + sectionOf({}), facts, exporter }: Situation): Finding[] {
  const files: Files = { read: () => ({ kind: 'text', text }), list: () => [] };
  const configuration = readConfiguration('/s.conf', files, { hostname: 'h', environment: {} });
  const endpoint = parseEndpoint('unix:///run/s.sock', {});
  const server = { version: '4.2.5', identifier: 'supervisor', stateCode: 1 };
  const listeners = findListeners(configuration, '/own/file.cjs', 'unix:///run/s.sock');
  return check({
    nodeVersion: 'v20.1.0',
    configuration: { kind: 'read', configuration },
    endpoint,
    others: [],
    socket: { kind: 'present', socket: SOCKET, folders: [folder('/'), folder('/run')] },
    rpc: { kind: 'answered', snapshot: { server, now: 1_200, processes: [] } },
    exporters: listeners.map((listener) => ({
      listener,
      user: { kind: 'default' } as const,
      missing: [],
      access: 'granted',
      processes: [RUNNING],
      ports: [{ address: ADDRESS, owner: { kind: 'exporter', numbers: NUMBERS } }],
      writtenAt: 900,
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

const SECTIONS: ReadonlyArray<readonly [changes: Changes, wanted: readonly RegExp[]]> = [
  [{ events: 'EVENT' }, []],
  [{ events: `${SECTION['events']},TICK_5` }, []],
  [{ events: SECTION['events']?.toLowerCase() }, []],
  [{ events: SECTION['events']?.replace('TICK_60', 'TICK') }, []],
  [
    {
      events: SECTION['events']?.replace(
        'PROCESS_GROUP',
        'PROCESS_GROUP_ADDED,PROCESS_GROUP_REMOVED',
      ),
    },
    [],
  ],
  [
    { events: SECTION['events']?.replace('PROCESS_GROUP', 'PROCESS_GROUP_ADDED') },
    [
      /^fail events: PROCESS_GROUP is missing: groups .*: events=PROCESS_STATE,REMOTE.*,PROCESS_GROUP$/,
    ],
  ],
  [
    { events: `${SECTION['events']},PROCES` },
    [/^fail events: supervisord has no event PROCES and rejects .*events=PROCESS_STATE.*TICK_60$/],
  ],
  [
    { buffer_size: undefined },
    [/^fail buffer_size: 10, the default.* -> add to .*: buffer_size=8192$/],
  ],
  [{ buffer_size: '1024' }, []],
  [{ buffer_size: 'many' }, [/^fail buffer_size: many/]],
  [
    { numprocs: '2' },
    [/^fail numprocs: 2: .*\/s\.conf:\d+, in \[eventlistener:exporter\]: numprocs=1/],
  ],
  [{ numprocs: '1' }, []],
  [{ redirect_stderr: 'True' }, [/^fail redirect_stderr: True/]],
  [{ redirect_stderr: 'off' }, []],
  [{ autorestart: undefined }, []],
  [
    { autorestart: 'unexpected', exitcodes: '0, 1' },
    [/^fail autorestart: unexpected with exitcodes=0,1/],
  ],
  [{ autorestart: 'false' }, [/^fail autorestart: false/]],
  [{ autostart: 'no' }, [/^warn autostart: false/]],
  [{ stdout_logfile: undefined }, [/^warn stdout_logfile: AUTO: .*stdout_logfile=NONE$/]],
  [{ stdout_logfile: 'off' }, []],
  [{ stderr_logfile: 'NONE' }, [/^warn stderr_logfile/]],
  [{ command: `${COMMAND} --nonsense` }, [/^fail flags: .*--nonsense/, /^fail loaded/]],
  [{ command: '/opt/%(ENV_V)s/supervisor-exporter' }, [/^warn expansion: .* command needs V/]],
];

for (const [changes, wanted] of SECTIONS) {
  doctor(`a section with ${JSON.stringify(changes)}`, () => {
    assertProblems({ text: SERVER + sectionOf(changes) }, wanted);
  });
}

const BLANK = sectionOf({}).replace(':exporter]', ': exporter]');
const OTHER = '[eventlistener:other]\ncommand=x\nevents=EVENT\n';
const NOBODY = { name: 'nobody', uid: 65534, gids: [65534] };
const REFUSED = { kind: 'failed', why: 'ERR_RPC_UNAUTHORIZED', message: 'refuses' } as const;
const owner = (kind: 'other' | 'free' | 'protected') => [{ address: ADDRESS, owner: { kind } }];
const state = (name: string, more: Partial<ProcessFacts> = {}) => [
  { ...RUNNING, state: name, ...more },
];
const numbers = (more: Partial<typeof NUMBERS> | { lastTick: undefined }) => [
  { address: ADDRESS, owner: { kind: 'exporter' as const, numbers: { ...NUMBERS, ...more } } },
];

const SITUATIONS: ReadonlyArray<
  readonly [title: string, situation: Situation, wanted: readonly RegExp[]]
> = [
  ['an old Node', { facts: { nodeVersion: 'v16.20.0' } }, [/^fail node: v16\.20\.0 is too old/]],
  ['Node 18', { facts: { nodeVersion: 'v18.20.0' } }, []],
  [
    'no configuration',
    { facts: { configuration: { kind: 'none', looked: ['/a', '/b'] }, exporters: [] } },
    [/^fail configuration: no configuration .*\/a, \/b -> .*--supervisor\.config=FILE$/],
  ],
  [
    'a malformed line',
    { text: `${SERVER}nonsense\n${sectionOf({})}` },
    [/^fail configuration: \/s\.conf:6 /],
  ],
  [
    'a file that is not a configuration',
    { text: 'nonsense' },
    [/^fail configuration: \/s\.conf:1 /],
  ],
  [
    'no HTTP server, no interface',
    { text: `[supervisord]\n${sectionOf({})}` },
    [/^fail http server/, /^fail rpc interface: .*make_main_rpcinterface; then restart/],
  ],
  [
    'no section',
    { text: SERVER },
    [
      /^fail section: no \[eventlistener:…\] .* -> supervisor-exporter print-config >>\/s\.conf && supervisorctl update$/,
    ],
  ],
  [
    'an [include] section, and no section of the exporter',
    { text: `${SERVER}[include]\nfiles=/c.d/*.ini\n` },
    [/print-config >\/c\.d\/exporter\.ini && /],
  ],
  [
    'run as a program',
    { text: SERVER + sectionOf({}).replace('eventlistener', 'program') },
    [/^fail section: \[program:exporter\] runs the exporter as a program/],
  ],
  [
    'the exporter under another file name',
    { text: SERVER + sectionOf({ command: '/own/file.cjs --web.listen-address=:9877' }) },
    [/^fail loaded: supervisord is running with a different command/],
  ],
  [
    'two sections of ours',
    { text: SERVER + sectionOf({}) + sectionOf({ priority: '-5' }).replace('exporter]', 'two]') },
    [/^warn section: \[eventlistener:exporter\] and \[eventlistener:two\]/, /^fail loaded/],
  ],
  [
    'a shared priority, which is 999 where it is not set',
    { text: SERVER + sectionOf({ priority: undefined }) + OTHER },
    [
      /^warn priority: not set \(999\), the same as \[eventlistener:other\].*: priority=-9876$/,
      /^fail loaded/,
    ],
  ],
  ['another priority than -1 of the group', { text: SERVER + sectionOf({}) + OTHER }, []],
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
    [/^fail xml-rpc: refuses -> pass doctor those of \[unix_http_server\]/],
  ],
  [
    'an old supervisord',
    {
      facts: {
        rpc: {
          kind: 'answered',
          snapshot: {
            server: { version: '3.4.0', identifier: '', stateCode: 1 },
            now: 0,
            processes: [],
          },
        },
      },
    },
    [/^warn supervisord: 3\.4\.0 is not tested/],
  ],
  [
    'a user who may not use the socket',
    { exporter: { user: { kind: 'known', user: NOBODY } } },
    [
      /^fail user: nobody, .*cannot reach the socket because of \/run\/s\.sock, mode 0700 -> .*chown=nobody/,
    ],
  ],
  [
    'a user who may not enter the folder of the socket',
    {
      exporter: { user: { kind: 'known', user: NOBODY } },
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
      exporter: { user: { kind: 'known', user: { ...NOBODY, gids: [65534, 7] } } },
      facts: {
        socket: { kind: 'present', socket: { ...SOCKET, mode: 0o770, gid: 7 }, folders: [] },
      },
    },
    [],
  ],
  [
    'no such user',
    { exporter: { user: { kind: 'unknown', name: 'x' } } },
    [/^fail user: there is no user x/],
  ],
  [
    'wrong credentials of the exporter',
    { exporter: { access: REFUSED, ports: owner('protected') } },
    [
      /^fail access: .* -> add to \[eventlistener:exporter\] in \/s\.conf: environment=SUPERVISOR_USERNAME/,
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
  ['TLS on the port', { exporter: { ports: owner('protected') } }, []],
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
    'a file modified since the exporter started',
    { exporter: { writtenAt: 1_100 } },
    [/^warn loaded: \/s\.conf was modified after .* -> supervisorctl update; /],
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
    [
      /^fail malformed: the exporter could not parse 2 events .* -> .*supervisorctl tail exporter stderr$/,
    ],
  ],
  ['a blank after the colon of the section', { text: SERVER + BLANK }, []],
  [
    'such a section that is stopped: supervisorctl cannot address its group',
    { text: SERVER + BLANK, exporter: { processes: state('STOPPED'), ports: [] } },
    [/^fail state: {2}exporter:exporter is STOPPED -> remove the blanks .* supervisorctl update$/],
  ],
  [
    'a configuration of another supervisord',
    { text: SERVER + sectionOf({}), facts: { others: [tcp()] } },
    [
      /^warn configuration: it has http:\/\/localhost:9001, but doctor queries unix:\/\/\/run\/s\.sock/,
    ],
  ],
];

for (const [title, situation, wanted] of SITUATIONS) {
  doctor(title, () => assertProblems(situation, wanted));
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
    'supervisord_exporter_last_tick_timestamp_seconds 5.5',
  ].join('\n');
  const read = {
    now: 9,
    events: 5,
    eventsLost: 4,
    eventsMalformed: 3,
    lastTick: 5.5,
    isRpcUp: true,
  };
  assert.equal(readNumbers(text, 9), read);
  assert.is(readNumbers('', 9).lastTick, undefined);
});

doctor(
  'a report has one line for each finding, without control characters, passwords or unwanted colour',
  () => {
    const findings: Finding[] = [
      { level: 'ok', check: 'command', message: 'x --supervisor.url=http://me:secret@h' },
      { level: 'fail', check: 'state', message: 'a\n\u001b[2Jb', fix: 'do' },
    ];
    const plain = formatReport(findings, false);
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
    assert.match(formatReport(findings, true), '\u001b[31mFAIL\u001b[0m');
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
  `${COMMAND} --supervisor.url="${url}"`,
  `${COMMAND} --supervisor.url "${url}" --log.level=debug`,
  `${COMMAND} --alertmanager.url="${url}"`,
  `${COMMAND} --supervisor.ulr="${url}"`,
  `${COMMAND} "${url}"`,
  `${COMMAND} ${SECRET}`,
  `${COMMAND} --log.level ${SECRET}`,
  `env SUPERVISOR_PASSWORD=${SECRET} ${COMMAND}`,
  `sh -c "echo ${SECRET}" ${COMMAND}`,
]);

for (const command of COMMANDS) {
  doctor(`no password is printed of ${command}`, () => {
    const loaded = { command: `${command} --nonsense`, priority: 0, startsecs: 1 };
    for (const processes of [[RUNNING], [{ ...RUNNING, loaded }]]) {
      const text = SERVER + sectionOf({ command });
      const found = find({ text, exporter: { processes } });
      assert.not.match(formatReport(found, false), SECRET);
      assert.ok(found.some(({ check }) => check === 'command'));
    }
  });
}

doctor('a report masks the credentials of any URL in a log line, and keeps host and port', () => {
  for (const url of SECRETS) {
    const finding: Finding = { level: 'fail', check: 'state', message: `is FATAL; at "${url}"` };
    assert.not.match(formatReport([finding], false), SECRET, url);
  }
  for (const url of [
    'http://h:9001/x',
    'http://[::1]:9001',
    'unix:///run/a:b.sock',
    'http://h:1',
  ]) {
    const finding: Finding = { level: 'ok', check: 'x', message: `it has ${url}, and "${url}"` };
    assert.match(formatReport([finding], false), `it has ${url}, and "${url}"`);
  }
});

doctor.run();
