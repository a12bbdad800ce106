import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  parseChildren,
  parseMaxFds,
  parseStat,
  parseStatm,
  parseStatus,
  parseUptime,
} from '../../src/resources/formats.ts';
import { limitsOf, statOf } from '../support/procfs.ts';

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
    assert.equal(parseStat(text), STAT);
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
    assert.is(parseStat(statOf(7, { state }))?.isZombie, isZombie);
  });
}

for (const text of ['', '7', '7 (cat', '7 (cat)', '7 (cat) S', '7 (cat) S 1 2 3 4 5 6 7 8 9']) {
  formats(`no stat: ${JSON.stringify(text)}`, () => {
    assert.is(parseStat(text), undefined);
  });
}

for (const [text, pids] of [
  ['', []],
  ['7 ', [7]],
  ['7', [7]],
  ['7 8 4194304 ', [7, 8, 4_194_304]],
] as const) {
  formats(`children: ${JSON.stringify(text)}`, () => {
    assert.equal(parseChildren(text), pids);
  });
}

formats('statm', () => {
  assert.equal(parseStatm('741 434 413 9 0 113 0\n'), { size: 741, resident: 434 });
  assert.equal(parseStatm('0 0 0 0 0 0 0\n'), { size: 0, resident: 0 });
  assert.is(parseStatm('741'), undefined);
  assert.is(parseStatm(''), undefined);
});

formats('limits', () => {
  assert.is(parseMaxFds(limitsOf(1_024)), 1_024);
  assert.is(parseMaxFds(limitsOf(1_073_741_816)), 1_073_741_816);
  assert.is(parseMaxFds(limitsOf('unlimited')), undefined);
  assert.is(parseMaxFds(''), undefined);
});

formats('uptime', () => {
  assert.is(parseUptime('350735.47 234388.90\n'), 350_735.47);
  assert.is(parseUptime(''), undefined);
  assert.is(parseUptime('a day'), undefined);
});

formats('the real files of this process', () => {
  const read = (file: string) => readFileSync(`/proc/self/${file}`, 'latin1');
  const stat = parseStat(read('stat'));
  assert.is(stat?.pid, process.pid);
  assert.is(stat?.parent, process.ppid);
  assert.ok((stat?.threads ?? 0) > 1);
  const { userCPUTime } = process.resourceUsage();
  assert.ok(Math.abs((stat?.own.user ?? 0) - userCPUTime / 10_000) < 20);
  const { size = 0, resident = 0 } = parseStatm(read('statm')) ?? {};
  const { rss } = process.memoryUsage();
  const residentBytes = (resident * (parseStatus(read('status')).virtualBytes ?? 0)) / size;
  assert.ok(Math.abs(residentBytes - rss) < 0.2 * rss, `${residentBytes} of ${rss}`);
  assert.ok((parseMaxFds(read('limits')) ?? 0) > 0);
});

formats.run();
