import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { timed } from '../support/deadline.ts';
import { play, type Supervisord } from '../support/supervisord.ts';

const nudge = suite('nudge');

const DEATHS = 5;

nudge(
  'exits are reported at once and counted the same, with and without waking supervisord',
  timed(90_000, async () => {
    const results: Record<string, { median: number; nudges: number | undefined }> = {};
    for (const flag of ['--supervisor.nudge', '--no-supervisor.nudge']) {
      await play({ conf: 'quiet', flags: [flag] }, async (supervisord) => {
        const delays: number[] = [];
        for (let death = 1; death <= DEATHS; death++)
          delays.push(await killSteady(supervisord, death));
        await supervisord.until(5_000, (metrics) => {
          assert.equal(metrics.transitions('steady:steady'), {
            'STOPPED>STARTING': 1,
            'EXITED>STARTING': DEATHS,
            'STARTING>RUNNING': DEATHS + 1,
            'RUNNING>EXITED': DEATHS,
          });
        });
        const metrics = await supervisord.metrics();
        assert.is(metrics.value('supervisord_exporter_events_redelivered_total'), 0);
        assert.is(metrics.value('supervisord_exporter_events_lost_total'), 0);
        assert.is(metrics.value('supervisord_exporter_resync_corrections_total'), 0);
        const median = delays.sort((a, b) => a - b)[Math.floor(DEATHS / 2)] ?? 0;
        results[flag] = { median, nudges: metrics.value('supervisord_exporter_nudges_total') };
      });
    }
    const [with_, without] = [results['--supervisor.nudge'], results['--no-supervisor.nudge']];
    const nudges = with_?.nudges ?? 0;
    // supervisord is woken for the exit and for RUNNING, and perhaps for a zombie.
    assert.ok(nudges >= DEATHS && nudges <= 4 * DEATHS, `${nudges} nudges`);
    assert.is(without?.nudges, 0);
    // supervisord's own sleep of a second is gone; how much of it is the bench's business.
    assert.ok((with_?.median ?? 0) < (without?.median ?? 0), JSON.stringify(results));
  }),
);

/** Kills the program once it runs; resolves to the milliseconds until its exit is counted. */
async function killSteady(supervisord: Supervisord, death: number): Promise<number> {
  await supervisord.until(20_000, (metrics) => {
    assert.is(metrics.transitions('steady:steady')['STARTING>RUNNING'], death);
    assert.is(metrics.value('supervisord_state', { name: 'steady' }), 20);
  });
  const { pid } = await supervisord.call<{ pid: number }>('supervisor.getProcessInfo', 'steady');
  const began = performance.now();
  process.kill(pid, 'SIGKILL');
  await supervisord.until(10_000, (metrics) => {
    assert.is(
      metrics.value('supervisord_process_unexpected_exits_total', { name: 'steady' }),
      death,
    );
  });
  return performance.now() - began;
}

nudge.run();
