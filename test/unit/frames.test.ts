import { Readable } from 'node:stream';
import split2 from 'split2';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Frame,
  FrameMatcher,
  MAX_HEADER_LENGTH,
  MAX_PAYLOAD_LENGTH,
  readFrame,
} from '../../src/listener/frames.ts';
import { everyChunking } from '../support/chunks.ts';
import { timed, within } from '../support/deadline.ts';
import { group, step, tick, wire } from '../support/wire.ts';

const frames = suite('frames');

const CASES: ReadonlyArray<readonly [title: string, wire: readonly string[]]> = [
  ['one event', [step(0, 'cat:cat', 'STOPPED>STARTING', 'tries:0')]],
  ['two events with nothing between them', [tick(0, 5, 10), tick(1, 60, 60)]],
  ['a payload of length 0', [wire({ name: 'SUPERVISOR_STATE_CHANGE_RUNNING' }), tick(1, 5, 5)]],
  ['a payload that ends in a newline', [group(0, 'ADDED', 'web'), tick(1, 5, 5)]],
  [
    'a payload that looks like a header',
    [wire({ name: 'REMOTE_COMMUNICATION', payload: 'type:x\na len:3\nb' }), tick(1, 5, 5)],
  ],
  [
    'names of two-byte characters',
    [step(0, 'wörker-é:wörker-é', 'STARTING>RUNNING', 'pid:7'), tick(1, 5, 5)],
  ],
  [
    'names of two UTF-16 units',
    [step(0, '🚀rocket:🚀rocket', 'STARTING>RUNNING', 'pid:7'), tick(1, 5, 5)],
  ],
  [
    'a server name with spaces and colons',
    [wire({ name: 'TICK_5', payload: 'when:5', server: 'my server: len:3 no' })],
  ],
];

for (const [title, events] of CASES) {
  frames(
    `${title}: whole, byte by byte and cut at each offset`,
    timed(10_000, async () => {
      const expected = events.map((event) => {
        const newline = event.indexOf('\n');
        return {
          kind: 'whole',
          header: event.slice(0, newline),
          payload: event.slice(newline + 1),
        };
      });
      for (const [how, chunks] of everyChunking(Buffer.from(events.join('')))) {
        assert.equal(await readAll(chunks), expected, how);
      }
    }),
  );
}

const TOO_LONG: ReadonlyArray<readonly [title: string, wire: readonly string[]]> = [
  ['a payload of one character more', [wire({ name: 'A', payload: '12345678' })]],
  [
    'payloads among others',
    ['éé\n\n é\n len:3\né', '🚀'.repeat(8), '🚀'.repeat(7), 'x'.repeat(40), ''].map((payload) =>
      wire({ name: 'A', payload }),
    ),
  ],
];

for (const [title, events] of TOO_LONG) {
  frames(
    `${title}, too long: skipped, whole, byte by byte and cut at each offset`,
    timed(10_000, async () => {
      const expected = events.map((event) => {
        const newline = event.indexOf('\n');
        const payload = event.slice(newline + 1);
        const isTooLong = [...payload].length > 7;
        return {
          kind: 'whole',
          header: event.slice(0, newline),
          payload: isTooLong ? undefined : payload,
        };
      });
      const bytes = Buffer.from(events.join(''));
      for (const [how, chunks] of everyChunking(bytes)) {
        assert.equal(await readAll(chunks, 7), expected, how);
      }
      const cut = await readAll([bytes.subarray(0, -1)], 7);
      assert.equal(
        cut.filter(({ kind }) => kind === 'whole'),
        expected.slice(0, -1),
      );
    }),
  );
}

frames('of a payload that is too long nothing is kept', () => {
  const matcher = new FrameMatcher(7);
  const splits = ['ver:3.0 len:9\nab', 'cdef', 'ghi', 'ver'].map((text) => text.split(matcher));
  assert.equal(splits, [[''], [''], ['ver:3.0 len:9\n', ''], ['ver']]);
});

frames('the rest of the text is kept until more arrives', () => {
  const event = tick(0, 5, 1201063880);
  assert.equal(splitFrames(''), ['']);
  assert.equal(splitFrames(event), [event, '']);
  for (let cut = 0; cut < event.length; cut++) {
    assert.equal(splitFrames(event + event.slice(0, cut)), [event, event.slice(0, cut)]);
    assert.equal(readFrame(event.slice(0, cut)), { kind: 'partial' });
  }
});

const UNFRAMEABLE: ReadonlyArray<readonly [title: string, text: string, reason: RegExp]> = [
  ['no len', 'ver:3.0 server:supervisor serial:1\nwhen:5', /does not end with len/],
  ['an empty line', '\nwhen:5', /does not end with len/],
  ['a negative len', 'ver:3.0 len:-5\nwhen:5', /does not end with len/],
  ['a len that is no number', 'ver:3.0 len:five\nwhen:5', /does not end with len/],
  ['text after len', 'ver:3.0 len:5 \nwhen:5', /does not end with len/],
  ['a len that is not a safe integer', `ver:3.0 len:${'9'.repeat(400)}\n`, /not a safe integer/],
  ['an endless header', 'x'.repeat(MAX_HEADER_LENGTH + 1), /header of more than/],
  ['binary', '\u0000\ufffd\u0001\n', /does not end with len: "\\u0000/],
];

for (const [title, text, reason] of UNFRAMEABLE) {
  frames(`${title} cannot be framed: the text is returned unchanged with the error`, () => {
    assert.equal(splitFrames(text), [text, '']);
    const frame = readFrame(text);
    assert.is(frame.kind, 'unframeable');
    assert.match(frame.kind === 'unframeable' ? frame.reason : '', reason);
  });
}

frames('an event before text that cannot be framed is still parsed', () => {
  const good = tick(0, 5, 5);
  assert.equal(splitFrames(`${good}rubbish\nmore`), [good, 'rubbish\nmore', '']);
});

frames('the longest allowed payload is accepted', () => {
  const payload = 'é'.repeat(MAX_PAYLOAD_LENGTH);
  assert.equal(splitFrames(`ver:3.0 len:${MAX_PAYLOAD_LENGTH}\n${payload}x`).at(-1), 'x');
});

function splitFrames(text: string): string[] {
  return text.split(new FrameMatcher());
}

function readAll(chunks: readonly Buffer[], maxPayloadLength?: number): Promise<Frame[]> {
  const stream = Readable.from(chunks, { objectMode: false }).pipe(
    split2(new FrameMatcher(maxPayloadLength), (text) => readFrame(text, maxPayloadLength)),
  );
  return within(5_000, 'frames', stream.toArray());
}

frames.run();
