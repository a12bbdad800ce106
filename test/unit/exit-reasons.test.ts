import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogEvidence } from '../../src/exits/evidence.ts';
import type { LoggedReason } from '../../src/exits/log-lines.ts';
import { Namesakes } from '../../src/exits/namesakes.ts';
import { ExitReasons } from '../../src/exits/reasons.ts';
import type { LogTrust } from '../../src/exits/supervisor-log.ts';
import { ChangeFeed } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import { type ExitReason, isReasonPending, oomKilledOf } from '../../src/processes/termination.ts';
import { RpcError } from '../../src/util/errors.ts';
import { eventually, timed } from '../support/deadline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const reasons = suite('exit reasons');

const AT = 1_700_000_100;
const TOO_QUICKLY = 'Exited too quickly (process log may have details)';
const KILLED: LoggedReason = { kind: 'signalled', source: 'log', signal: 9, coreDumped: false };

type Reply = Readonly<Record<string, unknown>> | RpcError;

/** `web` (101) runs. The test decides what the log holds and what XML-RPC replies. */
class Scene {
  readonly table = new ProcessTable();
  readonly changes = new ChangeFeed();
  readonly evidence = new LogEvidence();
  readonly warnings: string[] = [];
  trust: LogTrust = 'trusted';
  reportsStarts = true;
  /** Children of supervisord. */
  children = new Set<number>();
  calls = 0;
  /** Whether the marker of each call is received as well, and before the reply. */
  sendsMarkers = true;
  /** Of the last call. */
  marker = '';
  missing = { isPending: false, lost: 0 };
  failedEarly = 0;
  reply: () => Promise<Reply> = async () => new RpcError('ERR_RPC_FAULT', 'BAD_NAME');
  /** Ends the decision whether it was an OOM kill; undefined where none was asked for. */
  decideOom: ((isOomKill: boolean | undefined) => void) | undefined;
  readonly reasons: ExitReasons;

  constructor(hasRpc = true, asksForOom = false) {
    this.evidence.beginAt(0);
    const warn = (text: string) => void this.warnings.push(text);
    this.reasons = new ExitReasons({
      table: this.table,
      changes: this.changes,
      namesakes: new Namesakes(this.changes),
      evidence: this.evidence,
      log: { debug: undefined, info: () => {}, warn, error: () => {} },
      readLog: () => this.trust,
      reportsStarts: () => this.reportsStarts,
      isChild: (pid) => this.children.has(pid),
      missingEvents: () => this.missing,
      onAskEarlyFailed: () => {
        this.failedEarly += 1;
      },
      client: hasRpc
        ? {
            multicallSettled: async (calls) => {
              this.calls += 1;
              const [marker, ...others] = calls;
              const replies = await Promise.all(others.map(() => this.reply()));
              this.marker = String(marker?.params[1]);
              if (this.sendsMarkers) this.reasons.markerReceived(this.marker);
              return [true, ...replies];
            },
          }
        : undefined,
      oomKills: asksForOom
        ? {
            decide: (_, done) => {
              this.decideOom = done;
            },
          }
        : undefined,
    });
    const running = snapshot([info('web', 'RUNNING', { pid: 101, start: AT - 50 })]);
    this.changes.publish(this.table.applySnapshotAt(running, 0).changes);
  }

  logs(reason: LoggedReason, at = AT - 0.5, isCertain = true): void {
    this.evidence.add({
      at: AT - 50,
      message: { kind: 'spawned', name: 'web', pid: 101 },
      isCertain,
    });
    const message = { kind: 'ended', name: 'web', expected: false, reason } as const;
    this.evidence.add({ at, message, isCertain });
  }

  exit(): void {
    const change = event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 101 });
    this.changes.publish(this.table.apply(change, AT));
  }

  get reason(): ExitReason | undefined {
    return this.table.get(id('web'))?.termination?.reason;
  }

  /** Of a start that failed, as long as it is not known to have been a run. */
  get failedReason(): ExitReason | undefined {
    return this.table.get(id('web'))?.failedStart?.reason;
  }

  async settled(): Promise<ExitReason | undefined> {
    await eventually(5_000, () => assert.is.not(this.reason?.kind, 'pending'));
    return this.reason;
  }
}

