import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LogEntry, LogEvidence } from '../../src/exits/evidence.ts';
import { toHarmlessText } from '../../src/exits/harmless-text.ts';
import { readLogEnd } from '../../src/exits/log-end.ts';
import type { LogMessage } from '../../src/exits/log-lines.ts';
import { LogTails } from '../../src/exits/log-tails.ts';
import { Namesakes } from '../../src/exits/namesakes.ts';
import { hasWrittenNothing } from '../../src/exits/run-activity.ts';
import { type Change, ChangeFeed } from '../../src/processes/changes.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { RpcCall } from '../../src/rpc/client.ts';
import { RpcError } from '../../src/util/errors.ts';
import { eventually, timed } from '../support/deadline.ts';
import { event, id, info, snapshot } from '../support/facts.ts';

const tails = suite('log tails');

const ESC = '\u001b';

const TEXTS: ReadonlyArray<readonly [title: string, bytes: string | number[], text: string]> = [
  ['plain text with tabs', 'a\tb\nc\n', 'a\tb\nc\n'],
  ['other scripts', 'größe 設定 🙂', 'größe 設定 🙂'],
  ['colours', `${ESC}[1;31mred${ESC}[0m`, 'red'],
  ['a cursor that moves up and erases', `one${ESC}[1A${ESC}[2Ktwo`, 'onetwo'],
  ['the title of a terminal', `${ESC}]0;pwned\u0007text`, 'text'],
  ['a link of a terminal', `${ESC}]8;;http://x${ESC}\\text${ESC}]8;;${ESC}\\`, 'text'],
  ['a device control string', `${ESC}P1$r0m${ESC}\\text`, 'text'],
  ['a control string without an end', `${ESC}]lost\nTraceback`, '\nTraceback'],
  ['other character sets', `${ESC}(0lqk${ESC}(B`, 'lqk'],
  ['a sequence that was cut', `text${ESC}`, 'text\ufffd'],
  ['a sequence of one character', `${ESC}=${ESC}7text`, 'text'],
  ['C1 controls', '\u009b31mtext', '\ufffd31mtext'],
  ['NUL, bell and backspace', 'a\0b\u0007c\b', 'a\ufffdb\ufffdc\ufffd'],
  ['carriage returns', 'one\r\ntwo\rthree\r\r\n', 'one\ntwo\nthree\n'],
  ['separators of Unicode', 'a\u2028b\u2029c\u0085d', 'a\ufffdb\ufffdc\ufffdd'],
  [
    'text that is reordered or hidden',
    'a\u202eb\u2066c\u200bd\ufeffe',
    'a\ufffdb\ufffdc\ufffdd\ufffde',
  ],
  ['bytes that are not UTF-8', [0x61, 0xff, 0xc0, 0x62], 'a\ufffd\ufffdb'],
  ['a character that was cut at the beginning', [0xa4, 0x61], 'a'],
  ['a character that was cut at the end', [0x61, 0xc3], 'a\ufffd'],
  ['nothing', '', ''],
];

for (const [title, input, text] of TEXTS) {
  tails(`harmless: ${title}`, () => {
    const bytes = typeof input === 'string' ? Buffer.from(input) : Buffer.from(input);
    assert.is(toHarmlessText(bytes), text);
  });
}

const RUNS = 50;
/** The longest that is kept. Longer ones take the garbage collector more time. */
const LONG_BYTES = 8 * 1024;
const PIECES = ['\r', `${ESC}[`, `${ESC}]`, `${ESC} `, `${ESC}[0 `, '\u009b', '\r\r\n', 'a'];

tails('the time that a text takes grows with its length alone, whatever it repeats', () => {
  const timeOf = (piece: string, bytes: number) => {
    const text = Buffer.from(piece.repeat(bytes / piece.length));
    const began = performance.now();
    toHarmlessText(text);
    return performance.now() - began;
  };
  for (const piece of PIECES) {
    const best = (bytes: number) =>
      Math.min(...Array.from({ length: RUNS }, () => timeOf(piece, bytes)));
    // It is compiled before it is measured.
    best(LONG_BYTES);
    const ratio = best(LONG_BYTES) / best(LONG_BYTES / 8);
    // Eight times if linear, 64 times if quadratic.
    assert.ok(ratio < 30, `${JSON.stringify(piece)}: ${ratio}`);
  }
});

