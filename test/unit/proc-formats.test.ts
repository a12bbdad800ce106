import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  parseChildren,
  parseMaxFds,
  parsePageSize,
  parseResidentPages,
  parseStat,
  parseUptime,
} from '../../src/resources/formats.ts';
import { auxvOf, limitsOf, statOf } from '../support/procfs.ts';

const formats = suite('formats of /proc');

const STAT = {
  pid: 4_194_303,
  parent: 12,
  isZombie: false,
  own: { user: 345, system: 67, majorFaults: 11, ioWait: 12 },
  reaped: { user: 8, system: 9, majorFaults: 22, ioWait: 0 },
  threads: 3,
  start: 123_456_789,
  virtualBytes: 140_737_488_351_232,
};

for (const name of ['cat', 'a b', ')', 'a) S 1 2 3', '((', '', 'wörker-é', '🚀', ') Z 9 (']) {
  formats(`stat of a process with the name ${JSON.stringify(name)}`, () => {
    const text = statOf(4_194_303, {
      parent: 12,
      name,
      cpu: [345, 67, 8, 9],
      majorFaults: [11, 22],
      ioWait: 12,
      threads: [1, 2],
      start: 123_456_789,
      virtualBytes: 140_737_488_351_232,
    });
    assert.equal(parseStat(Buffer.from(text)), STAT);
  });
}

for (const [state, isZombie] of [
  ['R', false],
  ['D', false],
  ['T', false],
  ['Z', true],
  ['X', true],
] as const) {
  formats(`stat of a process in ${state}`, () => {
    assert.is(parseStat(Buffer.from(statOf(7, { state })))?.isZombie, isZombie);
  });
}

for (const text of ['', '7', '7 (cat', '7 (cat)', '7 (cat) S', '7 (cat) S 1 2 3 4 5 6 7 8 9']) {
  formats(`no stat: ${JSON.stringify(text)}`, () => {
    assert.is(parseStat(Buffer.from(text)), undefined);
  });
}

for (const [text, pids] of [
  ['', []],
  ['7 ', [7]],
  ['7', [7]],
  ['7 8 4194304 ', [7, 8, 4_194_304]],
] as const) {
  formats(`children: ${JSON.stringify(text)}`, () => {
    assert.equal(parseChildren(Buffer.from(text)), pids);
  });
}

formats('statm', () => {
  assert.is(parseResidentPages(Buffer.from('741 434 413 9 0 113 0\n')), 434);
  assert.is(parseResidentPages(Buffer.from('0 0 0 0 0 0 0\n')), 0);
  assert.is(parseResidentPages(Buffer.from('741')), undefined);
  assert.is(parseResidentPages(Buffer.from('')), undefined);
});

formats('limits', () => {
  assert.is(parseMaxFds(Buffer.from(limitsOf(1_024))), 1_024);
  assert.is(parseMaxFds(Buffer.from(limitsOf(1_073_741_816))), 1_073_741_816);
  assert.is(parseMaxFds(Buffer.from(limitsOf('unlimited'))), undefined);
  assert.is(parseMaxFds(Buffer.from('')), undefined);
});

formats('uptime', () => {
  assert.is(parseUptime(Buffer.from('350735.47 234388.90\n')), 350_735.47);
  assert.is(parseUptime(Buffer.from('')), undefined);
  assert.is(parseUptime(Buffer.from('a day')), undefined);
});

formats('the page size, whatever the word size is', () => {
  for (const size of [4_096, 16_384, 65_536]) {
    const pairs = [[33, 0x7ffc_1234_5000] as const, [51, 6] as const, [6, size] as const];
    assert.is(parsePageSize(auxvOf(...pairs)), size);
    const amidOthers = Buffer.concat([new Uint8Array(8), auxvOf(...pairs), new Uint8Array(8)]);
    assert.is(parsePageSize(amidOthers.subarray(8, -8)), size);
    const words = [33, 0xf7ed_5000, 16, 6, 6, size, 17, 100, 0, 0];
    assert.is(parsePageSize(new Uint8Array(new Uint32Array(words).buffer)), size);
  }
  assert.is(parsePageSize(auxvOf([33, 6], [17, 100])), undefined);
  assert.is(parsePageSize(auxvOf([6, 0])), undefined);
  assert.is(parsePageSize(new Uint8Array(0)), undefined);
  assert.is(parsePageSize(new Uint8Array(7)), undefined);
});

formats('the real files of this process', () => {
  const read = (file: string) => readFileSync(`/proc/self/${file}`);
  const stat = parseStat(read('stat'));
  assert.is(stat?.pid, process.pid);
  assert.is(stat?.parent, process.ppid);
  assert.ok((stat?.threads ?? 0) > 1);
  const { userCPUTime } = process.resourceUsage();
  assert.ok(Math.abs((stat?.own.user ?? 0) - userCPUTime / 10_000) < 20);
  const resident = (parseResidentPages(read('statm')) ?? 0) * (parsePageSize(read('auxv')) ?? 0);
  const { rss } = process.memoryUsage();
  assert.ok(Math.abs(resident - rss) < 0.2 * rss, `${resident} of ${rss}`);
  assert.ok((parseMaxFds(read('limits')) ?? 0) > 0);
});

formats.run();
