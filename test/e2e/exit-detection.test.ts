import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import {
  assertSeenEarly,
  EIGHT,
  exitsOf,
  INFO,
  type Killed,
  killTogether,
  pidOf,
  reasonOf,
  untilRunning,
} from '../support/killing.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const exits = suite('exit detection');

exits(
  'no scrape shows the signal of an earlier stop for a new exit',
  timed(120_000, () =>
    play({ conf: 'killed', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, EIGHT);
      await supervisord.ctl('stop', 'eight:*');
      await supervisord.until(20_000, (metrics) => {
        for (const name of EIGHT) assert.is(reasonOf(metrics, name).signal, 15);
      });
      await supervisord.ctl('start', 'eight:*');
      await untilRunning(supervisord, EIGHT, 2);
      await killTogether(supervisord, EIGHT);
    }),
  ),
);

exits(
  'an exit is seen early and with its reason while a child keeps the pipes of the process open',
  timed(60_000, () =>
    play({ conf: 'killed', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, ['holder']);
      const kills: Killed[] = [];
      for (let round = 0; round < 3; round++) {
        kills.push(await killTogether(supervisord, ['holder']));
      }
      assertSeenEarly(kills);
    }),
  ),
);

exits(
  'exits of 1, 8 and 20 of 800 processes are seen early and with their reasons',
  timed(240_000, () =>
    play({ conf: 'killed-many' }, async (supervisord) => {
      await supervisord.until(120_000, (metrics) =>
        assert.is(metrics.value('supervisord_processes', { state: 'RUNNING' }), 801),
      );
      await untilRunning(supervisord, many(0, 800));
      for (const count of [1, 8, 20]) {
        const kills: Killed[] = [];
        for (let round = 0; round < 3; round++) {
          kills.push(await killTogether(supervisord, many(round * count, count)));
        }
        assertSeenEarly(kills);
      }
    }),
  ),
);

function many(first: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `many-${first + index}`);
}

const SILENCE_MS = 10_000;

exits(
  'an idle exporter writes nothing and wakes nothing at loglevel=debug',
  timed(120_000, () =>
    play({ conf: 'killed' }, async (supervisord) => {
      await untilRunning(supervisord, EIGHT);
      // Its own line of this exit is copied into the log that it follows.
      await killTogether(supervisord, EIGHT.slice(0, 1));
      await supervisord.until(20_000, (metrics) =>
        assert.is(metrics.value('supervisord_exporter_synced'), 1),
      );
      const before = await written(supervisord);
      assert.match(supervisord.log, /'exporter' stderr output:/);
      await sleep(SILENCE_MS);
      assert.equal(await written(supervisord), before);
    }),
  ),
);

/** The exporter's output, and how often it has woken supervisord. */
async function written(supervisord: Supervisord): Promise<readonly unknown[]> {
  const metrics = await supervisord.metrics();
  return [supervisord.exporterLog, metrics.value('supervisord_exporter_nudges_total')];
}

exits(
  'a stopped supervisord is shown as stalled, and its exits as unreported',
  timed(120_000, () =>
    play({ conf: 'killed', files: INFO }, async (supervisord) => {
      await untilRunning(supervisord, EIGHT);
      await supervisord.until(20_000, (metrics) =>
        assert.is(metrics.value('supervisord_stalled'), 0),
      );
      const pid = await pidOf(supervisord, 'eight-0');
      process.kill(supervisord.pid, 'SIGSTOP');
      try {
        process.kill(pid, 'SIGKILL');
        await supervisord.until(60_000, (metrics) =>
          assert.is(metrics.value('supervisord_process_unreported_exit', { name: 'eight-0' }), 1),
        );
        await supervisord.until(60_000, (metrics) =>
          assert.is(metrics.value('supervisord_stalled'), 1),
        );
      } finally {
        process.kill(supervisord.pid, 'SIGCONT');
      }
      await supervisord.until(60_000, (metrics) => {
        assert.is(metrics.value('supervisord_stalled'), 0);
        assert.is(metrics.value('supervisord_process_unreported_exit', { name: 'eight-0' }), 0);
        assert.is(exitsOf(metrics, 'eight-0'), 1);
        assert.is(reasonOf(metrics, 'eight-0').signal, 9);
      });
      await killTogether(supervisord, EIGHT);
      const metrics = await supervisord.metrics();
      assert.is(
        metrics.value('supervisord_exporter_collector_success', { collector: 'exit_reason' }),
        1,
      );
    }),
  ),
);

exits.run();
