import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogEvidence } from '../../src/exits/evidence.ts';
import type { LogMessage } from '../../src/exits/log-lines.ts';
import type { Finding, Query } from '../../src/exits/run-lines.ts';

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
  window: undefined,
  since: 0,
  end: 'unexpected',
  known: undefined,
  isReply: false,
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

/** Lines that are read one after the other. */
class Log {
  readonly evidence = new LogEvidence();

  constructor() {
    this.evidence.beginAt(0);
  }

  add(...lines: readonly Line[]): void {
    for (const [at, message, isCertain = true] of lines) {
      this.evidence.add({ at, message, isCertain });
    }
  }

  find(query: Partial<Query> = {}) {
    const since = this.evidence.settledOf('web');
    return reasonOf(this.evidence.find({ ...QUERY, since, ...query }));
  }
}

match('without a pid, ends are reported in the order of their lines, however late', () => {
  const log = new Log();
  const query = { pid: undefined, end: 'failed-start' } as const;
  log.add([100, exited(3)]);
  assert.equal(log.find(query), code(3));
  assert.is(log.find(query), 'nothing');
  log.add([101, exited(4)], [105, exited(5)], [110, exited(6)]);
  for (const exitCode of [4, 5, 6]) assert.equal(log.find(query), code(exitCode));
});

match('of several lines that may be the first one, all have to agree', () => {
  const query = { pid: undefined };
  const log = new Log();
  log.add([60, exited(3)], [101, exited(4)]);
  assert.is(log.find(query), 'contradictory');
  // Nor does it become known which line is next.
  log.add([102, exited(5)]);
  assert.is(log.find(query), 'contradictory');
  log.evidence.settle(log.evidence.end);
  log.add([103, exited(6)]);
  assert.equal(log.find(query), code(6));
  log.add([104, exited(7)], [105, exited(8)]);
  assert.equal(log.find(query), code(7));
});

match('after a lost event it is not known which line is next', () => {
  const query = { pid: undefined };
  for (const isLost of [false, true]) {
    const log = new Log();
    log.add([100, exited(3)]);
    assert.equal(log.find(query), code(3));
    log.add([101, exited(4)], [102, exited(5)]);
    if (isLost) log.evidence.unalign();
    assert.equal(log.find(query), isLost ? 'contradictory' : code(4));
  }
});

match('a line of another kind than the next event is of an end without an event', () => {
  const log = new Log();
  log.add([100, exited(3)]);
  assert.equal(log.find({ pid: undefined }), code(3));
  log.add([101, stoppedBy(15)], [102, exited(4)]);
  assert.equal(log.find({ pid: undefined }), code(4));
  log.add([103, stoppedBy(15)], [104, exited(5)], [105, exited(6)]);
  assert.equal(log.find({ pid: undefined }), 'contradictory');
});

match('a line of an end whose event was received is not that of a later one', () => {
  const query = { pid: undefined, end: 'failed-start' } as const;
  for (const isLost of [false, true]) {
    const log = new Log();
    log.add([100, exited(3)]);
    assert.equal(log.find({ pid: undefined }), code(3));
    log.evidence.passOver('web');
    if (isLost) log.evidence.unalign('web');
    const since = log.evidence.settledOf('web');
    log.add([101, exited(4)]);
    const isReply = true;
    assert.equal(log.find({ ...query, since, isReply }), isLost ? 'contradictory' : code(4));
  }
});

match('a line that was matched before a reply does not make the next one that of the reply', () => {
  const log = new Log();
  log.add([100, exited(3)]);
  const since = log.evidence.settledOf('web');
  assert.equal(log.find({ pid: undefined }), code(3));
  log.add([101, exited(4)]);
  assert.equal(log.find({ pid: undefined }), code(4));
  log.add([102, exited(5)]);
  assert.equal(log.find({ pid: undefined, since, isReply: true }), 'contradictory');
});

match('a truncation may have erased the true line', () => {
  for (const [title, pid, alive, expected] of [
    ['a run from before it', 7, [], 'incomplete'],
    ['a run that is known to be there after it', 7, [7], code(4)],
    ['a run of unknown start', undefined, [7], 'incomplete'],
    ['a run from after it', 8, [], code(5)],
  ] as const) {
    const log = new Log();
    log.add([50, spawned(7)]);
    log.evidence.truncatedAt(100);
    log.evidence.childrenExist(new Set(alive));
    log.add([100.5, exited(4)], [101, spawned(8)], [102, exited(5)]);
    assert.equal(log.find({ pid }), expected, title);
    log.evidence.settle(log.evidence.end);
    log.add([103, exited(6)]);
    assert.equal(log.find({ pid: undefined }), code(6), title);
  }
});

match('a run that is there after a truncation does not have the end of one before it', () => {
  const log = new Log();
  log.evidence.truncatedAt(100);
  log.add([100.5, exited(3)]);
  log.evidence.childrenExist(new Set([8]));
  assert.is(log.find({ pid: 8 }), 'nothing');
  log.add([101, exited(4)]);
  assert.equal(log.find({ pid: 8 }), code(4));
});

match('a run that was seen to exist before a truncation, and after it', () => {
  for (const [alive, expected] of [
    [[], 'incomplete'],
    [[8], code(4)],
  ] as const) {
    const log = new Log();
    log.add([90, exited(2)]);
    log.evidence.runExists('web', 8);
    log.evidence.truncatedAt(100);
    log.add([100.5, exited(3)]);
    log.evidence.childrenExist(new Set(alive));
    log.add([101, exited(4)], [102, exited(5)]);
    assert.equal(log.find({ pid: 8 }), expected);
  }
});