function inScene(
  body: (scene: Scene) => void | Promise<void>,
  hasRpc = true,
  asksForOom = false,
): () => Promise<void> {
  return timed(15_000, async () => {
    const scene = new Scene(hasRpc, asksForOom);
    try {
      await body(scene);
    } finally {
      scene.reasons.stop();
    }
  });
}

/** The reply of getProcessInfo. */
function reply(changes: Readonly<Record<string, unknown>>): Reply {
  return {
    group: 'web',
    name: 'web',
    state: 100,
    start: AT - 50,
    stop: AT - 1,
    exitstatus: 3,
    pid: 0,
    spawnerr: '',
    ...changes,
  };
}

const BY_SOME_SIGNAL: ExitReason = {
  kind: 'signalled',
  source: 'xml-rpc',
  signal: undefined,
  coreDumped: undefined,
};

reasons(
  'a line of the log settles the reason and the time within the change, without a call',
  inScene((scene) => {
    scene.logs(KILLED);
    scene.exit();
    assert.equal(scene.reason, { ...KILLED, source: 'log' });
    assert.is(scene.table.get(id('web'))?.lastUnexpectedExit?.finishedAt, AT - 0.5);
    assert.is(scene.calls, 0);
  }),
);

for (const oomKilled of [true, false, undefined]) {
  reasons(
    `SIGKILL is published before it is known whether it was an OOM kill: ${oomKilled}`,
    inScene(
      (scene) => {
        scene.logs(KILLED);
        scene.exit();
        assert.equal(scene.reason, { ...KILLED, source: 'log', oomKilled: 'pending' });
        assert.ok(scene.reason && isReasonPending(scene.reason), 'the push waits');
        assert.is(scene.reason && oomKilledOf(scene.reason), undefined);
        scene.decideOom?.(oomKilled);
        assert.equal(scene.reason, { ...KILLED, source: 'log', oomKilled });
        assert.not.ok(scene.reason && isReasonPending(scene.reason));
        assert.is(scene.table.get(id('web'))?.oomKills, oomKilled === true ? 1 : 0);
      },
      true,
      true,
    ),
  );
}

reasons(
  'without a line, XML-RPC is asked, and the missing line is reported once',
  inScene(async (scene) => {
    scene.reply = async () => reply({ exitstatus: 3 });
    scene.exit();
    assert.equal(scene.reason, { kind: 'pending' });
    assert.equal(await scene.settled(), { kind: 'exited', source: 'xml-rpc', exitCode: 3 });
    assert.is(scene.warnings.length, 1);
  }),
);

reasons(
  'what XML-RPC reports of a later exit, or of a process that runs again, does not count',
  inScene(async (scene) => {
    scene.reply = async () => reply({ state: 20, exitstatus: 0, stop: AT - 1 });
    scene.exit();
    assert.equal(await scene.settled(), { kind: 'unknown' });
  }),
);

reasons(
  'what XML-RPC reports counts once its marker was received, and the exit is still the last one',
  inScene(async (scene) => {
    scene.sendsMarkers = false;
    scene.reply = async () => reply({ exitstatus: 3 });
    scene.exit();
    await eventually(5_000, () => assert.is.not(scene.marker, ''));
    assert.equal(scene.reason, { kind: 'pending' });
    scene.reasons.markerReceived('of another exporter');
    assert.equal(scene.reason, { kind: 'pending' });
    scene.reasons.markerReceived(scene.marker);
    assert.equal(scene.reason, { kind: 'exited', source: 'xml-rpc', exitCode: 3 });
  }),
);

