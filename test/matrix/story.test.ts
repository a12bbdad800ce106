/**
 * The story that `npm run matrix` plays with each version of Supervisor and Node: only what every
 * version does. The versions are those in PATH and of the Node that runs this file.
 */

import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { checkSupervisord } from '../support/doctor.ts';
import type { Exposition } from '../support/exposition.ts';
import { play } from '../support/supervisord.ts';

const story = suite('story');

story(
  'starts, exits, signals, failed starts, groups, stops and doctor',
  timed(90_000, () =>
    play({ conf: 'life', environment: { STORY_LOG_LEVEL: 'info' } }, async (supervisord) => {
      await supervisord.until(30_000, (metrics) => {
        assertStates(metrics, { steady: 20, waiting: 0, failing: 200, missing: 200, batch: 100 });
        assert.ok((exitsOf(metrics, 'crashing') ?? 0) >= 2);
        assert.is(metrics.value('supervisord_exit_status', { name: 'crashing' }), 3);
        assert.is(metrics.value('supervisord_exit_status', { name: 'failing' }), 7);
        assert.is(metrics.where('supervisord_process_spawn_error_info').length, 2);
      });
      const metrics = await supervisord.metrics();
      assert.equal(metrics.transitions('failing:failing'), {
        'STOPPED>STARTING': 1,
        'STARTING>BACKOFF': 3,
        'BACKOFF>STARTING': 2,
        'BACKOFF>FATAL': 1,
      });
      const version = execFileSync('supervisord', ['--version'], { encoding: 'utf8' }).trim();
      assert.is(metrics.value('supervisord_info', { version }), 1);

      const { pid } = await supervisord.call<{ pid: number }>(
        'supervisor.getProcessInfo',
        'steady',
      );
      process.kill(pid, 'SIGKILL');
      await supervisord.until(10_000, (now) => {
        assert.is(now.value('supervisord_exit_signal', { name: 'steady' }), 9);
        assertStates(now, { steady: 20 });
      });

      supervisord.writeConf('added.conf', '[program:added]\ncommand=sleep infinity\n');
      await supervisord.ctl('update');
      await supervisord.until(10_000, (now) => assertStates(now, { added: 20 }));
      await supervisord.ctl('stop', 'added');
      await supervisord.until(10_000, (now) => assertStates(now, { added: 0 }));
      supervisord.writeConf('added.conf', '');
      await supervisord.ctl('update');
      await supervisord.until(10_000, (now) =>
        assert.equal(now.where('supervisord_state', { name: 'added' }), []),
      );

      const report = await checkSupervisord(supervisord);
      assert.not.match(report.text, /^FAIL/m, report.text);
      await assertNothingWrong(await supervisord.metrics(), supervisord.exporterLog);
    }),
  ),
);

async function assertNothingWrong(metrics: Exposition, log: string): Promise<void> {
  for (const name of ['events_lost', 'events_malformed', 'resync_corrections']) {
    assert.is(metrics.sum(`supervisord_exporter_${name}_total`), 0, name);
  }
  assert.is(metrics.value('supervisord_exporter_rpc_up'), 1);
  assert.not.match(log, /level=ERROR|Warning/);
}

function assertStates(metrics: Exposition, wanted: Readonly<Record<string, number>>): void {
  const found = Object.keys(wanted).map((name) => [
    name,
    metrics.value('supervisord_state', { name }),
  ]);
  assert.equal(Object.fromEntries(found), wanted);
}

function exitsOf(metrics: Exposition, name: string): number | undefined {
  return metrics.value('supervisord_process_exits_total', { name });
}

story.run();
