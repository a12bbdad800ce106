import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ConfiguredLog, LogFinder } from '../../src/exits/find-log.ts';

const search = suite("search for supervisord's log");

/** No process has such a pid, so that its descriptors cannot be read. */
const UNREADABLE_PID = 2 ** 22 + 1;
const SEARCHES = 20;

/** A finder that has only the configuration, and counts how often it is read. */
class CountingFinder {
  readings = 0;
  readonly finder: LogFinder;

  constructor(readConfigured: () => ConfiguredLog) {
    this.finder = new LogFinder({
      supervisorPid: UNREADABLE_PID,
      flag: undefined,
      readConfigured: async () => {
        this.readings += 1;
        return readConfigured();
      },
    });
  }
}

/** Searches repeatedly; resolves to the kinds of the results and how often the configuration was read. */
async function searchRepeatedly(
  readConfigured: () => ConfiguredLog,
): Promise<{ readonly kinds: readonly string[]; readonly readings: number }> {
  const counting = new CountingFinder(readConfigured);
  const kinds: string[] = [];
  for (let searches = 0; searches < SEARCHES; searches++) {
    kinds.push((await counting.finder.find()).kind);
  }
  return { kinds, readings: counting.readings };
}

search('the configuration is read once, and a log that appears later is found', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  const path = join(folder, 'supervisord.log');
  const counting = new CountingFinder(() => ({ kind: 'file', path }));
  const { finder } = counting;
  try {
    for (let searches = 0; searches < SEARCHES; searches++) {
      assert.is((await finder.find()).kind, 'none');
    }
    writeFileSync(path, "2026-11-25 13:20:01,123 INFO spawned: 'web' with pid 4711\n");
    assert.equal(await finder.find(), {
      kind: 'found',
      log: { path, openAt: undefined, source: 'configuration' },
    });
    assert.is(counting.readings, 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

search('a configuration that cannot be read is read a few times only', async () => {
  const { kinds, readings } = await searchRepeatedly(() => ({ kind: 'none', reason: 'no Python' }));
  assert.equal(new Set(kinds), new Set(['none']));
  assert.is(readings, 3);
});

search('a log that is not a file is not opened', async () => {
  const { kinds, readings } = await searchRepeatedly(() => ({ kind: 'file', path: '/dev/null' }));
  assert.equal(new Set(kinds), new Set(['none']));
  assert.is(readings, 1);
});

search('a file that is rejected is no longer found, and the configuration is asked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  const path = join(folder, 'program.log');
  const fd = openSync(path, 'a');
  try {
    const finder = new LogFinder({
      supervisorPid: process.pid,
      flag: undefined,
      readConfigured: async () => ({ kind: 'file', path: '/dev/null' }),
    });
    const search = await finder.find();
    assert.equal(search, { kind: 'found', log: { path, openAt: undefined, source: 'descriptor' } });
    if (search.kind !== 'found') return;
    assert.is(await finder.isConfigured(search.log), false);
    finder.reject(search.log);
    assert.equal(await finder.find(), { kind: 'none', reason: '/dev/null is not a regular file' });
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

search.run();
