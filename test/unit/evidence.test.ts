import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Finding, LogEvidence, type Query } from '../../src/exits/evidence.ts';
import type { LogMessage } from '../../src/exits/log-lines.ts';

const match = suite('evidence of terminations');

/** A line, by default of `web` and certain. */
type Line = readonly [at: number, message: LogMessage, isCertain?: boolean];

const spawned = (pid: number, name = 'web'): LogMessage => ({ kind: 'spawned', name, pid });
const exited = (exitCode: number, name = 'web'): LogMessage => ({
  kind: 'ended',
  name,
  expected: exitCode === 0,
  reason: { kind: 'exited', source: 'log', exitCode },
});
const killed = (signal: number, name = 'web'): LogMessage => ({
  kind: 'ended',
  name,
  expected: false,
  reason: { kind: 'signalled', source: 'log', signal, coreDumped: false },
});
const stoppedBy = (signal: number): LogMessage => ({
  kind: 'ended',
  name: 'web',
  expected: undefined,
  reason: { kind: 'signalled', source: 'log', signal, coreDumped: false },
});
const failure = (text: string): LogMessage => ({ kind: 'spawn-error', text });

const QUERY: Query = {
  name: 'web',
  isShared: false,
  pid: 7,
  window: { after: 100, before: 102.1 },
  end: 'unexpected',
  known: undefined,
};

function find(lines: readonly Line[], query: Partial<Query> = {}, completeSince = 0): Finding {
  const evidence = new LogEvidence();
  evidence.beginAt(completeSince);
  for (const [at, message, isCertain = true] of lines) evidence.add({ at, message, isCertain });
  return evidence.find({ ...QUERY, ...query });
}

const reasonOf = (finding: Finding) => (finding.kind === 'found' ? finding.reason : finding.kind);
const code = (exitCode: number) => ({ kind: 'exited', source: 'log', exitCode });
const signal = (number: number) => ({
  kind: 'signalled',
  source: 'log',
  signal: number,
  coreDumped: false,
});

match('the pid selects the run, however late its event is', () => {
  const lines: Line[] = [
    [50, spawned(7)],
    [60, exited(3)],
    [61, spawned(8)],
    [101, exited(4)],
  ];
  assert.equal(find(lines), { kind: 'found', reason: code(3), at: 60 });
  assert.equal(find(lines, { pid: 8 }), { kind: 'found', reason: code(4), at: 101 });
});

match('a stop is never the reason of a later kill, and the other way round', () => {
  const lines: Line[] = [
    [99, spawned(6)],
    [100.5, stoppedBy(15)],
    [101, spawned(7)],
    [101.5, killed(9)],
  ];
  assert.equal(reasonOf(find(lines)), signal(9));
  assert.equal(reasonOf(find(lines, { pid: 6, end: 'stopped' })), signal(15));
  assert.equal(reasonOf(find(lines.slice(0, 3))), 'nothing');
  assert.equal(reasonOf(find(lines.slice(0, 3), { pid: undefined })), 'nothing');
});

match('without a pid, the window selects the line, and each line counts once', () => {
  const evidence = new LogEvidence();
  evidence.beginAt(0);
  const query: Query = { ...QUERY, pid: undefined, end: 'failed-start' };
  evidence.add({ at: 100.5, message: exited(3), isCertain: true });
  assert.equal(reasonOf(evidence.find(query)), code(3));
  assert.equal(reasonOf(evidence.find(query)), 'nothing');
  evidence.add({ at: 101.5, message: exited(4), isCertain: true });
  assert.equal(reasonOf(evidence.find(query)), code(4));
});

match('a truncation may have erased the true line, so that uncertain lines prove nothing', () => {
  for (const [truncatedAt, isCertain, expected] of [
    [101, false, 'nothing'],
    [101, true, code(42)],
    [-900, false, code(42)],
    [50, false, 'nothing'],
  ] as const) {
    const evidence = new LogEvidence();
    evidence.beginAt(0);
    evidence.add({ at: -800, message: spawned(7), isCertain: true });
    evidence.add({ at: 100.5, message: exited(42), isCertain });
    evidence.truncatedAt(truncatedAt);
    assert.equal(reasonOf(evidence.find(QUERY)), expected, `${truncatedAt}, ${isCertain}`);
  }
});

