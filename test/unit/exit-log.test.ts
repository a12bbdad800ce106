import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseLog } from '../../src/exits/log.ts';
import { signalName, signalNumber } from '../../src/supervisor/signals.ts';

const log = suite('log of supervisord');

const AT = new Date(2026, 10, 25, 13, 20, 5, 456).getTime() / 1000;
const STAMP = '2026-11-25 13:20:05,456';

const ENDS: ReadonlyArray<
  readonly [line: string, name: string, status: number, signal: number | undefined]
> = [
  ['WARN exited: web (exit status 3; not expected)', 'web', 3, 0],
  ['INFO exited: web (exit status 0; expected)', 'web', 0, 0],
  ['WARN exited: web (terminated by SIGKILL; not expected)', 'web', -1, 9],
  ['WARN exited: web (terminated by SIGSEGV (core dumped); not expected)', 'web', -1, 11],
  ['INFO exited: web (terminated by signal 44; not expected)', 'web', -1, 44],
  ['WARN exited: web (terminated by SIGRTMIN; not expected)', 'web', -1, 34],
  ['WARN exited: web (terminated by SIGNOVEL; not expected)', 'web', -1, undefined],
  ['WARN exited: web (unknown termination cause 0x137f; not expected)', 'web', -1, undefined],
  ['INFO stopped: web (exit status 0)', 'web', 0, 0],
  ['WARN stopped: 🚀rocket-é (terminated by SIGTERM)', '🚀rocket-é', -1, 15],
  ['WARN exited: a(b);c (exit status 255; not expected)', 'a(b);c', 255, 0],
];

for (const [line, name, status, signal] of ENDS) {
  log(line, () => {
    const wanted = [{ kind: 'ended', name, at: AT, ending: { status, signal } }];
    assert.equal(parseLog(`${STAMP} ${line}\n`), wanted);
    assert.equal(parseLog(`5 13:20:04,000 INFO exited: x\n${STAMP} ${line}\n2026-11`), wanted);
  });
}

log('a start names its pid', () => {
  assert.equal(parseLog(`${STAMP} INFO spawned: 'wörker' with pid 4711\n`), [
    { kind: 'spawned', name: 'wörker', pid: 4711 },
  ]);
});

for (const line of [
  'INFO success: web entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)',
  'INFO gave up: web entered FATAL state, too many start retries too quickly',
  "INFO spawnerr: can't find command '/no/such/program'",
  'WARN exited: web (exit status three; not expected)',
  'WARN exited: web (exit status 3; not expe',
  'WARN exited: ',
]) {
  log(`passes over ${line}`, () => assert.equal(parseLog(`${STAMP} ${line}\n`), []));
}

log('what a program wrote is not taken for a line of its own', () => {
  const text = `${STAMP} DEBG 'web' stdout output:\nexited: web (exit status 3; not expected)\n`;
  assert.equal(parseLog(text), []);
});

log('half a megabyte of one line takes no time to speak of', () => {
  const began = performance.now();
  assert.equal(parseLog(`${STAMP} WARN exited: ${'x ('.repeat(170_000)}\n`), []);
  assert.ok(performance.now() - began < 1_000);
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
