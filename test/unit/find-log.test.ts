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

/** Searches repeatedly; resolves to the kinds of the results and how often the configuration was read. */
async function searchRepeatedly(
  readConfigured: () => ConfiguredLog,
): Promise<{ readonly kinds: readonly string[]; readonly readings: number }> {
  let readings = 0;
  const finder = new LogFinder({
    supervisorPid: UNREADABLE_PID,
    flag: undefined,
    readConfigured: async () => {
      readings += 1;
      return readConfigured();
    },
  });
  const kinds: string[] = [];
  for (let searches = 0; searches < SEARCHES; searches++) kinds.push((await finder.find()).kind);
  return { kinds, readings };
}

search('the configuration is read once, and a log that appears later is found', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'supervisor-exporter-'));
  const path = join(folder, 'supervisord.log');
  let readings = 0;
  const finder = new LogFinder({
    supervisorPid: UNREADABLE_PID,
    flag: undefined,
    readConfigured: async () => {
      readings += 1;
      return { kind: 'file', path };
    },
  });
  try {
    for (let searches = 0; searches < SEARCHES; searches++) {
      assert.is((await finder.find()).kind, 'none');
    }
    writeFileSync(path, "2026-11-25 13:20:01,123 INFO spawned: 'web' with pid 4711\n");
    assert.equal(await finder.find(), {
      kind: 'found',
      log: { path, openAt: undefined, source: 'configuration' },
    });
    assert.is(readings, 1);
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
