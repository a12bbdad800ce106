import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogLine } from '../../src/exits/log.ts';
import { findOut, isConclusive, type Sought } from '../../src/exits/match.ts';
import { ToldRuns } from '../../src/exits/runs.ts';
import { endInSecond, endToldAt, type Finding, type RunEnd } from '../../src/processes/ending.ts';
import { info } from '../support/facts.ts';

const match = suite('why a run ended');

/** `+NAME PID` started, `-NAME STATUS` ended, `!NAME SIGNAL` killed: one second apart, the last at 100. */
function lines(...texts: string[]): LogLine[] {
  return texts.map((text, index) => {
    const [, mark, name = '', value] = /^(.)(\S+) (\d+)$/.exec(text) ?? [];
    if (mark === '+') return { kind: 'spawned', name, pid: Number(value) };
    const at = 100 - (texts.length - 1 - index);
    const ending =
      mark === '-' ? { status: Number(value), signal: 0 } : { status: -1, signal: Number(value) };
    return { kind: 'ended', name, at, ending };
  });
}

function find(log: LogLine[], end: RunEnd, more: Partial<Sought> = {}) {
  return findOut({ name: 'web', isShared: false, end, ...more }, log, undefined).ending;
}

match('by its pid, however many runs there were since', () => {
  const log = lines('+web 7', '-web 3', '+web 8', '!web 9', '+web 9', '-web 0');
  assert.equal(find(log, endToldAt(100, 7)), { status: 3, signal: 0 });
  assert.equal(find(log, endToldAt(100, 8)), { status: -1, signal: 9 });
  assert.equal(find(log, endToldAt(100, 9)), { status: 0, signal: 0 });
});

match('by its pid, though the event came long after', () => {
  assert.equal(find(lines('+web 7', '-web 3'), endToldAt(900, 7)), { status: 3, signal: 0 });
});

match('a pid that was used twice: the later run', () => {
  const log = lines('+web 7', '-web 3', '+web 7', '-web 4');
  assert.equal(find(log, endToldAt(100, 7)), { status: 4, signal: 0 });
});

match('a run that began before what was read of the log', () => {
  const log = lines('-web 3', '+web 8', '-web 4');
  assert.equal(find(log, endToldAt(98, 7)), { status: 3, signal: 0 });
  assert.is(find(log, endToldAt(200, 7)), undefined, 'not by a line of another time');
});

match('a run that has not ended yet by the log has no reason', () => {
  assert.is(find(lines('-web 3', '+web 7'), endToldAt(100, 7)), undefined);
});

match('a log without starts: the latest end at that time', () => {
  const log = lines('-web 3', '-web 4', '-web 5');
  assert.equal(find(log, endToldAt(99.5, 7)), { status: 4, signal: 0 });
});

match('without a pid, the end in that second', () => {
  const log = lines('+web 7', '-web 3', '+web 8', '-web 4');
  assert.equal(find(log, endInSecond(98)), { status: 3, signal: 0 });
  assert.equal(find(log, endInSecond(97)), { status: 3, signal: 0 }, 'logged in the next second');
  assert.is(find(log, endInSecond(96)), undefined);
});

match('lines of other programs are not looked at', () => {
  assert.is(find(lines('+web2 7', '-web2 3', '-we 4'), endToldAt(100, 7)), undefined);
});

match('a name that two groups have: by the time, where only one has ended', () => {
  const log = lines('+web 7', '+web 8', '-web 3');
  assert.equal(find(log, endToldAt(100, 7), { isShared: true }), { status: 3, signal: 0 });
  assert.is(find(log, endToldAt(110, 7), { isShared: true }), undefined);
});

match('a name that two groups have is left alone where both have ended', () => {
  const log = lines('+web 7', '+web 8', '-web 3', '!web 9');
  assert.is(find(log, endToldAt(100, 7), { isShared: true }), undefined);
});

match('what the log has told is told once, by name and pid, however late it is asked', () => {
  const told = new ToldRuns();
  told.add(lines('-web 1', '+web 7'));
  assert.is(told.take('web', 7), undefined, 'it runs');
  told.add(lines('-web 3', '+api 7', '!api 9', '+web 8', '-web 0', '-web 5'));
  assert.equal(told.take('web', 7), { status: 3, signal: 0 });
  assert.is(told.take('web', 7), undefined);
  assert.equal(told.take('api', 7), { status: -1, signal: 9 });
  assert.equal(told.take('web', 8), { status: 0, signal: 0 });
});

match('a pid that was used again is the later run; the oldest of many are forgotten', () => {
  const told = new ToldRuns();
  told.add(lines('+web 7', '-web 3', '+web 7', '-web 4'));
  assert.equal(told.take('web', 7), { status: 4, signal: 0 });
  for (let pid = 1; pid <= 20_000; pid++) told.add(lines(`+web ${pid}`, '-web 0'));
  assert.is(told.take('web', 15_000), undefined);
  assert.equal(told.take('web', 16_000), { status: 0, signal: 0 });
});

// XML-RPC

const END = endToldAt(100.5, 7);
const SOUGHT: Sought = { name: 'web', isShared: false, end: END };

const INFOS: ReadonlyArray<
  readonly [string, Parameters<typeof info>[1], object, Finding['ending']]
> = [
  ['still EXITED', 'EXITED', { stop: 100, exitStatus: 3 }, { status: 3, signal: 0 }],
  ['STOPPED', 'STOPPED', { stop: 100, exitStatus: 0 }, { status: 0, signal: 0 }],
  ['some signal', 'EXITED', { stop: 100, exitStatus: -1 }, { status: -1, signal: undefined }],
  ['started again', 'RUNNING', { stop: 100, exitStatus: 0 }, undefined],
  ['an end long before', 'EXITED', { stop: 90, exitStatus: 3 }, undefined],
  ['an end behind it', 'EXITED', { stop: 102, exitStatus: 3 }, undefined],
  ['BACKOFF, where it says 0', 'BACKOFF', { stop: 100, exitStatus: 0 }, undefined],
];
for (const [what, state, more, ending] of INFOS) {
  match(`XML-RPC: ${what}`, () => {
    assert.equal(findOut(SOUGHT, [], info('web', state, more)).ending, ending);
  });
}

match('the log is believed before XML-RPC, which does not know signals', () => {
  const state = info('web', 'EXITED', { stop: 100, exitStatus: -1 });
  const { ending } = findOut(SOUGHT, lines('+web 7', '!web 11'), state);
  assert.equal(ending, { status: -1, signal: 11 });
});

match('a program that could not be started has had no run that ended', () => {
  const spawnError = "can't find command 'x'";
  const state = info('web', 'FATAL', { spawnError });
  const found = findOut(SOUGHT, lines('-web 3'), state);
  assert.equal(found, { ending: undefined, spawnError });
  assert.ok(isConclusive(found));
});

match('one that died too soon has', () => {
  const spawnError = 'Exited too quickly (process log may have details)';
  const found = findOut(SOUGHT, lines('-web 3'), info('web', 'BACKOFF', { spawnError }));
  assert.equal(found, { ending: { status: 3, signal: 0 }, spawnError });
});

match('what is conclusive', () => {
  const spawnError = undefined;
  assert.ok(isConclusive({ ending: { status: 3, signal: 0 }, spawnError }));
  assert.not(isConclusive({ ending: { status: -1, signal: undefined }, spawnError }));
  assert.not(isConclusive({ ending: undefined, spawnError }));
});

match.run();
