import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogOutput, MAX_WAITING_BYTES } from '../../src/util/log-output.ts';
import { timed } from '../support/deadline.ts';

const log = suite('log output');
const LINE = `${'x'.repeat(999)}\n`;

log(
  'while stderr is not read, further lines are dropped, and counted once there is room',
  timed(10_000, async () => {
    const written: string[] = [];
    let accept = () => {};
    const stream = new Writable({
      decodeStrings: false,
      write(line: string, _encoding, done) {
        written.push(line);
        accept = done;
      },
    });
    const dropped: number[] = [];
    const output = new LogOutput(
      () => stream,
      (lines) => {
        dropped.push(lines);
        output.write('counted\n');
      },
    );
    for (let line = 0; line < 5_000; line++) output.write(LINE);
    assert.ok(stream.writableLength <= MAX_WAITING_BYTES + LINE.length);
    assert.equal(dropped, []);

    while (dropped.length === 0) {
      accept();
      await nextTurn();
    }
    const held = written.filter((line) => line === LINE).length;
    assert.equal(dropped, [5_000 - held]);
    accept();
    await nextTurn();
    output.write(LINE);
    accept();
    await nextTurn();
    assert.equal(written.slice(-2), ['counted\n', LINE]);
    assert.is(dropped.length, 1);
  }),
);

log('an error of the stream is the end of the log and nothing else', async () => {
  const stream = new Writable({ write: (_line, _encoding, done) => done(new Error('EPIPE')) });
  const output = new LogOutput(
    () => stream,
    () => {},
  );
  for (let line = 0; line < 10; line++) {
    output.write(LINE);
    await nextTurn();
  }
  assert.is(stream.writableLength, 0);
});

log.run();