tails('no text keeps a control character but tab and newline', () => {
  const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('x');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  assert.not.match(toHarmlessText(Buffer.from(all)), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
});

/** Files as they may be configured as logs. Each body gets the folder. */
const FILES: ReadonlyArray<
  readonly [title: string, prepare: (file: string) => void, expected: string]
> = [
  ['a log', (file) => writeFileSync(file, 'one\ntwo\n'), 'ne\ntwo\n'],
  ['a short log', (file) => writeFileSync(file, 'one\n'), 'one\n'],
  ['an empty log', (file) => writeFileSync(file, ''), ''],
  ['no log', () => {}, 'none'],
  [
    'a log that was just rotated',
    (file) => {
      writeFileSync(file, 'wo\n');
      writeFileSync(`${file}.1`, 'one\nt');
    },
    'ne\ntwo\n',
  ],
  [
    'a log that was rotated into a FIFO',
    (file) => {
      writeFileSync(file, 'two\n');
      execFileSync('mkfifo', [`${file}.1`]);
    },
    'two\n',
  ],
  ['a FIFO', (file) => execFileSync('mkfifo', [file]), 'none'],
  ['a folder', (file) => execFileSync('mkdir', [file]), 'none'],
  [
    'a link to a log',
    (file) => {
      writeFileSync(`${file}.real`, 'one\n');
      symlinkSync(`${file}.real`, file);
    },
    'one\n',
  ],
  ['a link to our own stdout', (file) => symlinkSync('/dev/stdout', file), 'none'],
  ['a link to itself', (file) => symlinkSync(file, file), 'none'],
];

for (const [title, prepare, expected] of FILES) {
  tails(`the end of ${title}`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      prepare(join(dir, 'log'));
      for (const path of [join(dir, 'log'), 'log']) {
        const end = readLogEnd(path, dir, 7);
        assert.is(end.kind === 'read' ? String(end.bytes) : end.kind, expected, path);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}

tails('names that mean something else in each process are never opened', () => {
  for (const path of ['/dev/stdout', '/dev/stderr', '/dev/fd/1', '/proc/self/fd/1', '/dev/null']) {
    assert.equal(readLogEnd(path, '/', 7), { kind: 'none' }, path);
  }
});

const AT = 1_700_000_100;

/** `web` runs and has a log on stderr. */
class Scene {
  readonly dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  readonly table = new ProcessTable();
  readonly changes = new ChangeFeed();
  readonly evidence = new LogEvidence();
  readonly calls: (readonly RpcCall[])[] = [];
  reply: readonly unknown[] = [];
  readonly subject: LogTails;
  /** Whether the next run has written nothing yet. */
  isNextSilent = false;
  #serial = 0;

  constructor(stderrLog = join(this.dir, 'stderr')) {
    this.subject = new LogTails({
      table: this.table,
      changes: this.changes,
      namesakes: new Namesakes(this.changes),
      maxBytes: 100,
      supervisorPid: process.pid,
      evidence: this.evidence,
      hasWrittenNothing: (pid) => pid === 2 && this.isNextSilent,
      readLog: () => true,
      client: {
        multicallSettled: async (calls) => {
          this.calls.push(calls);
          return [...this.reply];
        },
      },
      log: { debug: undefined, info: () => {}, warn: () => {}, error: () => {} },
    });
    this.evidence.beginAt(0);
    const running = info('web', 'RUNNING', { pid: 1, start: AT - 50, stderrLog });
    this.changes.publish(this.table.applySnapshotAt(snapshot([running]), 0).changes);
  }

  /** The process writes, exits, and supervisord logs that. */
  exit(at: number, output?: string): this {
    this.subject.keep(this.subject.read([this.logExit(at, output)]));
    return this;
  }

  /** The same, but the exporter has not read the log of the process yet. */
  logExit(at: number, output?: string): LogEntry {
    if (output !== undefined) writeFileSync(join(this.dir, 'stderr'), output);
    const reason = { kind: 'exited', source: 'log', exitCode: 3 } as const;
    return this.#log(at, { kind: 'ended', name: 'web', expected: false, reason });
  }

  start(at: number): this {
    this.#log(at, { kind: 'spawned', name: 'web', pid: 2 });
    return this;
  }

  /** The event of the exit, and what is then established. */
  event(finishedAt: number | undefined): this {
    this.#serial += 1;
    const exited = event(this.#serial, 'web', 'RUNNING>EXITED', { expected: false, pid: 1 });
    return this.#publish(this.table.apply(exited, AT + 5), finishedAt);
  }

  /** A snapshot reports the exit before its event. */
  snapshot(finishedAt: number): this {
    const exited = info('web', 'EXITED', { start: AT - 50, stop: AT, exitStatus: 3 });
    return this.#publish(this.table.applyUnorderedSnapshot(snapshot([exited]), 0), finishedAt);
  }

  #publish(changes: readonly Change[], finishedAt: number | undefined): this {
    for (const change of changes) {
      this.changes.publish([change]);
      if (change.kind !== 'exited') continue;
      const facts = { reason: { kind: 'unknown' }, finishedAt } as const;
      this.changes.publish(this.table.setTerminationFacts(id('web'), change.termination.id, facts));
    }
    return this;
  }

  get text(): string | undefined {
    return this.subject.of(id('web'))?.text;
  }

  #log(at: number, message: LogMessage): LogEntry {
    const entry = { at, message, isCertain: true };
    this.evidence.add(entry);
    return entry;
  }
}

function inScene(body: (scene: Scene) => void | Promise<void>, log?: string): () => Promise<void> {
  return timed(10_000, async () => {
    const scene = new Scene(log);
    try {
      await body(scene);
    } finally {
      rmSync(scene.dir, { recursive: true, force: true });
    }
  });
}

tails(
  'a tail belongs to the exit whose line has the same time',
  inScene((scene) => {
    scene.exit(AT, 'first\n');
    assert.is(scene.text, undefined, 'not before the event');
    scene.event(AT);
    assert.equal(scene.subject.of(id('web')), { stream: 'stderr', text: 'first\n', at: AT });
  }),
);

tails(
  'the tail of an exit that a snapshot reports first stays once its event is received',
  inScene((scene) => {
    assert.is(scene.exit(AT, 'first\n').snapshot(AT).text, 'first\n');
    assert.is(scene.event(AT).text, 'first\n');
  }),
);

tails(
  'two exits with late events each get their own tail, and the last one is kept',
  inScene((scene) => {
    scene
      .exit(AT, 'first\n')
      .start(AT + 1)
      .exit(AT + 2, 'second\n');
    assert.is(scene.event(AT).text, 'first\n');
    assert.is(scene.event(AT + 2).text, 'second\n');
  }),
);

tails(
  'an exit without a tail removes the tail of the exit before',
  inScene((scene) => {
    assert.is(scene.exit(AT, 'first\n').event(AT).text, 'first\n');
    assert.is(scene.event(AT + 9).text, undefined);
  }),
);

tails(
  'the log of an exit from before the exporter followed the log is read with its event',
  inScene((scene) => {
    scene.logExit(AT, 'last words\n');
    assert.is(scene.event(AT).text, 'last words\n');
    scene.logExit(AT + 2, 'of the next run\n');
    scene.start(AT + 3);
    assert.is(scene.event(AT + 2).text, undefined, 'a further run may have written it');
  }),
);

tails(
  'a log that was read after the next start is discarded',
  inScene((scene) => {
    const entry = scene.logExit(AT, 'of the next run\n');
    scene.start(AT + 0.01);
    assert.equal(scene.subject.read([entry]), []);
  }),
);

tails(
  'a log that was read while the next run started is discarded',
  inScene((scene) => {
    const entry = scene.logExit(AT, 'of the next run\n');
    const candidates = scene.subject.read([entry]);
    assert.is(candidates.length, 1);
    scene.start(AT + 0.01);
    scene.subject.keep(candidates);
    assert.is(scene.event(AT).text, undefined);
  }),
);

tails(
  'what was read after the next start is kept as long as that run has written nothing',
  inScene((scene) => {
    const entry = scene.logExit(AT, 'last words\n');
    scene.start(AT + 0.01).isNextSilent = true;
    const candidates = scene.subject.read([entry]);
    scene.isNextSilent = false;
    scene.subject.keep(candidates);
    assert.is(scene.event(AT).text, undefined, 'it may have written while the log was read');
    scene.isNextSilent = true;
    scene.subject.keep(scene.subject.read([entry]));
    assert.is(scene.text, 'last words\n');
  }),
);

/** A shell whose child runs `script` with the shell's stdin. Node's own children have written a byte. */
async function withChild(
  script: string,
  body: (pid: number, parent: number, write: (text: string) => void) => Promise<void>,
): Promise<void> {
  const shell = spawn('sh', ['-c', `exec 3<&0; sh -c '${script}' <&3 >/dev/null & echo $!; wait`], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let pid = Number.NaN;
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    pid = Number(text);
  });
  try {
    await eventually(5_000, () => {
      assert.is(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[2], script);
    });
    await body(pid, shell.pid ?? 0, (text) => void shell.stdin.write(text));
  } finally {
    shell.stdin.end();
    shell.kill('SIGKILL');
  }
}

tails(
  'a process has written nothing until it writes',
  timed(20_000, () =>
    withChild('read line; echo done; read line', async (pid, parent, write) => {
      assert.ok(hasWrittenNothing(pid, parent));
      assert.not(hasWrittenNothing(pid, process.pid), 'it is not a child of that process');
      write('go\n');
      await eventually(5_000, () => assert.not(hasWrittenNothing(pid, parent)));
      assert.not(hasWrittenNothing(2 ** 30, parent), 'there is no such process');
    }),
  ),
);

tails(
  'a process that has had a child may have written something',
  timed(20_000, () =>
    withChild('read line; (true); read line', async (pid, parent, write) => {
      assert.ok(hasWrittenNothing(pid, parent));
      write('go\n');
      await eventually(5_000, () => assert.not(hasWrittenNothing(pid, parent)));
    }),
  ),
);

tails(
  'an expected exit and a process that is gone keep nothing',
  inScene((scene) => {
    scene.exit(AT, 'first\n').event(AT);
    scene.changes.publish(scene.table.removeGroup('web', 9));
    assert.is(scene.text, undefined);
  }),
);

/** When supervisord answers, in epoch seconds. */
const now = () => Math.floor(Date.now() / 1000);

/** What supervisord reports of a process that has ended just now. */
const ended = (more = {}) => ({
  group: 'web',
  name: 'web',
  state: 100,
  start: AT - 50,
  stop: now(),
  exitstatus: 3,
  pid: 0,
  spawnerr: '',
  ...more,
});

tails(
  "without supervisord's log, supervisord is asked, and answers for the run that has ended",
  inScene(async (scene) => {
    scene.reply = [ended(), `${ESC}[1mlast words\n`];
    scene.subject.noticed(id('web'), 1);
    assert.equal(scene.calls[0]?.[1], {
      methodName: 'supervisor.readProcessStderrLog',
      params: ['web:web', -100, 0],
    });
    await eventually(5_000, () => assert.is(scene.calls.length, 1));
    await new Promise((resolve) => setImmediate(resolve));
    assert.is(scene.event(undefined).text, 'last words\n');
  }),
);

const USELESS: ReadonlyArray<readonly [title: string, reply: () => readonly unknown[]]> = [
  ['runs again', () => [ended({ state: 20, pid: 2 }), 'of the next run\n']],
  ['has run again', () => [ended({ start: now() }), 'of the next run\n']],
  [
    'has run again before its end was noticed',
    () => [ended({ start: now() - 8, stop: now() - 7 }), 'of the next run\n'],
  ],
  [
    'is unknown',
    () => [new RpcError('ERR_RPC_FAULT', 'BAD_NAME'), new RpcError('ERR_RPC_FAULT', 'x')],
  ],
  ['has no log', () => [ended(), new RpcError('ERR_RPC_FAULT', 'NO_FILE')]],
  ['has an empty log', () => [ended(), '']],
];

for (const [title, reply] of USELESS) {
  tails(
    `the answer for a process that ${title} is discarded`,
    inScene(async (scene) => {
      scene.reply = reply();
      scene.subject.noticed(id('web'), 1);
      await eventually(5_000, () => assert.is(scene.calls.length, 1));
      await new Promise((resolve) => setImmediate(resolve));
      assert.is(scene.event(undefined).text, undefined);
    }),
  );
}

tails.run();
