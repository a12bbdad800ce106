import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogEvidence } from '../../src/exits/evidence.ts';
import { startedAt } from '../../src/exits/proc-stat.ts';
import { SupervisorLog } from '../../src/exits/supervisor-log.ts';
import { timed } from '../support/deadline.ts';

const logs = suite("supervisord's log");

const SUPERVISORD = 42;
const ALIVE = 102;

function line(text: string, second = 5): string {
  return `2026-11-25 13:20:0${second},456 ${text}\n`;
}

const BEGAN = line(`INFO supervisord started with pid ${SUPERVISORD}`, 1);
const EXITED = line('WARN exited: web (exit status 3; not expected)');

/** Passes what the exporter finds out about ends of `web` when it begins to follow a log. */
function following(
  text: string,
  /** The second of the minute of `line` in which supervisord was started. */
  startedIn: number,
  body: (findEnd: (pid?: number) => string, log: SupervisorLog, path: string) => void,
): () => Promise<void> {
  return timed(10_000, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    const stop = new AbortController();
    try {
      const path = join(dir, 'supervisord.log');
      writeFileSync(path, text);
      const evidence = new LogEvidence();
      const log = new SupervisorLog({
        supervisorPid: SUPERVISORD,
        supervisorStartedAt: new Date('2026-11-25T13:20:00').getTime() / 1000 + startedIn,
        own: { cwd: dir, uid: 0, environment: {} },
        path,
        ownName: 'exporter',
        isOnlyOwnName: () => true,
        ownPid: 43,
        client: undefined,
        log: { debug: undefined, info: () => {}, warn: () => {}, error: () => {} },
        evidence,
        children: () => new Set([ALIVE]),
        isWatched: false,
        isReadAfterRuns: () => true,
        onWritten: () => {},
        onTrust: () => {},
        signal: stop.signal,
      });
      await log.start();
      const known = { isShared: false, isReply: false, window: undefined, known: undefined };
      const query = { ...known, name: 'web', end: 'unexpected' } as const;
      const findEnd = (pid?: number) =>
        evidence.find({ ...query, pid, since: evidence.settledOf('web') }).kind;
      body(findEnd, log, path);
    } finally {
      stop.abort();
      rmSync(dir, { recursive: true });
    }
  });
}

for (const [title, text, expected, startedIn = 0] of [
  ['of an earlier supervisord of this pid may lack lines', BEGAN + EXITED, 'incomplete', 4],
  ['from its begin has all lines', BEGAN + EXITED, 'found'],
  ['with an earlier supervisord has all lines of this one', EXITED + BEGAN + EXITED, 'found'],
  ['that was rotated or truncated may lack lines', EXITED, 'incomplete'],
  [
    'with only an earlier supervisord may lack lines',
    BEGAN.replace(/\d+$/m, '41') + EXITED,
    'incomplete',
  ],
  [
    'in which a program may have forged the begin may lack lines',
    `${line("DEBG 'web' stdout output:")}${BEGAN}${EXITED}`,
    'incomplete',
  ],
] as const) {
  logs(
    `a log ${title}`,
    following(text, startedIn, (findEnd, log) => {
      assert.is(findEnd(), expected);
      assert.is(log.reportsStarts, expected === 'found');
      assert.is(log.takeLoss(), expected === 'incomplete', 'whether events have to be settled');
    }),
  );
}

logs(
  'an empty log has the lines of processes that exist when it is followed',
  following('', 0, (findEnd, log, path) => {
    appendFileSync(path, EXITED);
    log.read();
    assert.is(findEnd(), 'incomplete');
    assert.is(findEnd(ALIVE), 'found');
  }),
);

for (const [title, begin] of [
  ['begins with the log', ''],
  ['begins after a gap', 'CRIT '.repeat(20_000)],
] as const) {
  logs(
    `a run that exists does not have the end of an earlier one: what was read ${title}`,
    following(begin + EXITED + EXITED, 0, (findEnd, log, path) => {
      assert.is(findEnd(ALIVE), 'nothing');
      appendFileSync(path, line('WARN exited: web (exit status 4; not expected)'));
      log.read();
      assert.is(findEnd(ALIVE), 'found');
      truncateSync(path);
      appendFileSync(path, EXITED);
      log.read();
      assert.is(findEnd(ALIVE), 'nothing');
    }),
  );
}

logs(
  'the start of a process is compared with the own one',
  timed(10_000, async () => {
    const own = 1_000_000;
    assert.is(startedAt(process.pid, own), own);
    const before = startedAt(process.ppid, own) ?? own;
    assert.ok(before <= own && before > 0, `${before}`);
    assert.is(startedAt(2 ** 30, own), undefined);
  }),
);

logs.run();