reasons(
  'what XML-RPC reports of a later exit is not the reason of an earlier one',
  inScene(async (scene) => {
    scene.sendsMarkers = false;
    scene.reply = async () => reply({ exitstatus: 4 });
    scene.exit();
    await eventually(5_000, () => assert.is.not(scene.marker, ''));
    const first = scene.table.get(id('web'))?.termination?.id;
    // Events that supervisord had queued before the call.
    for (const next of [
      event(2, 'web', 'EXITED>STARTING', { tries: 0 }),
      event(3, 'web', 'STARTING>RUNNING', { pid: 102 }),
      event(4, 'web', 'RUNNING>EXITED', { expected: true, pid: 102 }),
    ]) {
      scene.changes.publish(scene.table.apply(next, AT + 1));
    }
    const { lastUnexpectedExit } = scene.table.get(id('web')) ?? {};
    assert.is(lastUnexpectedExit?.id, first);
    scene.reasons.markerReceived(scene.marker);
    assert.equal(await scene.settled(), { kind: 'exited', source: 'xml-rpc', exitCode: 4 });
    assert.equal(scene.table.get(id('web'))?.lastUnexpectedExit?.reason, { kind: 'unknown' });
  }),
);

reasons(
  'a marker proves nothing while serials are missing',
  inScene(async (scene) => {
    scene.missing = { isPending: true, lost: 0 };
    scene.reply = async () => reply({ exitstatus: 3 });
    scene.exit();
    assert.equal(await scene.settled(), { kind: 'unknown' });
  }),
);

reasons(
  'an OOM kill that a snapshot reports before its event counts once',
  inScene(
    (scene) => {
      scene.logs(KILLED);
      const exited = info('web', 'EXITED', { start: AT - 50, stop: AT - 1, exitStatus: -1 });
      scene.changes.publish(scene.table.applyUnorderedSnapshot(snapshot([exited]), 0));
      scene.decideOom?.(true);
      assert.equal(scene.reason, { ...KILLED, source: 'log', oomKilled: true });
      assert.is(scene.table.get(id('web'))?.oomKills, 0);
      scene.exit();
      scene.decideOom?.(true);
      assert.is(scene.table.get(id('web'))?.oomKills, 1);
    },
    true,
    true,
  ),
);

reasons(
  'the exit status after a later start that failed is not that of the exit',
  inScene(async (scene) => {
    scene.reply = async () => reply({ state: 0, start: AT, exitstatus: 0 });
    scene.exit();
    assert.equal(await scene.settled(), { kind: 'unknown' });
  }),
);

reasons(
  'XML-RPC decides between lines that disagree',
  inScene(async (scene) => {
    scene.logs({ kind: 'exited', source: 'log', exitCode: 42 }, AT - 0.6, false);
    scene.logs(KILLED, AT - 0.5, false);
    scene.reply = async () => reply({ exitstatus: -1 });
    scene.exit();
    assert.equal(await scene.settled(), { ...KILLED, source: 'log' });
  }),
);

reasons(
  'lines that XML-RPC contradicts do not count',
  inScene(async (scene) => {
    scene.logs({ kind: 'exited', source: 'log', exitCode: 42 }, AT - 0.6, false);
    scene.logs({ kind: 'exited', source: 'log', exitCode: 43 }, AT - 0.5, false);
    scene.reply = async () => reply({ exitstatus: -1 });
    scene.exit();
    assert.equal(await scene.settled(), BY_SOME_SIGNAL);
  }),
);

reasons(
  'without XML-RPC and without a line the reason is unknown at once',
  inScene((scene) => {
    scene.exit();
    assert.equal(scene.reason, { kind: 'unknown' });
  }, false),
);

reasons(
  'until the log is known to be the one of supervisord, its lines wait',
  inScene((scene) => {
    scene.trust = 'pending';
    scene.logs(KILLED);
    scene.exit();
    assert.equal(scene.reason, { kind: 'pending' });
    scene.trust = 'trusted';
    scene.reasons.trustEstablished();
    assert.equal(scene.reason, { ...KILLED, source: 'log' });
  }),
);

