import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, timed } from '../support/deadline.ts';
import type { Exposition } from '../support/exposition.ts';
import { play, type Supervisord } from '../support/supervisord.ts';
import { readUpTimes } from '../support/up-time.ts';

const upTime = suite('up time');

const CYCLES_MS = 40_000;
const FEWEST_CYCLES = 100;
/** Of the time by supervisord's log. */
const TOLERANCE = 0.001;
/** The debug logging of the other configurations would dominate supervisord's work. */
const INFO = { 'log.conf': '[supervisord]\nloglevel=info\n' };

const STEP_SECONDS = 3_600;
/** The dynamic linker replaces $LIB by the folder of libraries of the architecture. */
const FAKETIME = '/usr/$LIB/faketime/libfaketime.so.1';

upTime(
  "seconds up over crash cycles are those of supervisord's log within 0.1 percent",
  timed(120_000, () =>
    play({ conf: 'up-time', files: INFO }, async (supervisord) => {
      await allUp(supervisord);
      // Now the exporter follows the log.
      await supervisord.until(15_000, (metrics) =>
        assert.is(metrics.where('supervisord_exit_status', { group: 'cycle' }).length, 7),
      );
      const before = await endAll(supervisord);
      const logBefore = supervisord.log.length;
      await supervisord.ctl('start', 'cycle:*');
      await sleep(CYCLES_MS);
      const metrics = await endAll(supervisord);
      const logged = [...readUpTimes(supervisord.log.slice(logBefore))].filter(([name]) =>
        name.startsWith('cycle'),
      );
      const cycles = logged.reduce((sum, [, { runs }]) => sum + runs, 0);
      assert.ok(cycles > FEWEST_CYCLES, `${cycles} cycles`);
      const compared = logged.map(([name, { seconds, runs }]) => ({
        name,
        seconds,
        runs,
        counted: upSecondsOf(metrics, name) - upSecondsOf(before, name),
      }));
      const about = JSON.stringify(compared);
      for (const { seconds, counted } of compared) {
        assert.ok(Math.abs(counted - seconds) <= seconds * TOLERANCE, about);
      }
    }),
  ),
);

upTime(
  'after a restart of the exporter the seconds count from 0, without those before it',
  timed(60_000, () =>
    play({ conf: 'up-time', files: INFO }, async (supervisord) => {
      await allUp(supervisord);
      await supervisord.until(20_000, (metrics) => assert.ok(secondsUp(metrics) > 20));
      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        'exporter',
      );
      process.kill(pid, 'SIGKILL');
      const killedAt = performance.now();
      await supervisord.until(20_000, (metrics) => {
        const elapsed = (performance.now() - killedAt) / 1000;
        assert.ok(secondsUp(metrics) > 0);
        assert.ok(secondsUp(metrics) <= 7 * elapsed, 'no more than the time since then');
      });
    }),
  ),
);

upTime(
  'steps of the clock by an hour both ways do not count',
  timed(60_000, async () => {
    await withSteppableClock(async (supervisord, stepTo) => {
      const began = performance.now();
      await allUp(supervisord);
      for (const offset of [STEP_SECONDS, -STEP_SECONDS, 0]) {
        const before = secondsUp(await supervisord.metrics());
        stepTo(offset);
        const atStep = performance.now();
        // Half of the time of seven processes.
        await supervisord.until(20_000, (metrics) => {
          const elapsed = (performance.now() - atStep) / 1000;
          assert.ok(elapsed > 2);
          assert.ok(secondsUp(metrics) - before > 3.5 * elapsed, 'the counters have gone on');
        });
        const elapsed = (performance.now() - began) / 1000;
        assert.ok(secondsUp(await supervisord.metrics()) < 7 * elapsed + 60, 'by no hour');
      }
    });
  }),
);

/** Runs supervisord and all that it starts with a clock that `stepTo` sets, as an offset in seconds. */
async function withSteppableClock(
  body: (supervisord: Supervisord, stepTo: (offset: number) => void) => Promise<void>,
): Promise<void> {
  const file = join(mkdtempSync(join(tmpdir(), 'clock-')), 'offset');
  const stepTo = (offset: number) => writeFileSync(file, `${offset < 0 ? '' : '+'}${offset}s\n`);
  stepTo(0);
  const environment = {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  try {
    await play({ conf: 'up-time', files: INFO, environment }, (supervisord) =>
      body(supervisord, stepTo),
    );
  } finally {
    rmSync(dirname(file), { recursive: true });
  }
}

/** Starts the programs once the exporter counts: what is up before counts from then on. */
async function allUp(supervisord: Supervisord): Promise<void> {
  await supervisord.until(15_000, (metrics) =>
    assert.is(metrics.value('supervisord_exporter_synced'), 1),
  );
  await supervisord.ctl('start', 'cycle:*');
  await supervisord.until(15_000, (metrics) =>
    assert.is(metrics.sum('supervisord_up', { group: 'cycle' }), 7),
  );
}

function upSecondsOf(metrics: Exposition, name: string): number {
  return metrics.value('supervisord_process_up_seconds_total', { name }) ?? Number.NaN;
}

function secondsUp(metrics: Exposition): number {
  return metrics.sum('supervisord_process_up_seconds_total', { group: 'cycle' });
}

interface Report {
  readonly group: string;
  readonly state: string;
  readonly lastTermination?: { readonly exitCode?: number };
}

/**
 * Has each process end by itself, since the log does not say when a stop began. /metrics is read
 * only then: a counter never decreases, so one that is read after the end of a run and before its
 * event keeps the time in between until the next run.
 */
async function endAll(supervisord: Supervisord): Promise<Exposition> {
  const enough = join(supervisord.dir, 'enough');
  writeFileSync(enough, '');
  await eventually(30_000, async () => {
    const response = await fetch(supervisord.url('/-/programs?format=json'));
    const { processes } = (await response.json()) as { processes: Report[] };
    const ended = processes.filter(
      ({ group, state, lastTermination }) =>
        group === 'cycle' && state === 'EXITED' && lastTermination?.exitCode === 0,
    );
    assert.is(ended.length, 7);
  });
  rmSync(enough);
  return supervisord.metrics();
}

upTime.run();
