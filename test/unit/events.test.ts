import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseEvent } from '../../src/listener/events.ts';
import { anyText } from '../support/any-text.ts';
import { group, remote, step, tick, wire } from '../support/wire.ts';

const events = suite('events');

const UNDERSTOOD: ReadonlyArray<readonly [wire: string, event: Readonly<Record<string, unknown>>]> =
  [
    [
      step(3, 'web:api-0', 'STOPPED>STARTING', 'tries:0'),
      {
        kind: 'process-state',
        name: 'PROCESS_STATE_STARTING',
        process: { group: 'web', name: 'api-0' },
        from: 'STOPPED',
        to: 'STARTING',
        tries: 0,
        expected: undefined,
        pid: undefined,
      },
    ],
    [
      step(3, 'web:api-0', 'RUNNING>EXITED', 'expected:0 pid:2766'),
      {
        kind: 'process-state',
        from: 'RUNNING',
        to: 'EXITED',
        expected: false,
        pid: 2766,
        tries: undefined,
      },
    ],
    [
      step(3, 'web:api-0', 'RUNNING>EXITED', 'expected:1 pid:2766'),
      { kind: 'process-state', expected: true },
    ],
    [
      step(3, 'web:api-0', 'STARTING>BACKOFF', 'tries:2'),
      { kind: 'process-state', from: 'STARTING', to: 'BACKOFF', tries: 2 },
    ],
    [
      step(3, 'web:api-0', 'BACKOFF>FATAL'),
      { kind: 'process-state', from: 'BACKOFF', to: 'FATAL' },
    ],
    [step(3, 'web:api-0', 'RUNNING>UNKNOWN'), { kind: 'process-state', to: 'UNKNOWN' }],
    [
      step(3, '🚀:wörker-é', 'STARTING>RUNNING', 'pid:1'),
      { kind: 'process-state', process: { group: '🚀', name: 'wörker-é' } },
    ],
    [
      step(3, 'a\u00a0group:a\tname', 'RUNNING>STOPPING', 'pid:7'),
      { kind: 'process-state', process: { group: 'a\u00a0group', name: 'a\tname' }, pid: 7 },
    ],
    [
      step(3, 'web:api-0', 'RUNNING>EXITED', 'expected:0 pid:7 signal:9 host:a b'),
      { kind: 'process-state', to: 'EXITED', expected: false, pid: 7 },
    ],
    // A process name may hold anything that its expansions bring.
    [
      step(3, 'web: 1', 'STARTING>RUNNING', 'pid:7'),
      { kind: 'process-state', process: { group: 'web', name: ' 1' }, pid: 7 },
    ],
    [
      step(3, 'web:a b\tc ', 'RUNNING>EXITED', 'expected:0 pid:7'),
      { kind: 'process-state', process: { group: 'web', name: 'a b\tc ' }, expected: false },
    ],
    [
      step(3, 'web:x groupname:y from_state:RUNNING', 'STOPPED>STARTING', 'tries:0'),
      {
        kind: 'process-state',
        process: { group: 'web', name: 'x groupname:y from_state:RUNNING' },
        from: 'STOPPED',
        tries: 0,
      },
    ],
    [
      step(3, ' web :a', 'RUNNING>STOPPING', 'pid:7'),
      { kind: 'process-state', process: { group: ' web ', name: 'a' } },
    ],
    [
      'ver:3.0 server:supervisor serial:21 pool: exporter poolserial:3 eventname:TICK_60 len:7\nwhen:60',
      { kind: 'tick', period: 60 },
    ],
    [
      'ver:3.0 server:a pool:b poolserial:9 eventname:X serial:21 pool:exporter  poolserial:3 eventname:TICK_60 len:7\nwhen:60',
      { kind: 'tick', period: 60 },
    ],
    [group(3, 'ADDED', ' two words '), { kind: 'process-group', group: ' two words ' }],
    [group(3, 'ADDED', 'web'), { kind: 'process-group', change: 'added', group: 'web' }],
    [group(3, 'REMOVED', 'web'), { kind: 'process-group', change: 'removed', group: 'web' }],
    [tick(3, 5, 1201063880), { kind: 'tick', period: 5, when: 1201063880 }],
    [tick(3, 60, 1201063860), { kind: 'tick', period: 60, when: 1201063860 }],
    [tick(3, 3600, 0), { kind: 'tick', period: 3600, when: 0 }],
    [remote(3, 'type', 'a\nb c'), { kind: 'remote-communication', type: 'type', data: 'a\nb c' }],
    [remote(3, '', ''), { kind: 'remote-communication', type: '', data: '' }],
    [
      wire({ name: 'SUPERVISOR_STATE_CHANGE_RUNNING', serial: 3 }),
      { kind: 'supervisor-state', stateCode: 1 },
    ],
    [
      wire({ name: 'SUPERVISOR_STATE_CHANGE_STOPPING', serial: 3 }),
      { kind: 'supervisor-state', stateCode: -1 },
    ],
    [
      wire({
        name: 'PROCESS_LOG_STDOUT',
        payload: 'processname:a groupname:a pid:1\nhello',
        serial: 3,
      }),
      { kind: 'unused' },
    ],
    [
      wire({
        name: 'TICK_5',
        payload: 'when:5',
        serial: 3,
        server: 'a server: with len:7 and serial:9',
      }),
      { kind: 'tick', serial: 3 },
    ],
  ];