reasons(
  'two exits before the log is trusted both get the reason that it reports',
  inScene((scene) => {
    scene.trust = 'pending';
    scene.logs(KILLED);
    scene.exit();
    const again = { at: AT + 1, isCertain: true };
    scene.evidence.add({ ...again, message: { kind: 'spawned', name: 'web', pid: 102 } });
    for (const [serial, transition] of ['EXITED>STARTING', 'STARTING>RUNNING'].entries()) {
      const next = event(2 + serial, 'web', transition, { pid: 102 });
      scene.changes.publish(scene.table.apply(next, AT + 1));
    }
    const reason: LoggedReason = { kind: 'exited', source: 'log', exitCode: 0 };
    const ended = { kind: 'ended', name: 'web', expected: true, reason } as const;
    scene.evidence.add({ ...again, at: AT + 2, message: ended });
    const exit = event(4, 'web', 'RUNNING>EXITED', { expected: true, pid: 102 });
    scene.changes.publish(scene.table.apply(exit, AT + 2.5));
    assert.equal(scene.reason, { kind: 'pending' });
    scene.trust = 'trusted';
    scene.reasons.trustEstablished();
    const process = scene.table.get(id('web'));
    assert.equal(scene.reason, reason);
    assert.equal(process?.lastUnexpectedExit?.reason, KILLED);
  }),
);

reasons(
  'a call that is never answered leaves the reason unknown after 3 s',
  inScene(async (scene) => {
    scene.reply = () => new Promise(() => {});
    scene.exit();
    assert.equal(await scene.settled(), { kind: 'unknown' });
  }),
);

reasons(
  'what was asked before the event is used for it',
  inScene(async (scene) => {
    scene.trust = 'none';
    scene.sendsMarkers = false;
    scene.reply = async () => reply({ exitstatus: 7 });
    assert.is(scene.reasons.askEarly([id('web')]), true);
    await eventually(5_000, () => assert.is.not(scene.marker, ''));
    await new Promise((resolve) => setImmediate(resolve));
    scene.exit();
    assert.equal(scene.reason, { kind: 'pending' });
    scene.reasons.markerReceived(scene.marker);
    assert.equal(scene.reason, { kind: 'exited', source: 'xml-rpc', exitCode: 7 });
    assert.is(scene.calls, 1);
  }),
);

reasons(
  'a failed call before the event is reported, and none is made until a call succeeds',
  inScene(async (scene) => {
    scene.trust = 'none';
    const ended = [id('web')];
    scene.reply = () => Promise.reject(new Error('no permission'));
    assert.is(scene.reasons.askEarly(ended), true);
    await eventually(5_000, () => assert.is(scene.failedEarly, 1));
    assert.is(scene.reasons.success, undefined);
    assert.is(scene.reasons.askEarly(ended), false);
    scene.reply = async () => reply({ exitstatus: 7 });
    scene.exit();
    assert.equal(await scene.settled(), { kind: 'exited', source: 'xml-rpc', exitCode: 7 });
    assert.is(scene.reasons.askEarly(ended), true);
  }),
);

reasons(
  'the signal of an exit that only a snapshot reported is found in the log',
  inScene((scene) => {
    scene.logs(KILLED, AT + 0.25);
    const ended = snapshot([info('web', 'EXITED', { start: AT - 50, stop: AT, exitStatus: -1 })]);
    scene.changes.publish(scene.table.applySnapshotAt(ended, 5).changes);
    assert.equal(scene.reason, { ...KILLED, source: 'log' });
    assert.is(scene.calls, 0);
  }),
);

reasons(
  'a failed start has the error that XML-RPC reports, and ended no run',
  inScene(async (scene) => {
    const error = "can't find command 'x'";
    scene.reply = async () => reply({ state: 30, spawnerr: error });
    const steps = [
      event(1, 'web', 'RUNNING>EXITED', { expected: false, pid: 101 }),
      event(2, 'web', 'EXITED>STARTING', { tries: 0 }),
      event(3, 'web', 'STARTING>BACKOFF', { tries: 1 }),
    ];
    scene.logs(KILLED);
    for (const step of steps) scene.changes.publish(scene.table.apply(step, AT));
    await eventually(5_000, () => assert.is(scene.table.get(id('web'))?.spawnError, error));
    assert.equal(scene.reason, { ...KILLED, source: 'log' });
    assert.is(scene.table.get(id('web'))?.failedStart, undefined);
  }),
);

