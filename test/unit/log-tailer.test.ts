import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEntry } from '../../src/exits/evidence.ts';
import { LogRecords } from '../../src/exits/log-records.ts';
import { LogTailer } from '../../src/exits/log-tailer.ts';
import { eventually, timed } from '../support/deadline.ts';

const tail = suite('log tailer');

const STAMP = '2026-11-25 13:20:05,456';

function inFolder(body: (path: string) => void | Promise<void>): () => Promise<void> {
  return timed(20_000, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
    try {
      await body(join(dir, 'supervisord.log'));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}

/** Follows a log; `pids` are those of the `spawned:` lines, in the order in which they were read. */
function follow(path: string, ownName = 'exporter') {
  const records = new LogRecords(ownName);
  const entries: LogEntry[] = [];
  const begins: boolean[] = [];
  let changes = 0;
  const tailer = new LogTailer({
    path,
    onBegin: (isStartOfFile, isComplete) => {
      begins.push(isComplete);
      records.begin(isStartOfFile);
    },
    onTruncated: () => {},
    onChunk: (chunk) => entries.push(...records.push(chunk).entries),
    onChange: () => {
      changes += 1;
      tailer.read();
    },
    onWatchError: (error) => {
      throw error;
    },
  });
  const pids = () =>
    entries.flatMap(({ message }) => (message.kind === 'spawned' ? message.pid : []));
  return { tailer, entries, begins, pids, changes: () => changes };
}

const spawned = (pid: number) => `${STAMP} INFO spawned: 'web' with pid ${pid}\n`;

/** Writes as supervisord does. */
class Writer {
  readonly #path: string;
  #fd: number;
  #lines = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'a');
  }

  get lines(): number {
    return this.#lines;
  }

  write(): void {
    this.#lines += 1;
    writeSync(this.#fd, spawned(this.#lines));
  }

  reopen(flags = 'a'): void {
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, flags);
  }

  rollOver(backups: number): void {
    for (let number = backups - 1; number > 0; number--) {
      try {
        renameSync(`${this.#path}.${number}`, `${this.#path}.${number + 1}`);
      } catch {
        // There is no such backup yet.
      }
    }
    if (backups > 0) renameSync(this.#path, `${this.#path}.1`);
    this.reopen('w');
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What can happen to the log. `isRead`: what was written before has to be read first. */
const ROTATIONS: Readonly<
  Record<
    string,
    { readonly isRead?: boolean; readonly apply: (writer: Writer, path: string) => void }
  >
> = {
  'with backups': { apply: (writer) => writer.rollOver(3) },
  'without backups': { isRead: true, apply: (writer) => writer.rollOver(0) },
  'mv and SIGUSR2': {
    apply: (writer, path) => {
      renameSync(path, `${path}.old`);
      writer.write();
      writer.reopen();
    },
  },
  'mv, create and SIGUSR2': {
    apply: (writer, path) => {
      renameSync(path, `${path}.old`);
      closeSync(openSync(path, 'a'));
      writer.write();
      writer.reopen();
    },
  },
  copytruncate: {
    isRead: true,
    apply: (_, path) => {
      copyFileSync(path, `${path}.copy`);
      truncateSync(path);
    },
  },
  clearLog: {
    isRead: true,
    apply: (writer, path) => {
      rmSync(path);
      writer.reopen();
    },
  },
  deletion: { apply: (_, path) => rmSync(path, { force: true }) },
};

for (const [name, { apply, isRead = false }] of Object.entries(ROTATIONS)) {
  tail(
    `no line is lost or read twice: ${name}`,
    inFolder((path) => {
      const writer = new Writer(path);
      writer.write();
      const { tailer, pids } = follow(path);
      writer.write();
      if (isRead) tailer.read();
      apply(writer, path);
      writer.write();
      tailer.read();
      writer.write();
      tailer.read();
      assert.equal(
        pids(),
        Array.from({ length: writer.lines }, (_, index) => index + 1),
      );
      tailer.close();
      writer.close();
    }),
  );

  tail(
    `the watch notices the first line that is written afterwards: ${name}`,
    inFolder(async (path) => {
      const writer = new Writer(path);
      const { tailer, pids } = follow(path);
      tailer.startWatching();
      for (let round = 0; round < 3; round++) {
        writer.write();
        await eventually(5_000, () => assert.is(pids().at(-1), writer.lines));
        if (name !== 'deletion' || round === 0) apply(writer, path);
        writer.write();
        await eventually(5_000, () => assert.is(pids().at(-1), writer.lines));
      }
      assert.equal(
        pids(),
        Array.from({ length: writer.lines }, (_, index) => index + 1),
      );
      tailer.close();
      writer.close();
    }),
  );
}

tail(
  'any sequence of writes, reads and rotations loses and doubles nothing',
  inFolder((path) => {
    let run = 0;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('write', 'read', 'roll', 'mv', 'truncate', 'clear'), {
          maxLength: 40,
        }),
        (steps) => {
          const file = `${path}-${run++}`;
          const writer = new Writer(file);
          const { tailer, pids } = follow(file);
          for (const step of steps) {
            // The watch has reported what was before: only supervisord rotates in an instant.
            if (step !== 'write') tailer.read();
            if (step === 'write' || step === 'roll') writer.write();
            if (step === 'roll') writer.rollOver(30);
            if (step === 'mv') ROTATIONS['mv and SIGUSR2']?.apply(writer, file);
            if (step === 'truncate') truncateSync(file);
            if (step === 'clear') ROTATIONS['clearLog']?.apply(writer, file);
            if (step === 'truncate' || step === 'clear') tailer.read();
          }
          tailer.read();
          assert.equal(
            pids(),
            Array.from({ length: writer.lines }, (_, index) => index + 1),
          );
          tailer.close();
          writer.close();
        },
      ),
      { numRuns: 200, includeErrorInReport: true },
    );
  }),
);

tail(
  'the look-back is bounded, and so is what is read at once',
  inFolder((path) => {
    appendFileSync(path, spawned(1).repeat(10_000));
    const { tailer, pids, begins } = follow(path);
    assert.ok(pids().length > 100 && pids().length < 2_000, `${pids().length}`);
    assert.equal(begins, [false]);
    appendFileSync(path, `${'x'.repeat(100)}\n`.repeat(100_000));
    appendFileSync(path, spawned(2));
    tailer.read();
    assert.is(pids().at(-1), 2);
    assert.equal(begins, [false, false]);
    tailer.close();
  }),
);

tail(
  'lines in the output of a process are not certain, and lines of the next record are',
  inFolder((path) => {
    appendFileSync(path, spawned(1));
    const { tailer, entries } = follow(path);
    appendFileSync(path, `${STAMP} DEBG 'web' stdout output:\n${spawned(2)}\n${spawned(3)}`);
    tailer.read();
    appendFileSync(path, spawned(4));
    appendFileSync(path, `${STAMP} DEBG 'exporter' stdout output:\nb'READY\\n'\n${spawned(5)}`);
    tailer.read();
    appendFileSync(
      path,
      `${STAMP} DEBG 'web' stderr output:\n${STAMP} DEBG 'exporter' stdout output:\n${spawned(6)}`,
    );
    tailer.read();
    assert.equal(
      entries.map(({ isCertain }) => isCertain),
      [true, false, false, true, true, false],
    );
    tailer.close();
  }),
);

tail(
  'stamps of another time zone are corrected by the time of the file',
  inFolder((path) => {
    const pad = (value: number, length = 2) => String(value).padStart(length, '0');
    const stampAt = (date: Date) =>
      `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())},${pad(date.getMilliseconds(), 3)}`;
    const now = Date.now();
    for (const minutes of [0, 120, -330, 765]) {
      const stamp = stampAt(new Date(now + minutes * 60_000));
      appendFileSync(path, `${stamp} INFO spawned: 'web' with pid 1\n`);
      const { tailer, entries } = follow(path);
      assert.ok(Math.abs((entries[0]?.at ?? 0) - now / 1000) < 0.002, `${minutes} min`);
      tailer.close();
      rmSync(path);
    }
  }),
);

tail(
  'a log that grows as fast as it is read is left to the next read',
  inFolder((path) => {
    appendFileSync(path, spawned(1));
    let chunks = 0;
    const tailer = new LogTailer({
      path,
      onBegin: () => {},
      onTruncated: () => {},
      onChunk: () => {
        chunks += 1;
        if (chunks > 10) throw new Error('it does not end');
        appendFileSync(path, spawned(chunks));
      },
      onChange: () => {},
      onWatchError: () => {},
    });
    try {
      for (let reads = 0; reads < 5; reads++) tailer.read();
      assert.is(chunks, 6);
    } finally {
      tailer.close();
    }
  }),
);

tail.run();