match(
  'lines outside the window, or of a time from which lines are missing, are no evidence',
  () => {
    const query = { pid: undefined };
    assert.equal(
      reasonOf(
        find(
          [
            [98, exited(4)],
            [99, exited(3)],
          ],
          query,
        ),
      ),
      'contradictory',
    );
    assert.equal(reasonOf(find([[103, exited(3)]], query)), 'nothing');
    assert.equal(reasonOf(find([[101, exited(3)]], query, 100.5)), 'nothing');
    assert.equal(reasonOf(find([[101, exited(3)]], query, 99)), code(3));
  },
);

match('an event that was received late has the only line that is left', () => {
  const query = { pid: undefined };
  assert.equal(reasonOf(find([[60, exited(3)]], query)), code(3));
  assert.equal(reasonOf(find([[60, exited(3)]], { ...query, end: 'any' })), 'nothing');
  assert.equal(reasonOf(find([[60, exited(3)]], { ...query, end: 'stopped' })), 'nothing');
});

match('a time that the pid cannot explain, as of another time zone, is no evidence', () => {
  assert.equal(
    reasonOf(
      find([
        [3_000, spawned(7)],
        [3_601, exited(3)],
      ]),
    ),
    'nothing',
  );
  const window = { after: 9_998, before: 10_000 };
  assert.equal(
    reasonOf(
      find(
        [
          [1_000, spawned(7)],
          [6_399, exited(3)],
        ],
        { window },
      ),
    ),
    'nothing',
  );
});

match('a line that contradicts the event or XML-RPC does not count', () => {
  const lines: Line[] = [
    [99, spawned(7)],
    [101, exited(42)],
  ];
  assert.equal(reasonOf(find(lines, { end: 'expected' })), 'nothing');
  assert.equal(reasonOf(find(lines, { end: 'stopped' })), 'nothing');
  assert.equal(reasonOf(find(lines, { known: 'signal' })), 'nothing');
  assert.equal(reasonOf(find(lines, { known: 3 })), 'nothing');
  assert.equal(reasonOf(find(lines, { known: 42 })), code(42));
});

match('a forged line makes a reason unknown, never false', () => {
  const forged: Line = [101, exited(42), false];
  for (const isCertain of [true, false]) {
    const real: Line = [101, killed(9), isCertain];
    const start: Line = [99, spawned(7), isCertain];
    const expected = isCertain ? signal(9) : 'contradictory';
    assert.equal(reasonOf(find([start, forged, real])), expected);
    assert.equal(reasonOf(find([start, real, forged])), expected);
    assert.equal(reasonOf(find([start, real, [101, spawned(7), false], forged])), expected);
    assert.equal(reasonOf(find([start, [101, spawned(9), false], forged, real])), expected);
  }
});

match('lines of a name that groups share count when they agree', () => {
  const lines: Line[] = [
    [99, spawned(7)],
    [99, spawned(8)],
    [101, killed(9)],
    [101.1, killed(9)],
  ];
  assert.equal(find(lines, { isShared: true }), {
    kind: 'found',
    reason: signal(9),
    at: undefined,
  });
  assert.equal(find(lines, { isShared: true, pid: 8 }).kind, 'found');
  assert.is(find([...lines, [101.2, killed(15)]], { isShared: true }).kind, 'contradictory');
});

match('a start that failed before there was a process has the error of that time', () => {
  const query = { pid: undefined, end: 'failed-start' } as const;
  const none = failure("can't find command 'x'");
  assert.equal(find([[101, none]], query), { kind: 'spawn-error', text: "can't find command 'x'" });
  assert.is(
    find(
      [
        [101, none],
        [101, failure('other')],
      ],
      query,
    ).kind,
    'contradictory',
  );
  assert.is(find([[101, none]]).kind, 'nothing');
  assert.is(find([[98, none]], query).kind, 'nothing');
});

match('memory is bounded, and what was forgotten is not evidence of an absence', () => {
  const evidence = new LogEvidence();
  evidence.beginAt(0);
  evidence.add({ at: 101, message: exited(3), isCertain: true });
  evidence.add({ at: 101, message: exited(4), isCertain: true });
  for (let n = 0; n < 8_192 - 1; n++) {
    evidence.add({ at: 101, message: exited(5, `other-${n}`), isCertain: true });
  }
  assert.equal(reasonOf(evidence.find({ ...QUERY, pid: undefined })), 'nothing');
});

match.run();
