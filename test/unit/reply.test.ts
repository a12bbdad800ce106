import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readReply } from '../../src/rpc/reply.ts';
import { timed } from '../support/deadline.ts';

const reply = suite('replies of XML-RPC');

const WORDS = Array.from({ length: 5_000 }, (_, index) => `wörker-é-🚀-${index}`);
const values = WORDS.map((word) => `<value><string>${word}</string></value>`).join('\n');
const XML = Buffer.from(
  `<?xml version='1.0'?><methodResponse><params><param><value><array><data>${values}</data></array></value></param></params></methodResponse>`,
);

async function* chunks(bytes: number): AsyncGenerator<Buffer> {
  for (let begin = 0; begin < XML.length; begin += bytes) {
    yield XML.subarray(begin, begin + bytes);
  }
}

for (const bytes of [777, 65_536, XML.length]) {
  reply(
    `in chunks of ${bytes} bytes it is the same, and characters are whole`,
    timed(20_000, async () => {
      assert.equal(await readReply(chunks(bytes), () => {}), WORDS);
    }),
  );
}

reply(
  'the event loop keeps running while a long reply is parsed that arrived at once',
  timed(20_000, async () => {
    let turns = 0;
    let isRead = false;
    const turn = () => {
      turns += 1;
      if (!isRead) setImmediate(turn);
    };
    setImmediate(turn);
    await readReply(chunks(XML.length), () => {});
    isRead = true;
    // Each slice takes at least half a millisecond, and at most one more piece.
    assert.ok(turns > 20, `${turns} turns`);
  }),
);

for (const [title, text] of [
  ['no XML', 'hello'],
  ['cut short', XML.subarray(0, 1_000).toString()],
  ['empty', ''],
] as const) {
  reply(
    `${title}: rejected`,
    timed(5_000, async () => {
      const one = (async function* () {
        yield Buffer.from(text);
      })();
      let failure: unknown;
      await readReply(one, () => {}).catch((error) => {
        failure = error;
      });
      assert.instance(failure, Error);
    }),
  );
}

const HEAD = '<methodResponse><params><param><value>';
for (const [title, head, part, reason] of [
  ['nested lists', HEAD, () => '<array><data><value>', /nested over 100 elements/],
  ['unknown elements', HEAD, () => '<a>', /nested over 100 elements/],
  ['attributes', `${HEAD}<string `, (nth: number) => `a${nth}="" `, /over 100 attributes/],
  ['a string', `${HEAD}<string>`, () => 'words, '.repeat(100), /a value of over \d+ characters/],
] as const) {
  reply(
    `${title} without an end: rejected long before the limit of a reply`,
    timed(20_000, async () => {
      let sent = 0;
      const endless = (async function* () {
        yield Buffer.from(head);
        for (let nth = 0; ; nth++) {
          const chunk = Buffer.from(part(nth));
          sent += chunk.length;
          yield chunk;
        }
      })();
      let failure: unknown;
      await readReply(endless, () => {}).catch((error) => {
        failure = error;
      });
      assert.match(String(failure), reason);
      assert.ok(sent < 10e6, `${sent} bytes`);
    }),
  );
}

reply(
  'a connection that breaks in the middle rejects with its error',
  timed(5_000, async () => {
    const broken = (async function* () {
      yield XML.subarray(0, 5_000);
      throw new Error('aborted');
    })();
    let failure: unknown;
    await readReply(broken, () => {}).catch((error) => {
      failure = error;
    });
    assert.match(String(failure), /aborted/);
  }),
);

reply.run();