/** A start fails, and its event is received after the line of a run that a later start began. */
for (const [title, reportsStarts, spawnerr, expected] of [
  ['a failed start has the first line that follows, where starts are logged', true, '', KILLED],
  ['a failed start that never ran takes no line of a later run', false, 'no such file', undefined],
  ['a failed start takes a line if XML-RPC reports that it ran', false, TOO_QUICKLY, KILLED],
  ['a failed start takes no line if it is not known that it ran', false, '', undefined],
] as const) {
  reasons(
    title,
    inScene(async (scene) => {
      scene.reportsStarts = reportsStarts;
      scene.reply = async () => reply({ state: 30, spawnerr });
      const steps = ['RUNNING>STOPPING', 'STOPPING>STOPPED', 'STOPPED>STARTING'] as const;
      for (const [index, step] of steps.entries()) {
        scene.changes.publish(scene.table.apply(event(index + 1, 'web', step), AT));
      }
      await eventually(5_000, () => assert.is(scene.reason?.kind, 'unknown'));
      scene.evidence.settle(scene.evidence.end);
      const message = { kind: 'ended', name: 'web', expected: false, reason: KILLED } as const;
      scene.evidence.add({ at: AT + 0.5, message, isCertain: true });
      const failed = event(4, 'web', 'STARTING>BACKOFF', { tries: 1 });
      scene.changes.publish(scene.table.apply(failed, AT + 1));
      await eventually(5_000, () => assert.is.not(scene.failedReason?.kind, 'pending'));
      assert.equal(scene.reason?.kind === 'signalled' ? scene.reason : undefined, expected);
    }),
  );
}

const EXITED_9: LoggedReason = { kind: 'exited', source: 'log', exitCode: 9 };

reasons(
  'where starts are not logged, a failed start does not get the line of the one before it',
  inScene(async (scene) => {
    const failed = (at: number, reason: LoggedReason) =>
      scene.evidence.add({
        at,
        message: { kind: 'ended', name: 'web', expected: false, reason },
        isCertain: true,
      });
    const apply = (serial: number, transition: string) =>
      scene.changes.publish(scene.table.apply(event(serial, 'web', transition), AT + serial));
    scene.logs(KILLED);
    scene.exit();
    assert.equal(scene.reason, KILLED);
    scene.reportsStarts = false;
    scene.reply = async () => reply({ state: 30, spawnerr: TOO_QUICKLY });
    apply(2, 'EXITED>STARTING');
    failed(AT + 3, EXITED_9);
    apply(3, 'STARTING>BACKOFF');
    apply(4, 'BACKOFF>STARTING');
    failed(AT + 5, KILLED);
    apply(5, 'STARTING>BACKOFF');
    await eventually(5_000, () => assert.is(scene.table.get(id('web'))?.spawnError, TOO_QUICKLY));
    assert.equal(scene.failedReason, undefined);
    assert.is.not(scene.reason?.kind, 'exited');
  }),
);

/** At loglevel=warn a stop with an expected exit code has no line: then the next line is of a later end. */
for (const [title, isOwnLine, state, exitstatus, existed, expected] of [
  ['does not get the signal of a later one', false, 0, 0, true, 'exited'],
  ['gets its signal once XML-RPC reports one', true, 0, -1, false, 'signalled'],
  ['gets its signal also if the process was restarted', true, 20, 0, true, 'signalled'],
  ['that was restarted does not get the signal of a later one', false, 20, 0, true, 'unknown'],
  ['of a run that was never seen does not get a signal', true, 20, 0, false, 'unknown'],
] as const) {
  reasons(
    `where starts are not logged, a stop ${title}`,
    inScene(async (scene) => {
      scene.logs(KILLED);
      scene.exit();
      scene.reportsStarts = false;
      if (existed) scene.children.add(102);
      const logStop = () =>
        scene.evidence.add({
          at: AT + 9,
          message: { kind: 'ended', name: 'web', expected: undefined, reason: KILLED },
          isCertain: true,
        });
      scene.reply = async () => {
        if (!isOwnLine) logStop();
        if (state === 20) {
          scene.children.add(103);
          apply('STOPPED>STARTING');
          apply('STARTING>RUNNING', 103);
        }
        return reply({ state, exitstatus });
      };
      let serial = 1;
      const apply = (step: string, pid = 102) => {
        serial += 1;
        const { changes, table } = scene;
        changes.publish(table.apply(event(serial, 'web', step, { pid }), AT + 1));
      };
      for (const step of ['EXITED>STARTING', 'STARTING>RUNNING', 'RUNNING>STOPPING']) apply(step);
      if (isOwnLine) logStop();
      apply('STOPPING>STOPPED');
      const settled = await scene.settled();
      assert.is(settled?.kind, expected);
      if (settled?.kind === 'signalled') assert.is(settled.signal, 9);
    }),
  );
}