match('the end of a snapshot is searched for in its second, where no line is missing', () => {
  const query = { pid: undefined, end: 'any', window: { after: 100, before: 101.5 } } as const;
  assert.equal(
    reasonOf(
      find(
        [
          [99, exited(4)],
          [100.2, exited(3)],
        ],
        query,
      ),
    ),
    code(3),
  );
  assert.equal(reasonOf(find([[103, exited(3)]], query)), 'nothing');
  assert.equal(reasonOf(find([[101, exited(3)]], query, 100.5)), 'incomplete');
  assert.equal(
    reasonOf(
      find(
        [
          [101, exited(3)],
          [101.2, exited(4)],
        ],
        query,
      ),
    ),
    'contradictory',
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
  const forgedStart: Line = [101, spawned(9), false];
  for (const isCertain of [true, false]) {
    const real: Line = [101, killed(9), isCertain];
    const start: Line = [99, spawned(7), isCertain];
    const known = isCertain ? signal(9) : 'contradictory';
    assert.equal(reasonOf(find([start, forged, real])), known);
    assert.equal(reasonOf(find([start, real, forged])), known);
    assert.equal(reasonOf(find([start, real, forgedStart, forged])), known);
    assert.equal(reasonOf(find([start, forgedStart, forged, real])), 'contradictory');
  }
});

match('uncertain lines of the run and of its end do not give it the reason of the next run', () => {
  const lines: Line[] = [
    [99, spawned(7)],
    [101, exited(3), false],
    [102, spawned(8), false],
    [103, exited(4)],
  ];
  assert.is(reasonOf(find(lines)), 'contradictory');
  assert.equal(reasonOf(find(lines.slice(0, 3))), code(3));
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
  assert.is(
    find(
      [
        [101, none],
        [102, exited(3)],
      ],
      query,
    ).kind,
    'contradictory',
  );
  assert.is(find([[98, none]], { ...query, since: 1 }).kind, 'nothing');
});

match('memory is bounded, and what was forgotten is not evidence of an absence', () => {
  const evidence = new LogEvidence();
  evidence.beginAt(0);
  evidence.add({ at: 101, message: exited(3), isCertain: true });
  evidence.add({ at: 101, message: exited(4), isCertain: true });
  for (let n = 0; n < 8_192 - 1; n++) {
    evidence.add({ at: 101, message: exited(5, `other-${n}`), isCertain: true });
  }
  assert.equal(reasonOf(evidence.find({ ...QUERY, pid: undefined })), 'incomplete');
});

/**
 * A process that starts and ends in turn, each run with the exit code of its pid. Lines before
 * `gap` were not read, and a call found the process not running after `runs` runs.
 */
const crossed = fc
  .record({
    runs: fc.integer({ min: 1, max: 5 }),
    later: fc.nat(6),
    gap: fc.nat(12),
    place: fc.nat(12),
  })
  .map(({ runs, later, gap, place }) => {
    const call = 2 * runs;
    return { runs, count: call + later, gap: Math.min(gap, call), place: Math.min(place, call) };
  });

const lineAt = (nth: number): Line =>
  nth % 2 === 0 ? [nth, spawned(100 + nth / 2)] : [nth, exited(100 + (nth - 1) / 2)];

match(
  'across a gap, what XML-RPC has reported as the last end is never taken for another one',
  () => {
    let found = 0;
    fc.assert(
      fc.property(crossed, ({ runs, count, gap, place }) => {
        const evidence = new LogEvidence();
        evidence.beginAt(0);
        evidence.truncatedAt(0);
        const before = evidence.end;
        for (let nth = gap; nth < count; nth++) {
          const [at, message] = lineAt(nth);
          evidence.add({ at, message, isCertain: true });
        }
        const pid = 100 + runs - 1;
        const query = { ...QUERY, pid, known: pid };
        const asked = before + Math.max(0, place - gap);
        const results = [
          evidence.find(query),
          evidence.findAcrossGap(query, asked),
          evidence.findAcrossGap({ ...query, known: undefined }, asked),
        ];
        for (const finding of results) {
          if (finding.kind !== 'found') continue;
          found += 1;
          assert.equal(finding, { kind: 'found', reason: code(pid), at: 2 * runs - 1 });
        }
        // Its line was read, and that of its start was not.
        if (gap === 2 * runs - 1) assert.is(results[2]?.kind, 'found');
      }),
      { numRuns: 500 },
    );
    assert.ok(found > 100, `${found}`);
  },
);

match(
  'across a gap nothing is known that a copy of output or another group may have written',
  () => {
    const across = (lines: readonly Line[], query: Partial<Query> = {}, place = 99) => {
      const log = new Log();
      log.evidence.truncatedAt(0);
      log.add(...lines);
      return reasonOf(log.evidence.findAcrossGap({ ...QUERY, ...query }, place));
    };
    const lines: Line[] = [[101, killed(9)]];
    assert.equal(across(lines), signal(9));
    assert.is(across([[101, killed(9), false]]), 'incomplete');
    assert.is(across(lines, { isShared: true }), 'incomplete');
    assert.is(across(lines, { pid: undefined }), 'incomplete');
    assert.is(across(lines, { known: 3 }), 'incomplete');
    assert.is(across(lines, { end: 'stopped' }), 'incomplete');
    assert.is(across([[100, spawned(8)], ...lines]), 'incomplete');
    assert.is(across(lines, {}, 0), 'incomplete', 'the log was truncated after the call');
  },
);

match.run();
