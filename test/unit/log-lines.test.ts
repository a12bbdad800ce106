import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseLogLine } from '../../src/exits/log-lines.ts';
import { signalName, signalNumber } from '../../src/supervisor/signals.ts';

const log = suite("lines of supervisord's log");

const AT = new Date(2026, 10, 25, 13, 20, 5, 456).getTime() / 1000;
const STAMP = '2026-11-25 13:20:05,456';

const exited = (exitCode: number) => ({ kind: 'exited', source: 'log', exitCode });
const by = (signal: number | undefined, coreDumped = false) => ({
  kind: 'signalled',
  source: 'log',
  signal,
  coreDumped,
});

const ENDS: ReadonlyArray<
  readonly [line: string, name: string, expected: boolean | undefined, reason: object]
> = [
  ['WARN exited: web (exit status 3; not expected)', 'web', false, exited(3)],
  ['INFO exited: web (exit status 0; expected)', 'web', true, exited(0)],
  ['WARN exited: web (terminated by SIGKILL; not expected)', 'web', false, by(9)],
  ['WARN exited: w (terminated by SIGSEGV (core dumped); not expected)', 'w', false, by(11, true)],
  ['INFO exited: web (terminated by signal 44; not expected)', 'web', false, by(44)],
  ['WARN exited: web (terminated by SIGRTMIN; not expected)', 'web', false, by(34)],
  ['WARN exited: web (terminated by SIGNOVEL; not expected)', 'web', false, by(undefined)],
  ['WARN exited: w (unknown termination cause 0x137f; not expected)', 'w', false, by(undefined)],
  ['INFO stopped: web (exit status 0)', 'web', undefined, exited(0)],
  ['WARN stopped: 🚀rocket-é (terminated by SIGTERM)', '🚀rocket-é', undefined, by(15)],
];

for (const [line, name, expected, reason] of ENDS) {
  log(line, () =>
    assert.equal(parseLogLine(`${STAMP} ${line}`), {
      at: AT,
      message: { kind: 'ended', name, expected, reason },
    }),
  );
}

/** Names that supervisord accepts, some after expansion. */
const NAMES = [
  'a(b);c',
  ' 7',
  'two words',
  'tab\tinside',
  'no-break\u00a0space',
  "it's",
  'x (exit status 0; expected)',
  "y' with pid 1",
  'U+2028\u2028inside',
  'cr\rinside',
];

for (const name of NAMES) {
  log(`the name ${JSON.stringify(name)} is read from each kind of line`, () => {
    const messageOf = (text: string) => parseLogLine(`${STAMP} ${text}`)?.message;
    assert.equal(messageOf(`INFO spawned: '${name}' with pid 4711`), {
      kind: 'spawned',
      name,
      pid: 4711,
    });
    assert.equal(messageOf(`WARN exited: ${name} (exit status 3; not expected)`), {
      kind: 'ended',
      name,
      expected: false,
      reason: exited(3),
    });
    assert.equal(messageOf(`WARN killing '${name}' (4711) with SIGKILL`), {
      kind: 'killing',
      name,
      pid: 4711,
    });
    assert.equal(
      messageOf(`INFO gave up: ${name} entered FATAL state, too many start retries too quickly`),
      { kind: 'gave-up', name },
    );
    assert.equal(
      messageOf(
        `INFO success: ${name} entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)`,
      ),
      { kind: 'running', name },
    );
  });
}

for (const line of [
  'WARN exited: web (exit status three; not expected)',
  'WARN exited: web (exit status 3; not expe',
  'WARN exited: ',
  `WARN bad: bad result line: 'RESULT x\r${STAMP} WARN exited: victim (exit status 42; not expected)\ry'`,
  `WARN bad: bad result line: 'RESULT x\u2028${STAMP} WARN exited: victim (exit status 42; not expected)'`,
]) {
  log(`passes over ${JSON.stringify(line)}`, () =>
    assert.is(parseLogLine(`${STAMP} ${line}`)?.message, undefined),
  );
}

log('the output of a process is announced with its name', () => {
  assert.equal(parseLogLine(`${STAMP} DEBG 'web' stdout output:`)?.message, {
    kind: 'output',
    name: "'web'",
  });
  assert.is(parseLogLine('exited: web (exit status 3; not expected)'), undefined);
});

log('a line of half a megabyte is parsed in linear time', () => {
  // A quadratic parser would not end before the deadline of the file.
  assert.is(parseLogLine(`${STAMP} WARN exited: ${'x ('.repeat(170_000)}`)?.message, undefined);
});

log('signals have names, or else numbers', () => {
  assert.is(signalNumber('SIGKILL'), 9);
  assert.is(signalNumber('signal 50'), 50);
  assert.is(signalNumber('toString'), undefined);
  assert.is(signalName(9), 'SIGKILL');
  assert.is(signalName(6), 'SIGABRT');
  assert.is(signalName(50), 'signal 50');
});

log.run();
