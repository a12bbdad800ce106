import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogFollower } from '../../src/exits/follower.ts';
import { type RpcCall, RpcError } from '../../src/rpc/client.ts';

const follower = suite('log follower');

/** Reads as supervisord does: bytes from an offset, and no answer where they are not UTF-8. */
class Log {
  bytes = Buffer.alloc(0);
  calls = 0;
  isThere = true;

  write(text: string | Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, Buffer.from(text)]);
  }

  async multicallSettled(calls: readonly RpcCall[]): Promise<unknown[]> {
    this.calls += 1;
    return calls.map(({ methodName, params }) => {
      if (methodName !== 'supervisor.readLog') return methodName;
      const [offset, length] = params as [number, number];
      if (!this.isThere) return new RpcError('fault', 'NO_FILE');
      try {
        const read = this.bytes.subarray(offset, offset + length);
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(read);
      } catch {
        return new RpcError('fault', 'FAILED');
      }
    });
  }
}

function begin(text: string | Uint8Array = '') {
  const log = new Log();
  log.write(text);
  const subject = new LogFollower(log);
  const read = async () => (await subject.read([])).text;
  /** All that there is to read, however many looks it takes. */
  const readAll = async () => {
    let all = '';
    for (;;) {
      const { text, isBehind } = await subject.read([]);
      all += text;
      if (!isBehind) return all;
    }
  };
  return { log, subject, read, readAll };
}

follower('what was there before, then what is new, and nothing twice', async () => {
  const { log, read } = begin('one\n');
  assert.is(await read(), 'one\n');
  assert.is(await read(), '');
  log.write('two\n');
  log.write('drei: wörker-é 🚀\n');
  assert.is(await read(), 'two\ndrei: wörker-é 🚀\n');
  assert.is(await read(), '');
});

follower('an empty log, which is written to later', async () => {
  const { log, read } = begin();
  assert.is(await read(), '');
  log.write('one\n');
  assert.is(await read(), 'one\n');
});

follower('of a long log only the end, in a few calls', async () => {
  const line = `${'x'.repeat(79)}\n`;
  for (const lines of [1_000, 12_345, 400_000]) {
    const { log, read } = begin(line.repeat(lines));
    const text = await read();
    assert.ok(text.length > 20_000 && text.length < 40_000, `${text.length}`);
    assert.ok(log.calls < 12, `${log.calls} calls`);
    log.write('new\n');
    assert.ok((await read()).endsWith('new\n'));
  }
});

follower(
  'characters of several bytes are cut nowhere, wherever parts of the log begin and end',
  async () => {
    for (let shift = 0; shift < 8; shift++) {
      const { log, readAll } = begin('x'.repeat(shift + 1) + '🚀é'.repeat(20_000));
      assert.match(await readAll(), /^[🚀é]+$/u);
      log.write('é🚀'.repeat(30_000));
      assert.is(await readAll(), 'é🚀'.repeat(30_000));
    }
  },
);

follower('a log that was rotated is read from its new beginning', async () => {
  const { log, read } = begin('old\n'.repeat(100));
  await read();
  log.bytes = Buffer.from('new\n');
  assert.is(await read(), 'new\n');
  log.bytes = Buffer.alloc(0);
  assert.is(await read(), '');
  log.write('newer\n');
  assert.is(await read(), 'newer\n');
});

follower(
  'what was written while nobody looked is caught up with, or passed over where it is too much',
  async () => {
    const { log, readAll } = begin('begin\n');
    await readAll();
    const much = 'much\n'.repeat(100_000);
    log.write(much);
    assert.is(await readAll(), much);
    log.write('too much\n'.repeat(1_000_000));
    log.write('end\n');
    const text = await readAll();
    assert.ok(text.length < 100_000);
    assert.ok(text.endsWith('too much\nend\n'));
  },
);

follower('trouble is told, and over when the log can be read again', async () => {
  const { log, subject, read } = begin('one\n');
  await read();
  log.isThere = false;
  assert.is((await subject.read([])).trouble?.message, 'NO_FILE');
  log.isThere = true;
  assert.is((await subject.read([])).trouble, undefined);
  log.write(Uint8Array.of(0xff, 0xfe, 0x0a));
  assert.is((await subject.read([])).trouble?.message, 'FAILED');
  log.write('x'.repeat(200_000));
  const { text, trouble } = await subject.read([]);
  assert.is(trouble, undefined);
  assert.match(text, /^x+$/);
});

follower('further calls are answered in any case', async () => {
  const { log, subject } = begin('one\n');
  const calls = [{ methodName: 'other', params: [] }];
  assert.equal((await subject.read(calls)).results, ['other']);
  assert.equal((await subject.read(calls)).results, ['other']);
  log.isThere = false;
  assert.equal((await subject.read(calls)).results, ['other']);
});

follower.run();
