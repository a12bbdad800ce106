import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseSnapshot } from '../../src/rpc/snapshot.ts';
import { RpcError } from '../../src/util/errors.ts';

const snapshots = suite('snapshot');

/** An answer of supervisord 4.2.5. */
const CAT = {
  name: 'cat',
  group: 'pets',
  start: 1795477420,
  stop: 0,
  now: 1795477432,
  state: 20,
  statename: 'RUNNING',
  spawnerr: '',
  exitstatus: 0,
  logfile: '/tmp/cat.log',
  stdout_logfile: '/tmp/cat.log',
  stderr_logfile: '',
  pid: 3986,
  description: 'pid 3986, uptime 0:00:12',
};
const REST = [{ statecode: 1, statename: 'RUNNING' }, '4.2.5', 'supervisor'];

snapshots('an answer of supervisord is parsed', () => {
  assert.equal(parseSnapshot([[CAT], ...REST]), {
    server: { version: '4.2.5', identifier: 'supervisor', stateCode: 1 },
    now: 1795477432,
    processes: [
      {
        group: 'pets',
        name: 'cat',
        state: 'RUNNING',
        start: 1795477420,
        stop: 0,
        exitStatus: 0,
        pid: 3986,
        spawnError: undefined,
        stdoutLog: '/tmp/cat.log',
      },
    ],
  });
});

for (const [state, spawnerr, error] of [
  [200, "can't find command 'cat'", "can't find command 'cat'"],
  [
    30,
    'Exited too quickly (process log may have details)',
    'Exited too quickly (process log may have details)',
  ],
  [30, '', undefined],
  [100, 'Bad exit code 3', undefined],
  [30, 'x'.repeat(500), 'x'.repeat(200)],
] as const) {
  snapshots(`spawnerr ${JSON.stringify(spawnerr.slice(0, 20))} in state ${state} is parsed`, () => {
    const [cat] = parseSnapshot([[{ ...CAT, state, spawnerr }], ...REST]).processes;
    assert.is(cat?.spawnError, error);
  });
}

for (const [state, spawnerr, expected] of [
  [0, 'Exited too quickly (process log may have details)', true],
  [0, "can't find command 'cat'", true],
  [0, '', undefined],
  [30, "can't find command 'cat'", undefined],
  [100, 'Bad exit code 3', undefined],
] as const) {
  snapshots(`a stop in BACKOFF: state ${state}, ${JSON.stringify(spawnerr)}`, () => {
    const [cat] = parseSnapshot([[{ ...CAT, state, spawnerr }], ...REST]).processes;
    assert.is(cat?.wasStoppedInBackoff, expected);
  });
}

snapshots('an answer without processes is valid', () => {
  assert.equal(parseSnapshot([[], ...REST]).processes, []);
});

const WRONG: ReadonlyArray<readonly [title: string, results: readonly unknown[], message: RegExp]> =
  [
    ['nothing', [], /getAllProcessInfo should be a list and is nothing/],
    ['a list of strings', [['cat'], ...REST], /an entry should be a struct and is "cat"/],
    ['no name', [[{ ...CAT, name: undefined }], ...REST], /name should be a string/],
    [
      'a name that is a number',
      [[{ ...CAT, name: 7 }], ...REST],
      /name should be a string and is 7/,
    ],
    [
      'a state of text',
      [[{ ...CAT, state: 'RUNNING' }], ...REST],
      /state of pets:cat should be a number/,
    ],
    [
      'a state that Supervisor does not have',
      [[{ ...CAT, state: 21 }], ...REST],
      /state of pets:cat should be a state of Supervisor and is 21/,
    ],
    ['no clock', [[{ ...CAT, now: undefined }], ...REST], /now of an entry should be a number/],
    [
      'a bad second entry',
      [[CAT, { ...CAT, pid: null }], ...REST],
      /pid of pets:cat should be a number and is null/,
    ],
    [
      'a missing state of supervisord',
      [[CAT], null, '4.2.5', 'supervisor'],
      /getState should be a struct/,
    ],
    [
      'a stop out of the range of dates',
      [[{ ...CAT, stop: 8640000000001 }], ...REST],
      /stop of pets:cat should be a whole number from 0 to 253402300799 and is 8640000000001/,
    ],
    ['a time before the epoch', [[{ ...CAT, start: -1 }], ...REST], /start of pets:cat/],
    ['a time with a fraction', [[{ ...CAT, start: 1.5 }], ...REST], /start of pets:cat/],
    ['a clock that is no number', [[{ ...CAT, now: Number.NaN }], ...REST], /now of an entry/],
    ['an infinite pid', [[{ ...CAT, pid: Number.POSITIVE_INFINITY }], ...REST], /pid of pets:cat/],
    ['an exit status below -1', [[{ ...CAT, exitstatus: -2 }], ...REST], /exitstatus of pets:cat/],
    [
      'a state of supervisord with a fraction',
      [[CAT], { statecode: 0.5 }, '4.2.5', 'supervisor'],
      /statecode of getState/,
    ],
    ['a list in place of a name', [[{ ...CAT, name: ['cat'] }], ...REST], /and is a list of 1$/],
    [
      'a long text',
      [[{ ...CAT, pid: 'x'.repeat(1_000) }], ...REST],
      /^pid of pets:cat should be a number and is "x{80}"$/,
    ],
    ['a long name', [[{ ...CAT, name: 'x'.repeat(1_000), pid: '' }], ...REST], /^.{100,250}$/],
    ['no version', [[CAT], REST[0], 4, 'supervisor'], /getSupervisorVersion should be a string/],
  ];

for (const [title, results, message] of WRONG) {
  snapshots(`${title} is an error that names the place and the problem`, () => {
    assert.throws(
      () => parseSnapshot(results),
      (error: unknown) =>
        error instanceof RpcError &&
        error.code === 'ERR_RPC_UNEXPECTED_VALUE' &&
        message.test(error.message),
    );
  });
}

snapshots.run();