for (const [text, expected] of UNDERSTOOD) {
  events(`${JSON.stringify(text.slice(text.indexOf('eventname:')))} is parsed`, () => {
    const event: Readonly<Record<string, unknown>> = { ...parse(text) };
    for (const [field, value] of Object.entries({ serial: 3, ...expected })) {
      assert.equal(event[field], value, field);
    }
  });
}

const MALFORMED: ReadonlyArray<
  readonly [wire: string, reason: string, serial: number | undefined]
> = [
  ['ver:3.0 len:0\n', 'header', undefined],
  ['ver:3.0 server:s serial:1 pool:p poolserial:x eventname:TICK_5 len:0\n', 'header', undefined],
  [
    'ver:3.0 server:s serial:1 pool:p poolserial:99999999999999999999 eventname:TICK_5 len:0\n',
    'header',
    undefined,
  ],
  [wire({ name: 'NOT_AN_EVENT', serial: 4 }), 'unknown_event', 4],
  [wire({ name: 'PROCESS_STATE_SLEEPING', serial: 4 }), 'unknown_event', 4],
  [wire({ name: 'PROCESS_STATE_toString', serial: 4 }), 'unknown_event', 4],
  [wire({ name: 'PROCESS_STATE_RUNNING', serial: 4 }), 'payload', 4],
  [wire({ name: 'PROCESS_STATE_RUNNING', payload: '\u0000\u0001', serial: 4 }), 'payload', 4],
  [
    wire({
      name: 'PROCESS_STATE_RUNNING',
      payload: 'processname: groupname:g from_state:STARTING',
      serial: 4,
    }),
    'payload',
    4,
  ],
  [
    wire({
      name: 'PROCESS_STATE_RUNNING',
      payload: 'processname:p from_state:STARTING',
      serial: 4,
    }),
    'payload',
    4,
  ],
  [step(4, 'g:p', 'NOWHERE>RUNNING'), 'payload', 4],
  [step(4, 'g:p', 'RUNNING>EXITED', 'pid:1'), 'payload', 4],
  [step(4, 'g:p', 'STARTING>RUNNING', 'pid:-1'), 'payload', 4],
  [step(4, 'g:p', 'RUNNING>EXITED', 'pid:1 expected:1'), 'payload', 4],
  [step(4, 'g:p', 'RUNNING>EXITED', 'expected:maybe pid:1'), 'payload', 4],
  [wire({ name: 'PROCESS_GROUP_ADDED', payload: 'group', serial: 4 }), 'payload', 4],
  [wire({ name: 'TICK_60', payload: 'when:', serial: 4 }), 'payload', 4],
  [wire({ name: 'TICK_60', payload: 'when:1e9', serial: 4 }), 'payload', 4],
  [wire({ name: 'REMOTE_COMMUNICATION', payload: 'type:no newline', serial: 4 }), 'payload', 4],
];

for (const [text, reason, serial] of MALFORMED) {
  events(`${JSON.stringify(text)} is malformed: ${reason}`, () => {
    const event = parse(text);
    assert.is(event.kind, 'malformed');
    if (event.kind !== 'malformed') return;
    assert.is(event.reason, reason);
    assert.is(event.serial, serial);
    assert.ok(event.detail.length <= 200);
  });
}

events('parsing any text returns a value', () => {
  const text = fc.oneof(
    anyText(),
    fc
      .constantFrom(...UNDERSTOOD.map(([event]) => event))
      .chain((event) =>
        fc
          .tuple(fc.nat(event.length), anyText(), fc.nat(5))
          .map(
            ([at, inserted, removed]) => event.slice(0, at) + inserted + event.slice(at + removed),
          ),
      ),
  );
  fc.assert(
    fc.property(text, (input) => {
      assert.type(parse(input).kind, 'string');
    }),
    { numRuns: 1_000 },
  );
});

function parse(text: string) {
  const newline = text.indexOf('\n');
  return parseEvent(text.slice(0, newline), text.slice(newline + 1));
}

events.run();