for (const [reportsStarts, expected] of [
  [true, KILLED],
  [false, { kind: 'unknown' }],
] as const) {
  reasons(
    `a line in the second of an end counts where starts are logged: ${reportsStarts}`,
    inScene(async (scene) => {
      scene.reportsStarts = reportsStarts;
      scene.logs(KILLED, AT + 0.2);
      const again = snapshot([info('web', 'RUNNING', { pid: 103, start: AT, stop: AT })]);
      scene.changes.publish(scene.table.applySnapshotAt(again, 9).changes);
      assert.equal(await scene.settled(), expected);
    }),
  );
}

for (const [title, reportsStarts, expected] of [
  ['the line after a truncation is used if XML-RPC confirms it', true, KILLED],
  ['the line after a truncation is not used if starts are not logged', false, BY_SOME_SIGNAL],
] as const) {
  reasons(
    title,
    inScene(async (scene) => {
      scene.reportsStarts = reportsStarts;
      scene.evidence.truncatedAt(0);
      const message = { kind: 'ended', name: 'web', expected: false, reason: KILLED } as const;
      scene.evidence.add({ at: AT - 0.5, message, isCertain: true });
      scene.reply = async () => reply({ exitstatus: -1 });
      scene.exit();
      assert.equal(await scene.settled(), expected);
    }),
  );
}

/** The pid that the event of the end of STARTING carries. */
for (const [title, transition, pid] of [
  ['that fails to start', 'STARTING>BACKOFF', undefined],
  ['that is stopped while it starts', 'STARTING>STOPPING', 102],
] as const) {
  reasons(
    `supervisord's log corrects the begin of a run ${title}`,
    inScene(({ table, changes, evidence }) => {
      const spawned = { kind: 'spawned', name: 'web', pid: 102 } as const;
      const ended = { kind: 'ended', name: 'web', expected: false, reason: KILLED } as const;
      evidence.add({ at: AT + 0.25, message: spawned, isCertain: true });
      evidence.add({ at: AT + 1.5, message: ended, isCertain: true });
      const extra = pid === undefined ? { tries: 1 } : { pid };
      changes.publish(table.apply(event(1, 'web', 'EXITED>STARTING', { tries: 0 }), AT + 1));
      changes.publish(table.apply(event(2, 'web', transition, extra), AT + 2));
      assert.is(table.get(id('web'))?.startTime, AT + 0.25);
      changes.publish(table.apply(event(3, 'web', 'BACKOFF>STARTING', { tries: 1 }), AT + 3));
      assert.is(table.get(id('web'))?.startTime, AT + 3);
    }),
  );
}

reasons(
  'the begin of a failed start that is established late is not that of the next run',
  inScene((scene) => {
    const { table, changes, evidence } = scene;
    scene.trust = 'pending';
    const spawned = { kind: 'spawned', name: 'web', pid: 102 } as const;
    const ended = { kind: 'ended', name: 'web', expected: false, reason: KILLED } as const;
    evidence.add({ at: AT + 0.25, message: spawned, isCertain: true });
    evidence.add({ at: AT + 1.5, message: ended, isCertain: true });
    changes.publish(table.apply(event(1, 'web', 'EXITED>STARTING', { tries: 0 }), AT + 1));
    changes.publish(table.apply(event(2, 'web', 'STARTING>BACKOFF', { tries: 1 }), AT + 2));
    changes.publish(table.apply(event(3, 'web', 'BACKOFF>STARTING', { tries: 1 }), AT + 3));
    scene.trust = 'trusted';
    scene.reasons.trustEstablished();
    assert.equal(table.get(id('web'))?.termination?.reason, KILLED);
    assert.is(table.get(id('web'))?.startTime, AT + 3);
  }),
);

reasons.run();
