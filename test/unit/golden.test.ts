/** Compares /metrics with test/golden/metrics.txt; `npm run test:golden` writes that file again. */

import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { metricsDocument } from '../../scripts/metrics-document.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Change } from '../../src/processes/changes.ts';
import type { Process } from '../../src/processes/process.ts';
import { ALL_PROCESSES } from '../../src/processes/selection.ts';
import { ProcessTable } from '../../src/processes/table.ts';
import type { TerminationFacts } from '../../src/processes/termination.ts';
import type { ResourceUsage } from '../../src/resources/resources.ts';
import { Exposition, joinTexts } from '../support/exposition.ts';
import { event, id, info, snapshot } from '../support/facts.ts';
import { ACTIVE_SOURCES } from '../support/sources.ts';

const golden = suite('golden /metrics');
const FILE = new URL('../golden/metrics.txt', import.meta.url);

const IO: ResourceUsage['io'] = {
  readBytes: 4_096,
  writtenBytes: 8_192,
  swapBytes: 0,
  voluntarySwitches: 1_234,
  involuntarySwitches: 56,
};

const USAGE: ResourceUsage = {
  pid: 101,
  cpuUserSeconds: 12.34,
  cpuSystemSeconds: 0.5,
  majorPageFaults: 17,
  ioWaitSeconds: 0.25,
  io: IO,
  residentBytes: 41_943_040,
  virtualBytes: 140_737_488_351_232,
  threads: 8,
  openFds: 21,
  maxFds: 1_024,
  processes: 3,
};

/** A table in which each family has a series. */
function fillTable(): ProcessTable {
  const table = new ProcessTable();
  table.applySnapshotAt(
    snapshot([
      info('web:web', 'RUNNING', { pid: 101, start: 1_700_000_000 }),
      info('web:worker', 'RUNNING', { pid: 102, start: 1_700_000_000 }),
      info('broken', 'FATAL', { stop: 1_700_000_003, spawnError: 'can\'t find command "broken"' }),
      info('done', 'EXITED', { start: 1_700_000_000, stop: 1_700_000_009, exitStatus: 3 }),
      info('batch', 'RUNNING', { pid: 103, start: 1_700_000_000 }),
      info('with space\\and "quotes"', 'STOPPED'),
    ]),
    0,
  );
  table.configure(id('web:web'), {
    autostart: true,
    startRetries: 3,
    stopWaitSeconds: 10,
    exitCodes: [0],
  });
  const at = 1_700_000_100;
  const exit = event(1, 'web:worker', 'RUNNING>EXITED', { expected: false, pid: 102 });
  settle(table, table.apply(exit, at), {
    reason: { kind: 'signalled', source: 'log', signal: 9, coreDumped: false, oomKilled: true },
  });
  table.apply(event(2, 'web:worker', 'EXITED>STARTING', { tries: 0 }), at + 0.25);
  table.apply(event(3, 'web:worker', 'STARTING>BACKOFF', { tries: 1 }), at + 0.5);
  table.apply(event(4, 'web:web', 'RUNNING>STOPPING', { pid: 101 }), at + 1);
  const stop = event(5, 'web:web', 'STOPPING>STOPPED', { pid: 101 });
  settle(table, table.apply(stop, at + 1.125), {
    reason: { kind: 'signalled', source: 'log', signal: 9, coreDumped: false, oomKilled: false },
    killedAtStop: true,
  });
  table.apply(event(6, 'web:web', 'STOPPED>STARTING', { tries: 0 }), at + 2);
  table.apply(event(7, 'web:web', 'STARTING>RUNNING', { pid: 101 }), at + 3);
  table.apply(event(8, 'done', 'EXITED>UNKNOWN'), at + 4);
  const batchExit = event(9, 'batch', 'RUNNING>EXITED', { expected: true, pid: 103 });
  settle(table, table.apply(batchExit, at + 5), {
    reason: { kind: 'exited', source: 'log', exitCode: 2 },
  });
  return table;
}

function settle(table: ProcessTable, changes: readonly Change[], facts: TerminationFacts): void {
  for (const change of changes) {
    if (change.kind !== 'exited') continue;
    table.setTerminationFacts(change.process.id, change.termination.id, facts);
  }
}

async function render(): Promise<string> {
  const render = createMetrics({
    footprint: false,
    exitReasons: true,
    compat: 'node_exporter',
    sources: { ...ACTIVE_SOURCES, table: fillTable() },
    upTimes: { secondsOf: () => 86_400.125 },
    resourcesIo: true,
    selection: ALL_PROCESSES,
    resources: {
      usageOf: ({ pid }: Readonly<Process>) => (pid === USAGE.pid ? USAGE : undefined),
    },
  });
  return joinTexts(await render());
}

golden('/metrics of a small process table is that of the file', async () => {
  const text = await render();
  if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(FILE, text);
  assert.fixture(text, readFileSync(FILE, 'utf8'));
});

golden('each metric has a series in the file', () => {
  const text = readFileSync(FILE, 'utf8');
  const { samples } = new Exposition(text);
  const names = new Set(samples.map(({ name }) => name));
  const families = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name);
  assert.ok(families.length > 40);
  assert.equal(
    families.filter((name) => !names.has(name)),
    [],
  );
});

golden('docs/metrics.md is generated from the file', () => {
  const written = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  assert.fixture(written, metricsDocument(readFileSync(FILE, 'utf8')), 'npm run docs writes it');
});

golden.run();
